"""LayerNorm and RMSNorm: exact integer sums of the aligned row, then named FP32 steps.

A row ``x`` of n values is aligned to ``m 2^e`` (:func:`flightvgm_sim.golden.align.align`), and ``r = fp32(1 / n)``.
Products with powers of two are exact and need no rounding.
"""

from __future__ import annotations

import numpy as np

from flightvgm_arch.formats import NORM_EPSILON, ROW_CHANNELS_MOST
from flightvgm_sim.golden.align import align
from flightvgm_sim.golden.fp import F16, F32, I32, I64, add, flush, from_int, mul, sub
from flightvgm_sim.golden.functions import reciprocal, rsqrt

_EPSILON: F32 = np.array(NORM_EPSILON, np.float32)
_LIMB = 36
_SPLIT = 18


class WidthError(ValueError):
    """A row that is too wide for exact sums; the message names its width."""


def _check(width: int) -> None:
    if not 1 <= width <= ROW_CHANNELS_MOST:
        raise WidthError(f"a row of {width} channels cannot be normalised; give 1 to {ROW_CHANNELS_MOST}")


def _sums(mantissa: I32) -> tuple[I64, I64]:
    """Return the sums of the values and of their squares over the last axis."""
    wide = mantissa.astype(np.int64)
    total: I64 = wide.sum(axis=-1)
    squares: I64 = np.einsum("...i,...i->...", wide, wide)
    return total, squares


def spread(total: I64, squares: I64, count: int) -> F32:
    """``fp32(count squares - total^2)`` in one rounding.

    The exact value has up to 70 bits. It is formed in two limbs of 36 bits; where the upper limb alone has more bits
    than FP32, the lower one is a sticky bit.

    Parameters
    ----------
    total, squares : arrays of int64
        Sums of ``count`` integers of 22 bits, and of their squares.
    count : int
        At most 8,192.
    """
    mask = (1 << _LIMB) - 1
    upper, lower = total >> _SPLIT, total & (1 << _SPLIT) - 1
    low = count * (squares & mask) - ((2 * upper * lower) << _SPLIT) - lower * lower
    high = count * (squares >> _LIMB) - upper * upper + (low >> _LIMB)
    low &= mask
    wide = high >= 1 << 26
    sticky = np.where(wide, high | (low != 0), 0)
    narrow = np.where(wide, 0, high << _LIMB | low)
    return np.where(wide, from_int(sticky) * np.float32(1 << _LIMB), from_int(narrow))


def layer_norm(x: F16) -> F32:
    """LayerNorm without affine, epsilon 1e-6.

    With ``S = sum m`` and ``Q = sum m^2``, exact:

    1. ``mean = fp32(S / n) 2^e``, the correctly rounded quotient, so that equal values give zeros;
    2. ``variance = fp32(fp32(fp32(n Q - S^2) r) r) 2^2e``;
    3. ``scale = rsqrt(fp32(variance + fp32(1e-6)))``;
    4. ``y = fp32(fp32(x - mean) scale)`` with the values as they came, not truncated.

    Parameters
    ----------
    x : array ``[M, C]`` of FP16
        Finite values; C is 1 to 8,192.

    Returns
    -------
    array ``[M, C]`` of FP32
    """
    width = x.shape[-1]
    _check(width)
    mantissa, exponent = align(x)
    total, squares = _sums(mantissa)
    unit = np.ldexp(np.float32(1), exponent)
    share = reciprocal(np.array(width, np.float32))
    # FP64 rounds the quotient of 35 and 13 bits far from a tie of FP32, hence in one rounding.
    mean = (total / width).astype(np.float32) * unit
    variance = mul(mul(spread(total, squares, width), share), share) * unit * unit
    scale = rsqrt(add(variance, _EPSILON))
    return mul(sub(x.astype(np.float32), mean[..., None]), scale[..., None])


def rms_norm(x: F16, weight: F32) -> F32:
    """RMSNorm with weights, epsilon 1e-6.

    With ``Q = sum m^2``, exact: ``scale = rsqrt(fp32(fp32(fp32(Q) r) 2^2e + fp32(1e-6)))``,
    ``y = fp32(fp32(x scale) weight)``.

    Parameters
    ----------
    x : array ``[..., D]`` of FP16
        Finite values; D is 1 to 8,192.
    weight : array of D FP32
        A subnormal weight counts as zero.

    Returns
    -------
    array ``[..., D]`` of FP32
    """
    width = x.shape[-1]
    _check(width)
    mantissa, exponent = align(x)
    unit = np.ldexp(np.float32(1), exponent)
    square = mul(from_int(_sums(mantissa)[1]), reciprocal(np.array(width, np.float32))) * unit * unit
    scale = rsqrt(add(square, _EPSILON))
    return mul(mul(x.astype(np.float32), scale[..., None]), flush(weight))
