#!/usr/bin/env python3
"""Photographs for `textures --pictures DIR`: those that scikit-image's wheel on PyPI brings along.

    benches/pictures.py DIR

Only measured, never kept in this repository: each has a licence of its own.
"""
import pathlib, subprocess, sys, tempfile, zipfile

NAMES = ["astronaut", "chelsea", "coffee", "ihc", "motorcycle_left"]

out = pathlib.Path(sys.argv[1])
out.mkdir(parents=True, exist_ok=True)
with tempfile.TemporaryDirectory() as folder:
    fetch = ["download", "--quiet", "--no-deps", "--only-binary", ":all:", "--dest", folder, "scikit-image"]
    subprocess.run([sys.executable, "-m", "pip", *fetch], check=True)
    with zipfile.ZipFile(next(pathlib.Path(folder).glob("*.whl"))) as wheel:
        for name in NAMES:
            (out / f"{name}.png").write_bytes(wheel.read(f"skimage/data/{name}.png"))
print(f"{len(NAMES)} pictures in {out}")
