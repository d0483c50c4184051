"""python3 textures.py FOLDER: what others make of the textures in it, as raw bytes beside them.

jobs.json lists [file, decoder, width, height, block width, block height]. `pillow` opens a whole DDS file and gives RGBA;
the others are functions of texture2ddecoder, take blocks alone and give BGRA.
"""
import json, pathlib, sys

folder = pathlib.Path(sys.argv[1])
for name, decoder, width, height, across, down in json.loads((folder / "jobs.json").read_text()):
    path = folder / name
    if decoder == "pillow":
        from PIL import Image
        image = Image.open(path)
        assert image.size == (width, height), (name, image.size)
        raw = image.convert("RGBA").tobytes()
    else:
        import texture2ddecoder
        size = [across, down] if decoder == "decode_astc" else []
        raw = getattr(texture2ddecoder, decoder)(path.read_bytes(), width, height, *size)
    (folder / f"{name}.raw").write_bytes(raw)
