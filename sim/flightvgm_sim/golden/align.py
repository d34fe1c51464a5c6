"""Alignment of FP16 operands to 23-bit integers with one exponent."""

from __future__ import annotations

import numpy as np

from flightvgm_arch.formats import ALIGNED_BITS
from flightvgm_sim.golden.fp import F16, F32, I32

_MAGNITUDE_BITS = ALIGNED_BITS - 1
_NORMAL_LEAST = np.float32(2.0**-14)


def align_float(x: F16, axis: int = -1) -> tuple[F32, I32]:
    """As :func:`align`, with the mantissas as ``float32``, which holds them exactly."""
    wide = x.astype(np.float32)
    largest = np.max(np.abs(wide), axis=axis, keepdims=True, initial=_NORMAL_LEAST)
    exponent = np.frexp(largest)[1] - np.int32(_MAGNITUDE_BITS)
    wide *= np.ldexp(np.float32(1), -exponent)
    return np.trunc(wide, out=wide), np.squeeze(exponent, axis=axis).astype(np.int32)


def align(x: F16, axis: int = -1) -> tuple[I32, I32]:
    """Integers ``m`` and exponents ``e`` with ``m = trunc(x / 2^e)``, one ``e`` for all values along ``axis``.

    ``e`` is the largest exponent of the values, less 21: the largest magnitude has 22 bits, and ``m`` fits 23 bits of
    two's complement. Smaller values lose the bits below ``2^e`` of their magnitude. A subnormal has the exponent -14
    and no hidden one; a row of zeros, or of subnormals, has ``e = -35``.

    Parameters
    ----------
    x : array of FP16
        Finite values.
    axis : int
        The axis that shares an exponent, of any extent.

    Returns
    -------
    tuple
        Mantissas of the shape of ``x``, and exponents of that shape without ``axis``; both INT32.
    """
    mantissa, exponent = align_float(x, axis)
    return mantissa.astype(np.int32), exponent
