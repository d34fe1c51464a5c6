"""Counters of 64 bits that the host reads."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

_HALF = 32


class Counter(wiring.Component):
    """Sum of 64 bits; ``o`` has what was added up to two cycles before.

    Parameters
    ----------
    width : int
        Bits of an increment; 32 at most.

    Members
    -------
    clear : In(1)
    i : In(width)
        Added in each cycle.
    o : Out(64)
    """

    def __init__(self, *, width: int) -> None:
        super().__init__({"clear": In(1), "i": In(width), "o": Out(2 * _HALF)})

    def elaborate(self, _: Any) -> Module:
        """Add to the low half, and its carry to the high one a cycle later."""
        m = Module()
        low, carry, seen, high = Signal(_HALF), Signal(), Signal(_HALF), Signal(_HALF)
        m.d.comb += self.o.eq(Cat(seen, high))
        m.d.sync += [Cat(low, carry).eq(low + self.i), seen.eq(low), high.eq(high + carry)]
        with m.If(self.clear):
            m.d.sync += [low.eq(0), carry.eq(0), seen.eq(0), high.eq(0)]
        return m
