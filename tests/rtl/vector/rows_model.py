"""Payloads of the row unit's streams, and rows that are hard on them."""

import random

import numpy as np


def bits_of(value):
    """The FP32 pattern of a number."""
    return int(np.float32(value).view(np.uint32))


def words_of(bits, lanes, size):
    """Numbers of ``lanes`` elements of ``size`` bits each; what is missing is zero."""
    count = -(-len(bits) // lanes)
    padded = np.zeros(count * lanes, bits.dtype)
    padded[: len(bits)] = bits
    return [int.from_bytes(part.tobytes(), "little") for part in padded.reshape(count, lanes)]


def groups_of(row, lanes, slot=0):
    """Groups of a row of FP16."""
    words = words_of(row.view(np.uint16), lanes, 16)
    ends = 16 * lanes
    return [word | (place == len(words) - 1) << ends | slot << ends + 1 for place, word in enumerate(words)]


def values_of(q, lanes, info):
    """Groups of a quantised row."""
    words = words_of(q.view(np.uint8), lanes, 8)
    flags = [(place == 0) | (place == len(words) - 1) << 1 | info << 2 for place in range(len(words))]
    return [word | flag << 8 * lanes for word, flag in zip(words, flags, strict=True)]


def row_of(token, last, scale, correction):
    """What closes a quantised row."""
    return token | last << 24 | bits_of(scale) << 25 | (int(correction) & 0xFFFFFFFF) << 57


def some_row(width):
    kind = random.randrange(9)
    bits = np.array([random.getrandbits(16) for _ in range(width)], np.uint16)
    if kind == 0:  # Any exponent below the infinities.
        return np.where((bits & 0x7C00) == 0x7C00, bits & 0x83FF, bits).astype(np.uint16).view(np.float16)
    if kind == 1:  # Subnormal values.
        return (bits & (0x8000 | random.choice([1, 3, 0x3F, 0x3FF]))).astype(np.uint16).view(np.float16)
    if kind == 2:  # Multiples of a half of the quantum, hence many ties.
        row = (np.array([random.randrange(-127, 128) for _ in range(width)]) * 0.5).astype(np.float16)
        row[random.randrange(width)] = random.choice([63.5, -127, 127, 63.5 / 4, 31.75])
        return row
    if kind == 3:
        return np.zeros(width, np.float16) * np.float16(random.choice([1, -1]))
    if kind == 4:  # Halves of the maximum.
        row = np.full(width, random.choice([65504, 1, 3.5, 2.0**-24, 2.0**-20 * 7]), np.float16)
        row[1:] = row[1:] / 2
        return row
    if kind == 6:  # Ties beside a maximum of the same exponent, whose reciprocal is not exact.
        row = np.array([random.choice([-1, 1]) * (10 * random.randrange(127) + 5) for _ in range(width)], np.float16)
        row[random.randrange(width)] = 1270
        return row * np.float16(2.0 ** random.randrange(-20, 5))
    if kind == 7:  # Subnormal values beside small normal ones.
        return (bits & 0x8BFF).astype(np.uint16).view(np.float16)
    if kind == 5:  # All equal, far from zero.
        return np.full(width, random.choice([65504, -65504, 0.1, 1e-7]), np.float16)
    return np.array([random.gauss(random.choice([0, 100]), 1) for _ in range(width)], np.float16)
