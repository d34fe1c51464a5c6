"""The decision whether two rows are alike."""

from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from flightvgm_arch.formats import THETA_BITS
from flightvgm_rtl.lib.multiply import DigitMultiplier

SQUARE_BITS = 27
DOT_BITS = SQUARE_BITS + 1
_DIGIT = 5
_DIGITS = -(-(2 * SQUARE_BITS + THETA_BITS) // _DIGIT)  # Of either side of the comparison.


class Alike(wiring.Component):
    """``dot > 0 and dot^2 2^16 >= theta |a|^2 |b|^2``, exact; :func:`golden.sparsifier.alike` is the reference.

    Both sides come digit by digit, lowest first, from chains of :class:`~flightvgm_rtl.lib.multiply.DigitMultiplier`:
    theta times ``a_square``, and its digits times ``b_square``, against the digits of ``dot 2^16`` times ``dot``. Of
    unequal digits the highest decide. So a comparison begins every ``interval`` cycles, and needs no division.

    Members
    -------
    start : In(1)
        Begin; only while ``ready``. What belongs to it is taken in this cycle.
    dot : In(signed(28))
    a_square, b_square : In(27)
    theta : In(16)
        0.16 fixed point.
    ready : Out(1)
    done : Out(1)
        Pulse ``latency`` cycles behind ``start``.
    alike : Out(1)
        Holds from ``done`` to the next.
    """

    interval = _DIGITS
    latency = 2 + 2 * DigitMultiplier.latency + _DIGITS

    start: In(1)
    dot: In(signed(DOT_BITS))
    a_square: In(SQUARE_BITS)
    b_square: In(SQUARE_BITS)
    theta: In(THETA_BITS)
    ready: Out(1)
    done: Out(1)
    alike: Out(1)

    def elaborate(self, _platform: Any) -> Module:
        """Shift factors out to the multipliers, and compare what comes back."""
        m = Module()
        m.submodules.scaled = scaled = DigitMultiplier(width=SQUARE_BITS, digit=_DIGIT)
        m.submodules.bound = bound = DigitMultiplier(width=SQUARE_BITS, digit=_DIGIT)
        m.submodules.square = square = DigitMultiplier(width=SQUARE_BITS, digit=_DIGIT)
        since = Signal(self.latency - 1)  # Bit n: a comparison began n + 1 cycles ago.
        second, result = DigitMultiplier.latency, 2 * DigitMultiplier.latency
        a, b = Signal(SQUARE_BITS, reset_less=True), Signal(SQUARE_BITS, reset_less=True)
        dot, positive = Signal(SQUARE_BITS, reset_less=True), Signal(2, reset_less=True)
        theta = Signal(THETA_BITS, reset_less=True)
        factor = Signal(SQUARE_BITS + THETA_BITS, reset_less=True)  # dot 2^16; its lowest digits are zeros.
        shifting = Signal()
        m.d.sync += since.eq(Cat(self.start, since[:-1]))
        m.d.sync += theta.eq(theta >> _DIGIT)
        with m.If(self.start):
            m.d.sync += [
                a.eq(self.a_square),
                b.eq(self.b_square),
                dot.eq(self.dot[:SQUARE_BITS]),
                positive[0].eq(self.dot > 0),
                theta.eq(self.theta),
                factor.eq(Cat(Const(0, THETA_BITS), self.dot[:SQUARE_BITS])),
            ]
        with m.Elif(shifting):
            m.d.sync += factor.eq(factor >> _DIGIT)
        m.d.comb += [
            self.ready.eq(~since[: self.interval - 1].any()),
            shifting.eq(since[second : self.interval].any()),
            scaled.first.eq(since[0]),
            scaled.multiplicand.eq(a),
            scaled.i.eq(theta[:_DIGIT]),
            bound.first.eq(since[second]),
            bound.multiplicand.eq(b),
            bound.i.eq(scaled.o),
            square.first.eq(since[second]),
            square.multiplicand.eq(dot),
            square.i.eq(factor[:_DIGIT]),
        ]
        least = Signal(reset_less=True)  # Of the digits so far, the left side's are not less.
        before = Mux(since[result], 1, least)
        m.d.sync += least.eq((square.o > bound.o) | ((square.o == bound.o) & before))
        with m.If(since[result]):
            m.d.sync += positive[1].eq(positive[0])
        m.d.sync += self.done.eq(since[-1])
        with m.If(since[-1]):
            m.d.sync += self.alike.eq(least & positive[1])
        return m
