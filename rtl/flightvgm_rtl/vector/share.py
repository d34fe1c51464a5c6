"""The reciprocal of a count."""

from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from flightvgm_rtl.lib.zeros import leading_zeros
from flightvgm_rtl.vector.spread import COUNT_BITS

_DIGITS = 26  # One, the significand's 24 and the one that rounds.
_BIAS = 127


class Share(wiring.Component):
    """``fp32(1 / i)`` of a count i of at least 1, the correctly rounded quotient.

    One digit a cycle by restoring division; the quotient of a count that is no power of two is no tie, so that its
    25th digit decides. ``i`` is taken where ``start`` is set; ``o`` is there ``latency`` cycles later, and stays. A
    start before that gives up the count before it.

    Members
    -------
    start : In(1)
    i : In(14)
    o : Out(32)
    """

    latency = _DIGITS + 4

    start: In(1)
    i: In(COUNT_BITS)
    o: Out(32)

    def elaborate(self, _platform: Any) -> Module:
        """Normalise, divide, round."""
        m = Module()
        count, divisor = Signal(COUNT_BITS, reset_less=True), Signal(COUNT_BITS, reset_less=True)
        zeros = leading_zeros(m, count, "zeros")
        held_zeros = Signal.like(zeros, name="held_zeros", reset_less=True)
        rest, digits = Signal(COUNT_BITS + 1, reset_less=True), Signal(_DIGITS, reset_less=True)
        begin = Signal(2)
        left = Signal(range(_DIGITS + 1))
        m.d.sync += begin.eq(Cat(self.start, begin[0]))
        with m.If(self.start):
            m.d.sync += count.eq(self.i)
        with m.If(begin[0]):
            m.d.sync += held_zeros.eq(zeros)
        less, fits = Signal(COUNT_BITS + 2), Signal()
        m.d.comb += [less.eq(rest - divisor), fits.eq(~less[-1])]
        with m.If(begin[1]):
            m.d.sync += [divisor.eq(count << held_zeros), rest.eq(1 << COUNT_BITS - 1), left.eq(_DIGITS)]
        with m.Elif(left != 0):
            m.d.sync += [
                rest.eq(Cat(Const(0, 1), Mux(fits, less, rest))),
                digits.eq(Cat(fits, digits[:-1])),
                left.eq(left - 1),
            ]
        power = digits[-1]
        significand, exponent = Signal(24), Signal(8)
        m.d.comb += [
            significand.eq(digits[1:25] + digits[0]),
            exponent.eq(_BIAS - COUNT_BITS + power + held_zeros),
        ]
        m.d.sync += self.o.eq(Cat(Mux(power, 0, significand[:23]), exponent, Const(0, 1)))
        return m
