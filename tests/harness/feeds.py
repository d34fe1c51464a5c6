"""Operands of the array as its edge formats them, for benches."""

from __future__ import annotations

import random
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

INT8, FP16 = 0, 1
_EDGES = {
    (INT8, "row"): (-128, -127, -1, 0, 1, 127),
    (INT8, "column"): (-127, -126, -1, 0, 1, 127),
    (FP16, "row"): (-(1 << 22), 1 - (1 << 22), -1, 0, 1, (1 << 22) - 1),
    (FP16, "column"): (-(1 << 22), 1 - (1 << 22), -1, 0, 1, (1 << 22) - 1),
}


def edge_values(mode: int, count: int, side: str, edges: float) -> NDArray[np.int64]:
    """Random values of a side, ``edges`` of them at the ends of their range or about zero."""
    choices = _EDGES[mode, side]
    values = [
        random.choice(choices) if random.random() < edges else random.randint(choices[0], choices[-1])
        for _ in range(count)
    ]
    return np.array(values, dtype=np.int64)


def corrections(values: Sequence[int] | NDArray[np.int64]) -> int:
    """``sum_j x[2j] x[2j+1]``: what one side adds to the raw sum."""
    return sum(int(values[i]) * int(values[i + 1]) for i in range(0, len(values), 2))


def formatted(mode: int, values: NDArray[np.int64], side: str) -> list[tuple[int, int]]:
    """Operands ``(pre, b)`` of each slice for one feed, as bits."""
    pairs = []
    step = 4 if mode == INT8 else 2
    for at in range(0, len(values), step):
        x = [int(value) for value in values[at : at + step]]
        even, odd = (x[0], x[1]) if mode == FP16 else (x[2] * (1 << 18) + x[0], x[3] * (1 << 15) + x[1])
        if side == "column":
            even, odd = (x[1], x[0]) if mode == FP16 else (x[3] * (1 << 18) + x[1], x[2] * (1 << 15) + x[0])
        pairs.append((even & (1 << 27) - 1, odd & (1 << 24) - 1))
    return pairs


def pack_operands(pairs: Sequence[tuple[int, int]]) -> int:
    """Bits of ``operands(depth)``."""
    depth = len(pairs)
    value = 0
    for slice_, (pre, b) in enumerate(pairs):
        value |= pre << 27 * slice_ | b << 27 * depth + 24 * slice_
    return value


def pack_flags(mode: int, first: bool, last: bool) -> int:
    """Bits of the flags behind ``valid``."""
    return mode | first << 1 | last << 2
