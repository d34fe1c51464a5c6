"""Small read-only tables and their interpolation on integers.

Table contents follow from decimal arithmetic of 40 digits, rounded to integers: they depend on no platform's
mathematical library.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Context, Decimal, localcontext

import numpy as np

from flightvgm_sim.golden.fp import I64

_CONTEXT = Context(prec=40, rounding=ROUND_HALF_EVEN)
Function = Callable[[Decimal], Decimal]


@dataclass(frozen=True)
class Table:
    """Quadratic polynomials, one for each segment of a function's domain.

    With ``u`` the place inside a segment, ``fraction_bits`` wide, the value is
    ``c0 + ((c1 + (c2 u >> fraction_bits)) u >> fraction_bits)``; both shifts round down.

    Parameters
    ----------
    c0, c1, c2 : arrays of int64
        Coefficients, in units of the last bit of the value.
    fraction_bits : int
        Bits of the place inside a segment.
    """

    c0: I64
    c1: I64
    c2: I64
    fraction_bits: int

    def __call__(self, argument: I64) -> I64:
        """Values at fixed-point arguments: the segment's number, then ``fraction_bits`` of the place inside it."""
        segment = argument >> self.fraction_bits
        place = argument & (1 << self.fraction_bits) - 1
        value: I64 = self.c2[segment]
        for lower in (self.c1, self.c0):
            value *= place
            value >>= self.fraction_bits
            value += lower[segment]
        return value


def _integers(values: list[Decimal], bits: int) -> I64:
    return np.array([int((value * (1 << bits)).to_integral_value(ROUND_HALF_EVEN)) for value in values], np.int64)


def quadratic(function: Function, starts: list[Decimal], width: list[Decimal], bits: int, fraction_bits: int) -> Table:
    """Fit polynomials to the function at the start, the middle and the end of each segment.

    Parameters
    ----------
    function : callable
        From Decimal to Decimal.
    starts, width : list of Decimal
        Start and width of each segment.
    bits : int
        Fractional bits of the value.
    fraction_bits : int
        Bits of the place inside a segment.
    """
    c0, c1, c2 = [], [], []
    with localcontext(_CONTEXT):
        for start, step in zip(starts, width, strict=True):
            low, middle, high = (function(start + step * part / 2) for part in range(3))
            c0.append(low)
            c1.append(4 * middle - 3 * low - high)
            c2.append(2 * (low + high) - 4 * middle)
        return Table(_integers(c0, bits), _integers(c1, bits), _integers(c2, bits), fraction_bits)


def nodes(function: Function, count: int, bits: int) -> I64:
    """Evaluate the function at ``i / count`` for ``i = 0..count``, rounded to nearest in units of ``2^-bits``."""
    with localcontext(_CONTEXT):
        return _integers([function(Decimal(i) / count) for i in range(count + 1)], bits)
