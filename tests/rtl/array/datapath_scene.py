"""Operands, tiles and expected results for benches of the data path."""

import random
from dataclasses import dataclass, field

import numpy as np

from flightvgm_arch.formats import round_up
from flightvgm_sim.golden.align import align
from flightvgm_sim.golden.matmul import fp16_matmul, int8_matmul
from harness.drive import PARAMETERS

ROWS, COLUMNS, DEPTH, SEGMENTS = (PARAMETERS[name] for name in ("rows", "columns", "depth", "segments"))
WORDS, P_WORDS = PARAMETERS["words"], PARAMETERS["p_words"]
LAYOUTS = PARAMETERS["layouts"]
WIDTH = COLUMNS // SEGMENTS
ROW, PAIR, VALUES = 0, 1, 2
MM8, MM16, SCORE, PV = range(4)
VALUES_AT_ONCE = min(8, COLUMNS)
DRAW = [np.random.default_rng(0)]  # Each bench seeds it anew.


def pack(layout, **values):
    word = 0
    for name, value in values.items():
        offset, width = LAYOUTS[layout][name]
        assert 0 <= value < 1 << width, (layout, name, value)
        word |= int(value) << offset
    return word


def unpack(layout, word):
    return {name: word >> offset & (1 << width) - 1 for name, (offset, width) in LAYOUTS[layout].items()}


def bits(array):
    return int.from_bytes(np.ascontiguousarray(array).tobytes(), "little")


def bits32(x):
    return int(np.float32(x).view(np.uint32))


@dataclass
class Scene:
    """Operands to write, tiles to send, and what must come."""

    a: list = field(default_factory=list)
    b: list = field(default_factory=list)
    p: list = field(default_factory=list)
    tiles: list = field(default_factory=list)
    expected: dict = field(default_factory=lambda: {(r, s): [] for r in range(ROWS) for s in range(SEGMENTS)})
    a_free: int = 0
    b_free: int = 0  # In halves of a word.
    slot: int = 0

    def expect(self, data, made, row_scale=None, factors=None):
        for row in range(made["rows"]):
            for column in range(made["low"], made["high"]):
                want = {
                    "valid": 1,
                    "data": bits32(data[row, column]),
                    "column": column,
                    "first": int(column == made["low"]),
                    "last": int(column == made["high"] - 1),
                    "tag": {**made, "out": made["out"] + row * made["pitch"] & 0xFFFFFF},
                }
                if factors is not None:
                    want["row_scale"] = bits32(row_scale[row])
                    want["column_scale"], want["bias"] = (bits32(part[column]) for part in factors)
                self.expected[row, column // WIDTH].append(want)


def make_tag(kind):
    low = random.choice([0, 0, random.randrange(COLUMNS)])
    high = random.choice([COLUMNS, random.randint(low + 1, COLUMNS)])
    return {
        "kind": kind,
        "gelu": random.getrandbits(1),
        "low": low,
        "high": high,
        "rows": random.choice([ROWS, random.randint(1, ROWS)]),
        "out": random.getrandbits(24),
        "pitch": random.getrandbits(21),
        "column": random.getrandbits(13),
        "slot": random.getrandbits(2),
        "last": random.getrandbits(1),
    }


def write(side, kind, bank, word, data, strobe=0xFFFF, entry=None):
    given = {} if entry is None else {"entry": entry, "entry_enable": 1}
    return pack(f"write_{side}", kind=kind, bank=bank, word=word, data=data, strobe=strobe, **given)


def garbage(side, banks, words):
    """Writes that fill words and entries with anything: the padding of operands holds anything, too."""
    return [
        write(side, ROW, bank, word, random.getrandbits(256), entry=random.getrandbits(64))
        for bank in range(banks)
        for word in words
    ]


def add_int8(scene, k, interval):
    pitch = round_up(k + 8, 32)
    lines = round_up(k, 16) // 16 + 1
    if scene.a_free + pitch // 32 > WORDS or scene.b_free + lines > 2 * WORDS:
        return False
    edges = random.random() < 0.3
    make = (
        (lambda n: DRAW[0].choice([-127, -126, 127], (n, k)))
        if edges
        else lambda n: DRAW[0].integers(-127, 128, (n, k))
    )
    x, y = make(ROWS).astype(np.int8), make(COLUMNS).astype(np.int8)
    row_scale = DRAW[0].random(ROWS).astype(np.float32)
    factors = DRAW[0].random((2, COLUMNS)).astype(np.float32)
    for row in range(ROWS):
        record = np.zeros(pitch, np.uint8)
        record[:k] = x[row].view(np.uint8)
        entry = bits32(row_scale[row]) | (correct(x[row]) & 0xFFFFFFFF) << 32
        record[-8:] = np.frombuffer(entry.to_bytes(8, "little"), np.uint8)
        for number in range(pitch // 32):
            ends = entry if number == pitch // 32 - 1 else random.getrandbits(64)
            scene.a.append(write("a", ROW, row, scene.a_free + number, bits(record[32 * number :][:32]), entry=ends))
    padded = np.zeros((COLUMNS, (lines - 1) * 16), np.uint8)
    padded[:, :k] = y.view(np.uint8)
    for column in range(0, COLUMNS, 2):
        for line in range(lines):
            both = 0
            for half in range(2):
                c = column + half
                part = bits(padded[c, 16 * line :][:16])
                if line == lines - 1:
                    part = bits32(factors[0, c]) | bits32(factors[1, c]) << 32 | (correct(y[c]) & 0xFFFFFFFF) << 64
                both |= part << 128 * half
            at = scene.b_free + line
            scene.b.append(write("b", PAIR, column, at // 2, both, strobe=0xFF << 8 * (at % 2)))
    made = make_tag(MM8)
    meta = scene.b_free + lines - 1
    feeds = -(-k // (4 * DEPTH))
    scene.tiles.append(
        pack(
            "tile", mode=0, a_word=scene.a_free, a_entry=scene.a_free + pitch // 32 - 1, b_word=scene.b_free // 2,
            b_piece=scene.b_free % 2 * (4 // DEPTH), b_entry=meta // 2, b_half=meta % 2, feeds=feeds,
            tail=k - 4 * DEPTH * (feeds - 1), interval=interval, tag=pack("tag", **made),
        )
    )  # fmt: skip
    scene.a_free += pitch // 32
    scene.b_free += lines
    scene.expect(int8_matmul(x, y).astype(np.float32), made, row_scale, factors)
    return True


def correct(x):
    """``sum_j x[2j] x[2j+1]``."""
    x = np.concatenate((x, np.zeros(len(x) % 2, x.dtype))).astype(object)
    return int((x[::2] * x[1::2]).sum())


def halves(count, k):
    """Rows of finite FP16 values of all kinds."""
    low = random.choice([0, 0, 8, 20])
    exponents = DRAW[0].integers(low, random.randint(low + 1, 31), (count, k))
    made = DRAW[0].integers(0, 2, (count, k)) << 15 | exponents << 10 | DRAW[0].integers(0, 1024, (count, k))
    made[DRAW[0].random((count, k)) < 0.1] = random.choice([0, 0x8000, 0x7BFF, 0xFBFF, 1, 0x8001, 0x3FF, 0x400])
    return made.astype(np.uint16).view(np.float16)


def entry_of(x):
    integers, exponent = align(x)
    return int(exponent) + 36 << 58 | correct(integers) & (1 << 58) - 1


def add_fp16(scene, k, interval, kind):
    if kind == PV:
        k = min(k, 16 * P_WORDS)
    a_part, b_part = (16 * random.randrange(2) if kind == SCORE else 0 for _ in range(2))
    a_words, b_words = (-(-(part + 2 * k) // 32) for part in (a_part, b_part))
    b_first = -(-scene.b_free // 2)
    if scene.a_free + a_words > WORDS or b_first + b_words > WORDS:
        return False
    x, y = halves(ROWS, k), halves(COLUMNS, k)
    given = {"a_word": scene.a_free, "a_piece": a_part // (4 * DEPTH), "a_entry": scene.a_free}
    if kind == PV:
        x = np.abs(np.where(np.abs(x) <= 1, x, np.float16(0.5)))
        x[:, random.randrange(k)] = 1
        x[:, DRAW[0].integers(0, k)] = 1
        scene.slot ^= 1
        scene.p.append((scene.slot, x))
        given = {"from_p": 1, "p_slot": scene.slot, "a_word": 3, "a_piece": 1}
    else:
        for row in range(ROWS):
            load_words(scene.a, "a", row, scene.a_free, a_part, x[row])
        scene.a_free += a_words
    if kind == PV:
        load_channels(scene, b_first, y)
    else:
        for column in range(COLUMNS):
            load_words(scene.b, "b", column, b_first, b_part, y[column])
    scene.b_free = 2 * (b_first + b_words)
    made = make_tag(kind)
    feeds = -(-k // (2 * DEPTH))
    scene.tiles.append(
        pack(
            "tile", mode=1, **given, b_word=b_first, b_piece=b_part // (4 * DEPTH), b_entry=b_first, feeds=feeds,
            tail=k - 2 * DEPTH * (feeds - 1), interval=interval, tag=pack("tag", **made),
        )
    )  # fmt: skip
    scene.expect(fp16_matmul(x, y), made)
    return True


def load_words(writes, side, bank, word, part, values):
    """Write a row; what lies before and behind it in its words stays."""
    raw = np.ascontiguousarray(values).view(np.uint8)
    entry = entry_of(values)
    at = 0
    while at < len(raw):
        place = part + at
        size = min(32 - place % 32, len(raw) - at)
        data = bits(raw[at : at + size]) << 8 * (place % 32)
        strobe = (1 << size // 2) - 1 << place % 32 // 2
        writes.append(write(side, ROW, bank, word + place // 32, data, strobe, entry if at == 0 else None))
        at += size


def load_channels(scene, word, values):
    """Write V: a key of several channels at a time, and then the entries alone."""
    columns, keys = values.shape
    for key in range(keys):
        for first in range(0, columns, VALUES_AT_ONCE):
            data = bits(values[first : first + VALUES_AT_ONCE, key])
            scene.b.append(write("b", VALUES, first, word + key // 16, data, strobe=1 << key % 16))
    for column in range(columns):
        scene.b.append(write("b", ROW, column, word, 0, strobe=0, entry=entry_of(values[column])))
