"""Transcendental functions of the machine: tables with interpolation on integers.

| function | read-only table | steps behind it |
|---|---|---|
| ``exp2`` | 256 x 40 bits: value (24) and slope (16) | one product 16 x 14 |
| ``rsqrt`` | 512 x 67 bits: quadratic, value of 30 bits | products 15 x 15 and 24 x 15, one rounding |
| ``gelu`` | 256 x 72 bits: quadratic, value of 30 bits | products 19 x 17 and 25 x 17, one rounding, one FP32 product |
| ``silu`` | 512 x 72 bits: quadratic, value of 30 bits | as ``gelu``, in the same data path |
| ``reciprocal`` | none | a quotient of integers, once a row |

Each table fits one block RAM of 512 x 72 bits, or a few hundred LUTs. The error budgets are in
``docs/reference/error-budgets.md``.
"""

from __future__ import annotations

from decimal import Decimal

import numpy as np

from flightvgm_sim.golden.fp import F32, I64, flush, from_int, mul
from flightvgm_sim.golden.tables import Table, nodes, quadratic

_EXP_SEGMENTS = 256
_EXP_ARGUMENT_BITS = 22
_EXP_PLACE_BITS = 14
_EXP_BITS = 24
_EXP_LEAST = np.float32(-32.0)
_VALUE_BITS = 30
_RSQRT_PLACE_BITS = 15
_GATE_PLACE_BITS = 17
_MANTISSA_BITS = 23
_EXPONENT_BIAS = 127
_SQRT_2_OVER_PI = Decimal("0.7978845608028653558798921198687637369517")
_CUBIC = Decimal("0.044715")


def _gelu_tail(a: Decimal) -> Decimal:
    """Gate at ``-a``: ``(1 - tanh z) / 2 = 1 / (1 + e^2z)`` with ``z = sqrt(2 / pi) (a + 0.044715 a^3)``."""
    return 1 / (1 + (2 * _SQRT_2_OVER_PI * (a + _CUBIC * a**3)).exp())


def _sigmoid_tail(a: Decimal) -> Decimal:
    return 1 / (1 + a.exp())


def _uniform(function_end: int, segments: int) -> tuple[list[Decimal], list[Decimal]]:
    width = Decimal(function_end) / segments
    return [i * width for i in range(segments)], [width] * segments


def _rsqrt_table() -> Table:
    """Segments of the significand in [1, 2), then in [2, 4), 256 each."""
    starts = [scale * (1 + Decimal(i) / 256) for scale in (1, 2) for i in range(256)]
    widths = [Decimal(scale) / 256 for scale in (1, 2) for _ in range(256)]
    return quadratic(lambda x: 1 / x.sqrt(), starts, widths, _VALUE_BITS, _RSQRT_PLACE_BITS)


_EXP_NODES = nodes(lambda x: (-x * Decimal(2).ln()).exp(), _EXP_SEGMENTS, _EXP_BITS).astype(np.int32)
_EXP_SLOPES = _EXP_NODES[:-1] - _EXP_NODES[1:]
_EXP_SCALES = np.ldexp(np.float32(1), -_EXP_BITS - np.arange(33))
_RSQRT = _rsqrt_table()
_GELU = quadratic(_gelu_tail, *_uniform(8, 256), _VALUE_BITS, _GATE_PLACE_BITS)
_SIGMOID = quadratic(_sigmoid_tail, *_uniform(32, 512), _VALUE_BITS, _GATE_PLACE_BITS)


def exp2(x: F32) -> F32:
    """``2^x`` of ``x <= 0``; 0 from -32 downwards.

    ``-x`` is truncated to 22 fractional bits. Its fraction, 8 bits of segment and 14 of place, gives
    ``v = node - (slope place >> 14)`` in units of 2^-24, on the chords of ``2^-f``; the result ``v 2^(-24 - n)`` with
    the integer part n is exact. ``exp2(0)`` is 1, and the function is monotonic.
    """
    argument = (np.minimum(-x, -_EXP_LEAST) * np.float32(1 << _EXP_ARGUMENT_BITS)).astype(np.int32)
    segment = argument >> _EXP_PLACE_BITS & _EXP_SEGMENTS - 1
    drop = _EXP_SLOPES[segment] * (argument & (1 << _EXP_PLACE_BITS) - 1) >> _EXP_PLACE_BITS
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
    return np.ldexp(from_int(value), (-_VALUE_BITS - (exponent - binade) // 2).astype(np.int32))


def _gated(x: F32, table: Table, range_bits: int) -> F32:
    """``fp32(x fp32(g(x)))`` with the gate's tail ``g(-|x|)`` in a table over ``|x| < 2^range_bits``, and 0 beyond.

    The gate of a positive x is one minus the tail.
    """
    place_bits = table.fraction_bits
    argument_bits = place_bits + (len(table.c0).bit_length() - 1) - range_bits
    limit = np.float32(1 << range_bits)
    inside = np.abs(x)
    beyond = inside >= limit
    argument: I64 = (np.where(beyond, np.float32(0), inside) * np.float32(1 << argument_bits)).astype(np.int64)
    tail = np.where(beyond, 0, table(argument))
    gate = np.where(x < 0, tail, (1 << _VALUE_BITS) - tail)
    return mul(np.maximum(x, -limit), from_int(gate) * np.float32(2.0**-_VALUE_BITS))


def gelu(x: F32) -> F32:
    """GELU in its tanh form, ``x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2``.

    ``|x|`` is truncated to 22 fractional bits; the gate's tail comes from 256 segments over [0, 8) with 30 fractional
    bits and is 0 from 8 on; the gate is rounded to FP32 and multiplied by x. From -8 downwards the result is -0.
    """
    return _gated(x, _GELU, 3)


def silu(x: F32) -> F32:
    """``x / (1 + e^-x)``.

    As :func:`gelu`, with 512 segments over [0, 32): ``|x|`` is truncated to 21 fractional bits, and the result is -0
    from -32 downwards.
    """
    return _gated(x, _SIGMOID, 5)
