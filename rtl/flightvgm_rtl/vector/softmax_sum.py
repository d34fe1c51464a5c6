"""Long sums in two halves."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from flightvgm_rtl.lib.pipeline import register


class SplitSum(wiring.Component):
    """Running sum of unsigned numbers, whose upper half follows a cycle behind the lower one.

    Parameters
    ----------
    width : int
        Bits of a number.
    total : int
        Bits of the sum.
    split : int
        Bits of the lower half, less than ``width``.

    Members
    -------
    i : In(width)
    valid : In(1)
        The number counts.
    first : In(1)
        With ``valid``: forget what came before.
    o : Out(total)
        The sum up to the number of ``latency`` cycles ago.
    """

    latency = 2

    def __init__(self, *, width: int, total: int, split: int) -> None:
        self._width, self._total, self._split = width, total, split
        super().__init__({"i": In(width), "valid": In(1), "first": In(1), "o": Out(total)})

    def elaborate(self, _platform: Any) -> Module:
        """Add the lower half, then the upper half with its carry."""
        m = Module()
        low, high = Signal(self._split, reset_less=True), Signal(self._total - self._split, reset_less=True)
        total = Signal(self._split + 1)
        carry, follows, begins = Signal(), Signal(), Signal()
        upper = register(m, self.i[self._split :], "upper")
        m.d.comb += total.eq(Mux(self.first, 0, low) + self.i[: self._split])
        m.d.sync += [follows.eq(self.valid), begins.eq(self.first)]
        with m.If(self.valid):
            m.d.sync += [low.eq(total[: self._split]), carry.eq(total[self._split])]
        with m.If(follows):
            m.d.sync += high.eq(Mux(begins, 0, high) + upper + carry)
        m.d.comb += self.o.eq(Cat(register(m, low, "low_late"), high))
        return m
