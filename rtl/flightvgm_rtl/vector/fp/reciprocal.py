"""Reciprocals in FP32."""

from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from flightvgm_rtl.lib.pipeline import delay, register

_BITS = 25  # Of the quotient: a significand, and the bit that decides on rounding.


class Reciprocal(wiring.Component):
    """``fp32(1 / i)``: correctly rounded, then flushed; one a cycle.

    Valid for positive normal numbers. Restoring division, a bit of the quotient in each stage. The quotient is never
    halfway between two FP32 numbers, as 2^k has no factor but two, and never rounds up to a power of two; so the bit
    behind the significand decides alone.

    Members
    -------
    i : In(32)
        Divisor.
    o : Out(32)
        Its reciprocal, ``latency`` cycles later.
    """

    latency = _BITS + 1

    i: In(32)
    o: Out(32)

    def elaborate(self, _platform: Any) -> Module:
        """Divide 2^24 by the significand bit by bit; the first bit of the quotient is always one."""
        m = Module()
        divisor = register(m, Cat(self.i[:23], Const(1, 1)), "divisor_0")
        remainder = register(m, (Const(1 << 24, 25) - Cat(self.i[:23], Const(1, 1)))[:24] << 1, "remainder_0")
        quotient = Const(1, 1)
        for place in range(1, _BITS):
            difference = Signal(26, name=f"difference_{place}")
            m.d.comb += difference.eq(remainder - divisor)
            less = difference[25]
            quotient = register(m, Cat(~less, quotient), f"quotient_{place}")
            remainder = register(m, Mux(less, remainder, difference[:25]) << 1, f"remainder_{place}")[:25]
            divisor = register(m, divisor, f"divisor_{place}")
        power = delay(m, ~self.i[:23].any(), _BITS, "power")  # The quotient is a power of two itself.
        exponent = delay(m, self.i[23:31], _BITS, "exponent")
        biased = Signal(9)
        m.d.comb += biased.eq(Mux(power, 254 - exponent, 253 - exponent))
        fraction = Signal(23)
        m.d.comb += fraction.eq(quotient[1:24] + quotient[0])
        flushed = biased[8] | ~biased.any()
        result = Mux(flushed, 0, Cat(Mux(power, 0, fraction), biased[:8]))
        m.d.comb += self.o.eq(register(m, result, "result"))
        return m
