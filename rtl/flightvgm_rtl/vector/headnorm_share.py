"""Reciprocal of a number of channels, once an instruction."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

_DIGITS = 25  # Significant bits of the quotient, with one to round.
_ONE = 127  # Bias of an FP32 exponent.


class Share(wiring.Component):
    """``fp32(1 / n)``, rounded to nearest even, by long division: at most 40 cycles.

    A quotient of 25 bits is a tie for no n below 2^24, and a carry never leaves the significand. ``ready``
    falls with ``start``.

    Parameters
    ----------
    bits : int
        Bits of n.

    Members
    -------
    start : In(1)
    n : In(bits)
        At least 1; still until ``ready``.
    o : Out(32)
    ready : Out(1)
    """

    def __init__(self, *, bits: int) -> None:
        self._bits = bits
        super().__init__({"start": In(1), "n": In(bits), "o": Out(32), "ready": Out(1)})

    def elaborate(self, platform: Any) -> Module:
        """A digit a cycle: leading zeros count down the exponent, the others are kept."""
        m = Module()
        rest, below = Signal(self._bits + 1), Signal(self._bits + 1)
        digits, exponent = Signal(_DIGITS, init=1 << (_DIGITS - 1)), Signal(8, init=_ONE)
        digit, begun = Signal(), Signal()
        m.d.comb += [
            digit.eq(rest >= self.n),
            below.eq(Mux(digit, rest - self.n, rest)),
            begun.eq(digits.any()),
            self.ready.eq(digits[-1]),
        ]
        with m.If(self.start):
            m.d.sync += [rest.eq(1), digits.eq(0), exponent.eq(_ONE)]
        with m.Elif(~self.ready):
            m.d.sync += [rest.eq(below << 1), digits.eq(Cat(digit, digits))]
            with m.If(~begun & ~digit):
                m.d.sync += exponent.eq(exponent - 1)
        m.d.comb += self.o.eq(Cat((digits[1:-1] + digits[0])[: _DIGITS - 2], exponent, Const(0, 1)))
        return m
