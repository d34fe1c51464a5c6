"""Transcendental functions of the machine: the tables of :mod:`flightvgm_arch.tables`, and the steps around them.

| function | table | steps behind it | used by |
|---|---|---|---|
| ``exp2`` | chords | one product 16 x 14 | ATTN |
| ``rsqrt`` | quadratic | products 15 x 15 and 24 x 15, one rounding | LOADA with ``rms``, ROWS with ``norm`` |
| ``gelu`` | quadratic | products 19 x 17 and 25 x 17, one rounding, one FP32 product | MM |
| ``silu`` | quadratic | as ``gelu``, in the same data path | no instruction |
| ``reciprocal`` | none | a quotient of integers, once a row | ATTN, ROWS |

The error budgets are in ``docs/reference/error-budgets.md``.
"""

from __future__ import annotations

import numpy as np

from flightvgm_arch.tables import EXP2, GELU, GELU_END, RSQRT, SILU, SILU_END
from flightvgm_sim.golden.fp import F32, I64, flush, from_int, mul
from flightvgm_sim.golden.tables import Table

_EXP_LEAST = np.float32(-32.0)
_MANTISSA_BITS = 23
_EXPONENT_BIAS = 127
_EXP_ARGUMENT_BITS = EXP2.place_bits + (EXP2.segments - 1).bit_length()
_EXP_NODES = np.array(EXP2.nodes, np.int32)
_EXP_DROPS = np.array(EXP2.drops, np.int32)
_EXP_SCALES = np.ldexp(np.float32(1), -EXP2.value_bits - np.arange(33))
_RSQRT, _GELU, _SILU = (Table.of(table) for table in (RSQRT, GELU, SILU))


def exp2(x: F32) -> F32:
    """``2^x`` of ``x <= 0``; 0 from -32 downwards.

    ``-x`` is truncated to 22 fractional bits. Its fraction, 8 bits of segment and 14 of place, gives
    ``v = node - (drop place >> 14)`` in units of 2^-24, on the chords of ``2^-f``; the result ``v 2^(-24 - n)`` with
    the integer part n is exact. ``exp2(0)`` is 1, and the function is monotonic.
    """
    argument = (np.minimum(-x, -_EXP_LEAST) * np.float32(1 << _EXP_ARGUMENT_BITS)).astype(np.int32)
    segment = argument >> EXP2.place_bits & EXP2.segments - 1
    drop = _EXP_DROPS[segment] * (argument & (1 << EXP2.place_bits) - 1) >> EXP2.place_bits
    value = from_int(_EXP_NODES[segment] - drop)
    return np.where(x <= _EXP_LEAST, np.float32(0), value * _EXP_SCALES[argument >> _EXP_ARGUMENT_BITS])


def reciprocal(x: F32) -> F32:
    """``fp32(1 / x)`` of ``x > 0``, the correctly rounded quotient.

    With the significand M of 24 bits it is ``2^47 / M`` rounded to nearest even; a power of two is exact, and no other
    quotient is a tie. A row of results needs one quotient: short rows, as in temporal attention, come every few cycles
    and want a pipelined divider.
    """
    return flush(np.float32(1) / x)


def rsqrt(x: F32) -> F32:
    """``1 / sqrt(x)`` of ``x > 0``.

    With ``x = s 4^j``, s in [1, 4), the table gives ``1 / sqrt(s)`` with 30 fractional bits at the segment that the
    binade of s and its 8 leading fraction bits choose; the other 15 bits are the place. The value is rounded to nearest
    even into FP32, and scaled by ``2^-j``. ``rsqrt`` of a power of four is exact.
    """
    bits = np.ascontiguousarray(x, np.float32).view(np.int32).astype(np.int64)
    exponent = (bits >> _MANTISSA_BITS) - _EXPONENT_BIAS
    binade = exponent & 1
    value = _RSQRT(binade << _MANTISSA_BITS | bits & (1 << _MANTISSA_BITS) - 1)
    return np.ldexp(from_int(value), (-RSQRT.value_bits - (exponent - binade) // 2).astype(np.int32))


def _gated(x: F32, table: Table, end: int, value_bits: int) -> F32:
    """``fp32(x fp32(g(x)))`` with the gate's tail ``g(-|x|)`` in a table over ``|x| < end``, and 0 beyond.

    The gate of a positive x is one minus the tail.
    """
    units = (len(table.c0) << table.place_bits) // end
    limit = np.float32(end)
    inside = np.abs(x)
    beyond = inside >= limit
    argument: I64 = (np.where(beyond, np.float32(0), inside) * np.float32(units)).astype(np.int64)
    tail = np.where(beyond, 0, table(argument))
    gate = np.where(x < 0, tail, (1 << value_bits) - tail)
    return mul(np.maximum(x, -limit), from_int(gate) * np.float32(2.0**-value_bits))


def gelu(x: F32) -> F32:
    """GELU in its tanh form, ``x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2``.

    ``|x|`` is truncated to 22 fractional bits; the gate's tail comes from 256 segments over [0, 8) with 30 fractional
    bits and is 0 from 8 on; the gate is rounded to FP32 and multiplied by x. From -8 downwards the result is -0.
    """
    return _gated(x, _GELU, GELU_END, GELU.value_bits)


def silu(x: F32) -> F32:
    """``x / (1 + e^-x)``.

    As :func:`gelu`, with 512 segments over [0, 32): ``|x|`` is truncated to 21 fractional bits, and the result is -0
    from -32 downwards. No instruction uses it: the SiLUs of an STDiT3 belong to the timestep's MLPs, which the host
    computes in FP64.
    """
    return _gated(x, _SILU, SILU_END, SILU.value_bits)
