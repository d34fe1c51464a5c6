"""Products of counts, bit by bit."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Const, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

_HALF = 32


class SerialMultiply(wiring.Component):
    """``o`` becomes ``o factor`` modulo 2^64; a bit of the factor in a cycle, until no more is set.

    Members
    -------
    clear : In(1)
        ``o`` becomes 1; not while busy.
    start : In(1)
        Pulse, not while busy.
    factor : In(24)
    o : Out(64)
        Valid when not busy.
    busy : Out(1)
        From the cycle behind ``start`` on.
    """

    def __init__(self) -> None:
        super().__init__({"clear": In(1), "start": In(1), "factor": In(24), "o": Out(2 * _HALF), "busy": Out(1)})

    def elaborate(self, _platform: Any) -> Module:
        """Add the shifted multiplicand where the factor has a bit, the upper half a cycle later."""
        m = Module()
        factor = Signal(24)
        low, high = Signal(_HALF, reset_less=True), Signal(_HALF, reset_less=True)
        shifted = Signal(2 * _HALF, reset_less=True)
        carry, late_bit, tail = Signal(), Signal(), Signal()
        late_high = Signal(_HALF, reset_less=True)
        total = Signal(_HALF + 1)
        running = Signal()
        m.d.comb += [
            running.eq(factor.any()),
            total.eq(low + shifted[:_HALF]),
            self.busy.eq(running | tail),
            self.o.eq(Cat(low, high)),
        ]
        m.d.sync += [tail.eq(running), carry.eq(0), late_bit.eq(0)]
        with m.If(running):
            m.d.sync += [factor.eq(factor[1:]), shifted.eq(Cat(Const(0, 1), shifted[:-1]))]
            with m.If(factor[0]):
                m.d.sync += [low.eq(total[:_HALF]), carry.eq(total[_HALF]), late_bit.eq(1)]
            m.d.sync += late_high.eq(shifted[_HALF:])
        with m.If(late_bit):
            m.d.sync += high.eq(high + late_high + carry)
        with m.If(self.start):
            m.d.sync += [factor.eq(self.factor), shifted.eq(self.o), low.eq(0), high.eq(0)]
        with m.If(self.clear):
            m.d.sync += [low.eq(1), high.eq(0)]
        return m
