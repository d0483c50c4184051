#!/usr/bin/env python3
"""Makes a character by rule: python3 benches/character.py OUT.glb

41 joints, 3600 vertices and 76 clips of 24 to 60 keys, each with a track for the place, the turn and the size of every joint, as
exporters write them that sample every frame. In each clip six joints in ten turn, the rest stand; places and sizes never change.
The same bytes each time.
"""
import json
import math
import random
import struct
import sys

JOINTS, VERTICES, CLIPS = 41, 3600, 76
RATE = 30.0


class Buffer:
    def __init__(self):
        self.bytes, self.views, self.accessors, self.known = bytearray(), [], [], {}

    def add(self, data, component, kind, count, **more):
        """The accessor of these bytes; equal ones are one."""
        key = (bytes(data), component, kind)
        if key not in self.known:
            self.bytes += b"\0" * (-len(self.bytes) % 4)
            self.views.append({"buffer": 0, "byteOffset": len(self.bytes), "byteLength": len(data)})
            self.bytes += data
            view = len(self.views) - 1
            self.accessors.append({"bufferView": view, "componentType": component, "type": kind, "count": count, **more})
            self.known[key] = len(self.accessors) - 1
        return self.known[key]

    def floats(self, numbers, kind, width, bounds=False):
        more = {}
        data = struct.pack(f"<{len(numbers)}f", *numbers)
        if bounds:
            numbers = struct.unpack(f"<{len(numbers)}f", data)
            more = {name: [of(numbers[at::width]) for at in range(width)] for name, of in (("min", min), ("max", max))}
        return self.add(data, 5126, kind, len(numbers) // width, **more)


def turn(axis, angle):
    x, y, z = axis
    sine = math.sin(angle / 2)
    return [x * sine, y * sine, z * sine, math.cos(angle / 2)]


def unit(random_):
    vector = [random_.gauss(0, 1) for _ in range(3)]
    length = math.sqrt(sum(number * number for number in vector))
    return [number / length for number in vector]


def body(buffer, random_):
    """A bent tube, its vertices bound to the two nearest joints."""
    around, along = 24, VERTICES // 24
    positions, normals, coordinates, joints, weights, indices = [], [], [], [], [], []
    for row in range(along):
        for column in range(around):
            angle, at = 2 * math.pi * column / around, row / (along - 1)
            radius = 0.2 + 0.05 * math.sin(9 * at) + 0.01 * random_.random()
            positions += [radius * math.cos(angle), 2 * at, radius * math.sin(angle)]
            normals += [math.cos(angle), 0.0, math.sin(angle)]
            coordinates += [column / around, at]
            place = at * (JOINTS - 1)
            first = min(int(place), JOINTS - 2)
            share = round((place - first) * 255) / 255
            if share == 1:
                first, share = first + 1, 0.0
            joints += [first, first + 1 if share > 0 else 0, 0, 0]
            weights += [1 - share, share, 0.0, 0.0]
            if row + 1 < along:
                a, b = row * around + column, row * around + (column + 1) % around
                indices += [a, a + around, b, b, a + around, b + around]
    return {
        "attributes": {
            "POSITION": buffer.floats(positions, "VEC3", 3, bounds=True),
            "NORMAL": buffer.floats(normals, "VEC3", 3),
            "TEXCOORD_0": buffer.floats(coordinates, "VEC2", 2),
            "JOINTS_0": buffer.add(bytes(joints), 5121, "VEC4", VERTICES),
            "WEIGHTS_0": buffer.floats(weights, "VEC4", 4),
        },
        "indices": buffer.add(struct.pack(f"<{len(indices)}H", *indices), 5123, "SCALAR", len(indices)),
    }


def clip(buffer, number, nodes, random_):
    keys = random_.randint(24, 60)
    times = buffer.floats([key / RATE for key in range(keys)], "SCALAR", 1, bounds=True)
    channels, samplers = [], []
    for joint in range(JOINTS):
        node = nodes[joint]
        turns = random_.random() < 0.6
        axis, size, speed, phase = unit(random_), random_.uniform(0.1, 0.8), random_.randint(1, 3), random_.random() * 6
        rotations = []
        for key in range(keys):
            angle = size * math.sin(2 * math.pi * speed * key / keys + phase) if turns else 0.0
            rotations += turn(axis, angle)
        for path, kind, width, values in (
            ("translation", "VEC3", 3, node["translation"] * keys),
            ("rotation", "VEC4", 4, rotations),
            ("scale", "VEC3", 3, [1.0, 1.0, 1.0] * keys),
        ):
            samplers.append({"input": times, "output": buffer.floats(values, kind, width)})
            channels.append({"sampler": len(samplers) - 1, "target": {"node": joint, "path": path}})
    return {"name": f"clip {number}", "channels": channels, "samplers": samplers}


def main(out):
    random_ = random.Random(76)
    buffer = Buffer()
    nodes = []
    for joint in range(JOINTS):
        node = {"name": f"joint {joint}", "translation": [0.0, 2 / (JOINTS - 1) if joint else 0.0, 0.0]}
        if joint + 1 < JOINTS:
            node["children"] = [joint + 1]
        nodes.append(node)
    inverse = []
    for joint in range(JOINTS):
        height = 2 * joint / (JOINTS - 1)
        inverse += [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, -height, 0, 1]
    primitive = body(buffer, random_)
    skin = {"joints": list(range(JOINTS)), "inverseBindMatrices": buffer.floats(inverse, "MAT4", 16)}
    animations = [clip(buffer, number, nodes, random_) for number in range(CLIPS)]
    nodes.append({"name": "body", "mesh": 0, "skin": 0})
    document = {
        "asset": {"version": "2.0", "generator": "benches/character.py"},
        "scene": 0,
        "scenes": [{"nodes": [0, JOINTS]}],
        "nodes": nodes,
        "meshes": [{"primitives": [primitive]}],
        "skins": [skin],
        "animations": animations,
        "buffers": [{"byteLength": len(buffer.bytes)}],
        "bufferViews": buffer.views,
        "accessors": buffer.accessors,
    }
    text = json.dumps(document, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 4)
    data = bytes(buffer.bytes) + b"\0" * (-len(buffer.bytes) % 4)
    with open(out, "wb") as file:
        file.write(struct.pack("<4sII", b"glTF", 2, 28 + len(text) + len(data)))
        file.write(struct.pack("<I4s", len(text), b"JSON") + text)
        file.write(struct.pack("<I4s", len(data), b"BIN\0") + data)


if __name__ == "__main__":
    main(*sys.argv[1:])
