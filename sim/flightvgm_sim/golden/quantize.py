"""INT8 with one dynamic scale for each row."""

from __future__ import annotations

import numpy as np

from flightvgm_arch.formats import INT8_MOST
from flightvgm_sim.golden.fp import F16, F32, I8, I32, mul


def quantize(v: F16) -> tuple[I8, F32]:
    """Quantise each row by its largest magnitude.

    ``m = max |v|``; the values are ``round(127 v / m)`` of the exact quotient, to nearest even, and the scale is
    ``fp32(m / 127)``. A row of zeros gives zeros and the scale 0.

    The quotient is computed in FP64, which is the same: ``127 v`` is exact, a quotient that is a half is exact, and any
    other quotient of two significands of at most 18 and 11 bits lies further from a half than FP64 rounds.

    Parameters
    ----------
    v : array ``[M, C]`` of FP16
        Finite values; C is at least 1.

    Returns
    -------
    tuple
        INT8 values in [-127, 127] of the shape of ``v``, and M scales.
    """
    wide = v.astype(np.float32)
    largest = np.max(np.abs(wide), axis=-1, initial=np.float32(0))
    divisor = np.where(largest == 0, np.float32(1), largest).astype(np.float64)
    values = wide.astype(np.float64)
    values *= INT8_MOST
    values /= divisor[..., None]
    return np.rint(values, out=values).astype(np.int8), largest / np.float32(INT8_MOST)


def dequantize(q: I8, scale: F32) -> F32:
    """``fp32(q scale)``, one scale for each row.

    No instruction uses it, for MM scales sums, not operands: it defines what the records mean, and tests measure
    :func:`quantize` by it.
    """
    return mul(q.astype(np.float32), np.asarray(scale)[..., None])


def correction(q: I8) -> I32:
    """``sum_j q[2j] q[2j + 1]`` of each row: what the fast inner product owes to it. An odd K has a zero after it.

    Parameters
    ----------
    q : array ``[M, K]`` of INT8
    """
    even, odd = q[:, 0::2].astype(np.int16), q[:, 1::2].astype(np.int16)
    sums: I32 = (even[:, : odd.shape[1]] * odd).sum(axis=1, dtype=np.int32)
    return sums
