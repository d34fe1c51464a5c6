"""The contract's function tables as arrays."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from flightvgm_arch.tables import Quadratic
from flightvgm_sim.golden.fp import I64


@dataclass(frozen=True)
class Table:
    """The parabolas of a :class:`flightvgm_arch.tables.Quadratic`, for arrays of arguments.

    Parameters
    ----------
    c0, c1, c2 : arrays of int64
        Coefficients, in units of the last bit of the value.
    place_bits : int
        Bits of the place inside a segment.
    """

    c0: I64
    c1: I64
    c2: I64
    place_bits: int

    @classmethod
    def of(cls, table: Quadratic) -> Table:
        """Arrays of a table's coefficients."""
        c0, c1, c2 = (np.array(values, np.int64) for values in (table.c0, table.c1, table.c2))
        return cls(c0, c1, c2, table.place_bits)

    def __call__(self, argument: I64) -> I64:
        """Values at fixed-point arguments, as :meth:`flightvgm_arch.tables.Quadratic.at`."""
        segment = argument >> self.place_bits
        place = argument & (1 << self.place_bits) - 1
        value: I64 = self.c2[segment]
        for lower in (self.c1, self.c0):
            value *= place
            value >>= self.place_bits
            value += lower[segment]
        return value
