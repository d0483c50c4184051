"""Makes every texture, model and sound of Lantern: seeded noise, simple shapes, plain waves. Needs numpy, Pillow and sox."""
import json, math, struct, subprocess, sys, wave
from pathlib import Path
import numpy as np
from PIL import Image

ROOT = Path(__file__).resolve().parent.parent / "assets"
RNG = np.random.default_rng(20260101)


def noise(size, octaves=6):
    """Fractal value noise that tiles, 0 to 1."""
    total, weight = np.zeros((size, size)), 0.0
    for octave in range(octaves):
        cells = 2 ** (octave + 2)
        grid = RNG.random((cells, cells))
        at = np.arange(size) * cells / size
        low, part = at.astype(int), at - at.astype(int)
        part = part * part * (3 - 2 * part)
        high = (low + 1) % cells
        rows = grid[low] * (1 - part)[:, None] + grid[high] * part[:, None]
        values = rows[:, low] * (1 - part) + rows[:, high] * part
        total += values * 0.5**octave
        weight += 0.5**octave
    return total / weight


def ramp(values, colours):
    stops = np.linspace(0, 1, len(colours))
    return np.stack([np.interp(values, stops, [c[i] for c in colours]) for i in range(3)], -1)


def to8(pixels):
    return np.clip(np.rint(pixels), 0, 255).astype(np.uint8)


def normals(height, strength):
    dx = (np.roll(height, -1, 1) - np.roll(height, 1, 1)) * strength
    dy = (np.roll(height, -1, 0) - np.roll(height, 1, 0)) * strength
    n = np.stack([-dx, -dy, np.ones_like(height)], -1)
    n /= np.linalg.norm(n, axis=-1, keepdims=True)
    return to8(n * 127.5 + 127.5)


def textures():
    out = ROOT / "textures"
    y, x = np.mgrid[0:256, 0:256]
    # Cobbles: cells of a jittered grid.
    points = [((i + RNG.random()) * 32, (j + RNG.random()) * 32) for i in range(8) for j in range(8)]
    distance = np.sort([np.hypot((x - px + 128) % 256 - 128, (y - py + 128) % 256 - 128) for px, py in points], axis=0)
    stone = np.clip((distance[1] - distance[0]) / 8, 0, 1)
    grain = noise(256)
    Image.fromarray(to8(ramp(stone * 0.6 + grain * 0.4, [(38, 34, 40), (96, 90, 92), (168, 160, 150)]))).save(out / "cobbles.png")
    Image.fromarray(normals(stone * 4 + grain, 2.0)).save(out / "cobbles_normal.png")
    Image.fromarray(to8(255 - stone * 120 - grain * 60)).save(out / "cobbles_roughness.png")
    # Planks.
    plank = np.abs((x % 64) - 32) / 32
    fibre = noise(256)[:, ::-1] * 0.6 + np.sin(y / 5 + noise(256) * 12) * 0.1
    Image.fromarray(to8(ramp(np.clip(fibre + (plank < 0.94) * 0.25, 0, 1), [(40, 24, 14), (110, 70, 40), (180, 130, 84)]))).save(out / "planks.png")
    Image.fromarray(to8(ramp(noise(512), [(4, 18, 36), (16, 58, 84), (120, 170, 180)]))).save(out / "water.jpg", quality=90)
    Image.fromarray(to8(ramp(noise(256), [(30, 30, 34), (92, 88, 84), (150, 146, 140)]))).save(out / "rock.png")
    Image.fromarray(to8(ramp(noise(128), [(90, 60, 20), (190, 140, 60), (250, 220, 150)]))).save(out / "brass.tga")
    Image.fromarray(to8(ramp(noise(256), [(20, 40, 20), (60, 100, 44), (140, 160, 80)]))).save(out / "moss.webp", lossless=True)
    Image.fromarray(to8(ramp(noise(64), [(60, 20, 16), (140, 60, 44), (190, 110, 90)]))).save(out / "brick.bmp")
    # The flame: a soft cut-out.
    r = np.hypot(x - 128, (y - 150) * 0.7) / 100
    alpha = np.clip(1.2 - r - noise(256) * 0.4, 0, 1)
    flame = np.dstack([ramp(np.clip(1 - r, 0, 1), [(180, 40, 0), (255, 160, 20), (255, 250, 220)]), alpha * 255])
    Image.fromarray(to8(flame), "RGBA").save(out / "flame.png")
    # The net: a sharp cut-out whose size is no power of two.
    yy, xx = np.mgrid[0:100, 0:150]
    rope = ((xx + yy) % 25 < 3) | ((xx - yy) % 25 < 3)
    net = np.dstack([np.full((100, 150, 3), (150, 130, 90)), rope * 255])
    Image.fromarray(net.astype(np.uint8), "RGBA").save(out / "net.png")
    # A sign in 16-bit grey.
    depth = (noise(128) * 65535).astype(np.uint16)
    Image.fromarray(depth).save(out / "height.png")
    sky(out / "sky.hdr")


def sky(path):
    """Radiance RGBE: dusk, with a sun far brighter than white."""
    height, width = 64, 128
    y, x = np.mgrid[0:height, 0:width]
    up = 1 - y / height
    light = np.stack([0.4 + 0.5 * (1 - up), 0.3 + 0.2 * up, 0.35 + 0.5 * up], -1)
    sun = np.exp(-((x - 90) ** 2 + (y - 44) ** 2) / 12.0)
    light = light + sun[..., None] * np.array([60.0, 40.0, 16.0])
    most = light.max(-1)
    mantissa, exponent = np.frexp(most)
    scale = mantissa * 256 / most
    rgbe = np.dstack([np.floor(light * scale[..., None]), exponent + 128]).astype(np.uint8)
    path.write_bytes(b"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n-Y %d +X %d\n" % (height, width) + rgbe.tobytes())


def lathe(profile, segments):
    """A profile of (radius, height) turned around the y axis: positions, normals, uvs, indices."""
    positions, normal, uv, indices = [], [], [], []
    for i, (r, h) in enumerate(profile):
        before, after = profile[max(i - 1, 0)], profile[min(i + 1, len(profile) - 1)]
        tr, th = after[0] - before[0], after[1] - before[1]
        length = math.hypot(tr, th) or 1
        for s in range(segments + 1):
            a = 2 * math.pi * s / segments
            positions.append((r * math.cos(a), h, r * math.sin(a)))
            normal.append((th / length * math.cos(a), -tr / length, th / length * math.sin(a)))
            uv.append((s / segments, i / (len(profile) - 1)))
    for i in range(len(profile) - 1):
        for s in range(segments):
            a = i * (segments + 1) + s
            b = a + segments + 1
            indices += [a, b, a + 1, a + 1, b, b + 1]
    return positions, normal, uv, indices


def gltf(name, mesh, texture=None):
    """The glTF document of one mesh, and its buffer."""
    positions, normal, uv, indices = mesh
    chunks = [np.array(positions, "<f4"), np.array(normal, "<f4"), np.array(uv, "<f4"), np.array(indices, "<u2")]
    data, views = b"", []
    for chunk, target in zip(chunks, (34962, 34962, 34962, 34963)):
        data += b"\0" * (-len(data) % 4)
        views.append({"buffer": 0, "byteOffset": len(data), "byteLength": chunk.nbytes, "target": target})
        data += chunk.tobytes()
    data += b"\0" * (-len(data) % 4)
    p = chunks[0]
    kinds = [("VEC3", 5126), ("VEC3", 5126), ("VEC2", 5126), ("SCALAR", 5123)]
    accessors = [{"bufferView": i, "componentType": c, "count": len(chunks[i]), "type": t} for i, (t, c) in enumerate(kinds)]
    accessors[0].update(min=p.min(0).tolist(), max=p.max(0).tolist())
    document = {
        "asset": {"version": "2.0", "generator": "Lantern make_art"},
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": [{"name": name, "mesh": 0}],
        "meshes": [{"name": name, "primitives": [{"attributes": {"POSITION": 0, "NORMAL": 1, "TEXCOORD_0": 2}, "indices": 3, "material": 0}]}],
        "materials": [{"name": name, "pbrMetallicRoughness": {"baseColorFactor": [0.8, 0.7, 0.5, 1], "metallicFactor": 0.2, "roughnessFactor": 0.7}}],
        "accessors": accessors,
        "bufferViews": views,
        "buffers": [{"byteLength": len(data)}],
        "extras": {"madeFor": "Lantern"},
    }
    if texture:
        document["materials"][0]["pbrMetallicRoughness"]["baseColorTexture"] = {"index": 0}
        document["textures"] = [{"source": 0, "sampler": 0}]
        document["samplers"] = [{"magFilter": 9729, "minFilter": 9987, "wrapS": 10497, "wrapT": 10497}]
        document["images"] = [{"uri": texture}]
    return document, data


def glb(path, document, data):
    text = json.dumps(document, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 4)
    body = struct.pack("<I4s", len(text), b"JSON") + text + struct.pack("<I4s", len(data), b"BIN\0") + data
    path.write_bytes(struct.pack("<4sII", b"glTF", 2, 12 + len(body)) + body)


def models():
    out = ROOT / "models"
    lamp = [(0.0, 0.0), (0.3, 0.0), (0.08, 0.1), (0.08, 1.4), (0.25, 1.5), (0.3, 1.9), (0.25, 2.3), (0.05, 2.5), (0.0, 2.5)]
    glb(out / "lantern.glb", *gltf("lantern", lathe(lamp, 48)))
    tower = [(3.0 - h * 0.12 + 0.05 * math.sin(h * 4), float(h)) for h in np.linspace(0, 12, 60)]
    glb(out / "tower.glb", *gltf("tower", lathe(tower, 64)))
    bell = [(0.0, 1.0), (0.3, 0.98), (0.4, 0.8), (0.45, 0.4), (0.6, 0.1), (0.75, 0.0), (0.7, 0.0), (0.4, 0.35)]
    glb(out / "bell.glb", *gltf("bell", lathe(bell, 40)))
    faces = []
    for axis in range(3):
        for sign in (-1, 1):
            u, v = np.roll([0, 1, 0], axis), np.roll([0, 0, 1], axis)
            n = np.roll([sign, 0, 0], axis)
            faces.append((n, u if sign > 0 else v, v if sign > 0 else u))
    positions, normal, uv, indices = [], [], [], []
    for n, u, v in faces:
        base = len(positions)
        for a, b in ((-1, -1), (1, -1), (1, 1), (-1, 1)):
            positions.append(tuple((n + a * u + b * v) * 0.5))
            normal.append(tuple(n))
            uv.append(((a + 1) / 2, (b + 1) / 2))
        indices += [base, base + 1, base + 2, base, base + 2, base + 3]
    document, data = gltf("crate", (positions, normal, uv, indices))
    document["buffers"][0]["uri"] = "crate.bin"
    (out / "crate.bin").write_bytes(data)
    (out / "crate.gltf").write_text(json.dumps(document, indent=1) + "\n")


def sounds():
    out = ROOT / "sounds"
    rate = 44100

    def write(name, samples, extra=()):
        samples = np.atleast_2d(samples)
        pcm = (np.clip(samples.T, -1, 1) * 32767).astype("<i2")
        path = out / (Path(name).stem + ".wav")
        with wave.open(str(path), "wb") as file:
            file.setnchannels(samples.shape[0])
            file.setsampwidth(2)
            file.setframerate(rate)
            file.writeframes(pcm.tobytes())
        if not name.endswith(".wav"):
            subprocess.run(["sox", path, *extra, out / name], check=True)
            path.unlink()

    def seconds(length):
        return np.arange(int(length * rate)) / rate

    t = seconds(0.6)
    write("light.wav", np.sin(2 * np.pi * (600 + 900 * t) * t) * np.exp(-6 * t) * 0.6)
    t = seconds(0.25)
    write("step.wav", RNG.standard_normal(len(t)) * np.exp(-30 * t) * 0.3)
    t = seconds(2.0)
    tones = sum(np.sin(2 * np.pi * 330 * k * t) * np.exp(-(1 + k * 0.6) * t) / k for k in (1, 2.76, 5.4))
    write("bell.mp3", tones * 0.4, ["-C", "128"])
    t = seconds(3.0)
    low = np.cumsum(RNG.standard_normal((2, len(t))), axis=1)
    low -= np.array([np.convolve(row, np.ones(4001) / 4001, "same") for row in low])
    low /= np.abs(low).max()
    write("waves.ogg", low * (0.5 + 0.4 * np.sin(2 * np.pi * t / 3.0)), ["-C", "4"])
    write("wind.flac", low[0] * 0.5 * (0.6 + 0.4 * np.sin(2 * np.pi * t / 1.5)))


for make in (textures, models, sounds):
    make()
print(sum(file.stat().st_size for file in ROOT.rglob("*") if file.is_file()), "bytes", file=sys.stderr)
