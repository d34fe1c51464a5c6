"""Multiplication digit by digit."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

_DSP = 26  # Bits of an unsigned factor that one multiplier takes.


class DigitMultiplier(wiring.Component):
    """Multiply a number by one that comes digit by digit, lowest first; the digits of the product leave likewise.

    A digit a cycle. With ``first`` come the multiplicand and the lowest digit; zeros follow the multiplier's last digit
    until all digits of the product have left. Products follow each other without a gap.

    Parameters
    ----------
    width : int
        Bits of the multiplicand.
    digit : int
        Bits of a digit.

    Members
    -------
    first : In(1)
    multiplicand : In(width)
    i : In(digit)
        A digit of the multiplier.
    o : Out(digit)
        The digit of the product of the same weight, ``latency`` cycles later.
    """

    latency = 4

    def __init__(self, *, width: int, digit: int) -> None:
        self._width, self._digit = width, digit
        super().__init__({"first": In(1), "multiplicand": In(width), "i": In(digit), "o": Out(digit)})

    def elaborate(self, _platform: Any) -> Module:
        """Hold the multiplicand; partial product in two stages; add it to what is left of those before."""
        m = Module()
        held, digit = Signal(self._width, reset_less=True), Signal(self._digit, reset_less=True)
        first = Signal(3)
        low_width = min(self._width, _DSP)
        low = Signal(low_width + self._digit, reset_less=True)
        high = Signal(self._width - low_width + self._digit, reset_less=True)
        product = Signal(self._width + self._digit, reset_less=True)
        window = Signal(self._width + self._digit, reset_less=True)
        with m.If(self.first):
            m.d.sync += held.eq(self.multiplicand)
        m.d.sync += [
            first.eq(Cat(self.first, first)),
            digit.eq(self.i),
            low.eq(held[:low_width] * digit),
            high.eq(held[low_width:] * digit),
            product.eq(low + Cat(Const(0, low_width), high)),
            window.eq(Mux(first[2], 0, window >> self._digit) + product),
        ]
        m.d.comb += self.o.eq(window[: self._digit])
        return m
