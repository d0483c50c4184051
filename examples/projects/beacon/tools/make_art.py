"""Draws the project's textures: `python3 tools/make_art.py` in the project's folder. The same bytes each time."""
import struct
import zlib


def png(path, width, height, color):
    rows = b"".join(b"\0" + b"".join(bytes(color(x, y)) for x in range(width)) for y in range(height))
    chunk = lambda kind, data: struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    with open(path, "wb") as out:
        out.write(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0))
                  + chunk(b"IDAT", zlib.compress(rows, 9)) + chunk(b"IEND", b""))


def lamp(x, y):
    far = ((x - 15.5) ** 2 + (y - 15.5) ** 2) ** 0.5
    return (255, 240 - int(far * 6), 120, 255) if far < 15 else (0, 0, 0, 0)


def sea(x, y):
    return 20, 60 + 10 * ((x + y * 3) % 7), 140 + 12 * ((x * 5 + y) % 5), 255


def boat(x, y):
    hull = y > 9 and abs(x - 12) < 18 - y
    mast = x == 12 and y > 1
    return (120, 70, 30, 255) if hull or mast else (0, 0, 0, 0)


png("textures/lamp.png", 32, 32, lamp)
png("textures/sea.png", 32, 32, sea)
png("textures/boat.png", 24, 16, boat)
