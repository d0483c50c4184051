"""python3 uastc.py > uastc.bin, with alktx2 0.1.7 and opengl-basisu 0.1.0a2 of PyPI: blocks of UASTC, 16 bytes each, and
what the reference transcoder shows of them, 64 bytes of RGBA. Up to five of the reference encoder's own of each mode, and
five of random bits.
"""
import struct, sys
import alktx2, numpy as np, opengl_basisu

CODES = [(0x01, 4), (0x35, 6), (0x1D, 5), (0x03, 5), (0x13, 5), (0x0B, 5), (0x1B, 5), (0x07, 5), (0x17, 5), (0x0F, 5),
         (0x02, 3), (0x00, 2), (0x06, 3), (0x1F, 5), (0x0D, 5), (0x05, 7), (0x15, 6), (0x25, 6), (0x09, 4)]
PARTITIONS = {2: 30, 3: 11, 4: 30, 7: 19, 9: 30, 16: 30}
random = np.random.default_rng(7)


def encoded(image, **options):
    height, width = image.shape[:2]
    return bytearray(alktx2.encode_raw_rgba_to_ktx2(image.tobytes(), width, height, codec="uastc", quality=100, **options))


def blocks(file, width):
    start, length, _ = struct.unpack("<3Q", file[80:104])
    texels = opengl_basisu.open(bytes(file)).transcode("rgba8").data
    for at in range(length // 16):
        y, x = divmod(at, width // 4)
        yield bytes(file[start + at * 16:][:16]) + texels[y * 4:y * 4 + 4, x * 4:x * 4 + 4].tobytes()


def pictures():
    y, x = np.mgrid[0:64, 0:64].astype(float)
    for kind in range(12):
        f = random.normal(size=(8, 3)) * 0.15
        wave = lambda c: 90 * np.sin(f[c, 0] * x + f[c, 1] * y + f[c, 2] * 20) + 20 * np.sin(3 * (f[c + 4, 0] * x + f[c + 4, 1] * y))
        image = np.stack([128 + wave(c) for c in range(4)], -1)
        if kind % 3 == 1:
            image = np.where(((np.sin(x * 0.4 + f[0, 0] * 9) + np.sin(y * 0.5)) > 0)[..., None], image, 255 - image[::-1])
        image = np.clip(image + random.normal(size=image.shape) * (kind % 4) * 4, 0, 255).astype(np.uint8)
        if kind in (3, 4, 5):
            image[..., :3] = image[..., :1]
        if kind in (0, 1, 2, 3, 6):
            image[..., 3] = 255
        if kind == 6:
            image[8:40] = image[8, 8]
        if kind == 7:
            image[..., 3] = np.where(x > 30, 255, (y * 4) % 256)
        yield image


def random_block(mode):
    code, bits = CODES[mode]
    hints = 9 + (0 if mode in (10, 11, 12) else 6) + (8 if 9 <= mode <= 17 else 0)
    while True:
        value = int.from_bytes(random.bytes(16), "little") >> bits << bits | code
        if value >> bits + hints & (15 if mode == 3 else 31) < PARTITIONS.get(mode, 32):
            return value.to_bytes(16, "little")


own = {mode: set() for mode in range(19)}
for image in pictures():
    for effort in (2, 5, 8, 10):
        for block in blocks(encoded(image, effort=effort), 64):
            mode = next(at for at, (code, bits) in enumerate(CODES) if block[0] & (1 << bits) - 1 == code)
            own[mode].add(block)
file = encoded(random.integers(0, 255, (64, 64, 4), dtype=np.uint8), force_alpha=True)
start = struct.unpack("<Q", file[80:88])[0]
for at in range(256):
    file[start + at * 16:start + at * 16 + 16] = random_block(at % 19)
others = list(blocks(file, 64))
for mode in range(19):
    chosen = sorted(own[mode])
    for at in random.permutation(len(chosen))[:5]:
        sys.stdout.buffer.write(chosen[at])
    for at in range(5):
        sys.stdout.buffer.write(others[mode + 19 * at])
