"""Matrix products of the array: exact integer sums, whatever their order.

The gateware sums with fast inner products in DSP58 cascades (:mod:`flightvgm_sim.golden.pe`); both are the exact sum.
Floating BLAS is exact as long as each partial sum is an integer that the significand holds, in any order.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from flightvgm_arch.formats import FP16_K_MOST, INT8_K_MOST
from flightvgm_sim.golden.align import align_float
from flightvgm_sim.golden.fp import F16, F32, F64, I8, I32, from_int

_INT8_BLOCK = 1024  # 1024 products of at most 2^14 sum to at most 2^24, exact in FP32.
_FP16_BLOCK = 512  # 512 products of less than 2^44 sum to less than 2^53, exact in FP64.
_SPLIT = 2.0**11


class ShapeError(ValueError):
    """Operands that do not fit each other or the array; the message names the extent."""


def _inner(a: np.ndarray, b: np.ndarray, most: int) -> int:
    if a.shape[-1] != b.shape[-1]:
        raise ShapeError(f"the inner extents {a.shape[-1]} and {b.shape[-1]} differ; give both operands the same K")
    if a.shape[-1] > most:
        raise ShapeError(f"the inner extent {a.shape[-1]} exceeds {most}; split the product")
    return int(a.shape[-1])


def int8_matmul(a: I8, w: I8) -> I32:
    """``sum_k a[m, k] w[n, k]``, exact.

    Parameters
    ----------
    a, w : arrays ``[M, K]`` and ``[N, K]`` of INT8
        K is at most 8,256.

    Returns
    -------
    array ``[M, N]`` of INT32

    Raises
    ------
    ShapeError
        The inner extents differ or are too large.
    """
    k = _inner(a, w, INT8_K_MOST)
    blocks = max(1, -(-k // _INT8_BLOCK))
    edges = [k * block // blocks for block in range(blocks + 1)]
    total: I32 | None = None
    for low, high in pairwise(edges):
        part = (a[:, low:high].astype(np.float32) @ w[:, low:high].astype(np.float32).T).astype(np.int32)
        total = part if total is None else np.add(total, part, out=total)
    assert total is not None
    return total


def fp16_matmul(a: F16, b: F16) -> F32:
    """``fp32(sum_k a[..., m, k] b[..., n, k])`` of operands that are aligned over all of K.

    Each row of ``a`` and each row of ``b`` is truncated to 23-bit integers with one exponent
    (:func:`flightvgm_sim.golden.align.align`); the sum of products is exact and rounds once, to nearest even.

    Parameters
    ----------
    a, b : arrays ``[..., M, K]`` and ``[..., N, K]`` of FP16
        Finite values; K is at most 4,096. Leading axes broadcast.

    Returns
    -------
    array ``[..., M, N]`` of FP32

    Raises
    ------
    ShapeError
        The inner extents differ or are too large.
    """
    k = _inner(a, b, FP16_K_MOST)
    rows, row_exponent = align_float(a)
    columns, column_exponent = align_float(b)
    left, right = rows.astype(np.float64), np.swapaxes(columns.astype(np.float64), -1, -2)
    total = (left @ right).astype(np.float32) if k <= _FP16_BLOCK else _long_sum(left, right)
    total *= np.ldexp(np.float32(1), row_exponent)[..., :, None]
    total *= np.ldexp(np.float32(1), column_exponent)[..., None, :]
    return total


def _long_sum(left: F64, right: F64) -> F32:
    """``fp32(left @ right)`` where the sums exceed 53 bits: ``right`` splits into two parts of at most 12 bits."""
    high = np.floor(right / _SPLIT)
    total = (left @ high).astype(np.int64) * int(_SPLIT)
    total += (left @ (right - high * _SPLIT)).astype(np.int64)
    return from_int(total)
