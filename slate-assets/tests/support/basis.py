"""python3 basis.py FOLDER: what Basis Universal makes of the jobs in FOLDER/jobs.json.

["transcode", file, target]: level 0 of a KTX2 file, by opengl-basisu; raw bytes beside it, with the target as extension.
["encode", file, width, height, options]: a KTX2 file of raw RGBA, by alktx2, beside it with the extension ktx2.
"""
import json, pathlib, sys

folder = pathlib.Path(sys.argv[1])
for what, name, *rest in json.loads((folder / "jobs.json").read_text()):
    path = folder / name
    if what == "transcode":
        import opengl_basisu
        data = opengl_basisu.open(path.read_bytes()).transcode(rest[0]).data.tobytes()
        path.with_suffix("." + rest[0]).write_bytes(data)
    else:
        import alktx2
        width, height, options = rest
        data = alktx2.encode_raw_rgba_to_ktx2(path.read_bytes(), width, height, codec="uastc", **options)
        path.with_suffix(".ktx2").write_bytes(data)
