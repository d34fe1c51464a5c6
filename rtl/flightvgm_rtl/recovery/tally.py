"""Sums for the ledger."""

from typing import Any

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

_HALF = 32


class Tally(wiring.Component):
    """Add up ``step`` modulo 2^64, with 32 bits of carry in a cycle.

    Members
    -------
    clear : In(1)
    add : In(1)
    step : In(40)
        Holds until three cycles after the last ``add``.
    total : Out(64)
        Complete three cycles after the last ``add``.
    """

    clear: In(1)
    add: In(1)
    step: In(40)
    total: Out(64)

    def elaborate(self, _platform: Any) -> Module:
        """Low half first; its carry and the high half a cycle later."""
        m = Module()
        low, high = Signal(_HALF, reset_less=True), Signal(_HALF, reset_less=True)
        add, carry, again = Signal(), Signal(), Signal()
        m.d.comb += self.total.eq(Cat(low, high))
        m.d.sync += [add.eq(self.add), again.eq(add & ~self.clear), carry.eq(0)]
        with m.If(self.clear):
            m.d.sync += [low.eq(0), high.eq(0)]
        with m.Else():
            with m.If(add):
                m.d.sync += Cat(low, carry).eq(low + self.step[:_HALF])
            with m.If(again):
                m.d.sync += high.eq(high + self.step[_HALF:] + carry)
        return m
