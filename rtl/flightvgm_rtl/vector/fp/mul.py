"""Multiplication in FP32."""

from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from flightvgm_rtl.lib.pipeline import delay, register


class FpMul(wiring.Component):
    """``fp32(i_a i_b)``: rounded to nearest even with subnormals, then flushed; one a cycle.

    Operands are finite; a subnormal counts as a zero of its sign. The product must lie below 2^128 in magnitude. Uses
    one DSP: the significand of ``i_a`` times the fraction of ``i_b``, plus the significand at the place of the hidden
    one.

    Members
    -------
    i_a, i_b : In(32)
        Factors.
    o : Out(32)
        Their product, ``latency`` cycles later.
    """

    latency = 5

    i_a: In(32)
    i_b: In(32)
    o: Out(32)

    def elaborate(self, _platform: Any) -> Module:
        """Multiply significands in three stages, then round, then pack."""
        m = Module()
        exponents = Signal(9)
        m.d.comb += exponents.eq(self.i_a[23:31] + self.i_b[23:31])
        zero = ~self.i_a[23:31].any() | ~self.i_b[23:31].any()
        sign = delay(m, self.i_a[31] ^ self.i_b[31], 4, "sign")
        zero = delay(m, zero, 4, "zero")
        significand = register(m, Cat(self.i_a[:23], Const(1, 1)), "significand")
        fraction = register(m, self.i_b[:23], "fraction")
        partial = register(m, significand * fraction, "partial")
        product = register(m, partial + Cat(Const(0, 23), register(m, significand, "addend")), "product")
        exponent, upper = self._round(m, product, delay(m, exponents, 3, "exponents"))
        packed = Signal(10)  # Exponent of the result, for which rounding may carry.
        rounded = Signal(25)
        m.d.comb += [rounded.eq(upper[1:] + upper[0]), packed.eq(exponent + rounded[24])]
        least = (packed[9] == 0) & packed[:9].any() & ~zero
        result = Cat(Mux(least, Cat(rounded[:23], packed[:8]), 0), sign)
        m.d.comb += self.o.eq(register(m, result, "result"))
        return m

    @staticmethod
    def _round(m: Module, product: Signal, exponents: Signal) -> tuple[Signal, Signal]:
        """Exponent, biased, and above the decision to round up the significand of 24 bits.

        Below the least normal magnitude the result is a zero unless nearest even with subnormals carries it to that
        magnitude, which it does just where all bits of the significand are ones: so there it is always rounded up, and
        what did not carry is flushed.
        """
        high, least, up = Signal(), Signal(), Signal()
        wide, narrow = Signal(24), Signal(24)
        m.d.comb += [
            high.eq(product[47]),
            wide.eq(product[24:48]),
            narrow.eq(product[23:47]),
            least.eq(Mux(high, exponents == 126, exponents == 127)),
            up.eq(
                Mux(
                    high,
                    product[23] & (product[24] | product[:23].any()),
                    product[22] & (product[23] | product[:22].any()),
                )
            ),
        ]
        exponent = Signal(10, reset_less=True)
        upper = Signal(25, reset_less=True)
        m.d.sync += [
            exponent.eq(exponents - 127 + high),
            upper.eq(Cat(up | least, Mux(high, wide, narrow))),
        ]
        return exponent, upper
