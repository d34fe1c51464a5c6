"""Addition in FP32."""

from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from flightvgm_rtl.lib.pipeline import delay, register
from flightvgm_rtl.lib.zeros import leading_zeros

_SUM_BITS = 28  # A carry, 24 bits of significand, and guard, round and sticky bits.


class FpAdd(wiring.Component):
    """``fp32(i_a + i_b)``: rounded to nearest even, then flushed; one a cycle.

    Operands are finite; a subnormal counts as a zero of its sign. The sum must lie below 2^128 in magnitude. A sum of
    zero is positive unless both operands are negative zeros; what is flushed keeps its sign. (A subnormal sum is exact,
    so flushing needs no rounding of its own.)

    Members
    -------
    i_a, i_b : In(32)
        Terms; the sign of one is flipped to subtract it.
    o : Out(32)
        Their sum, ``latency`` cycles later.
    """

    latency = 9

    i_a: In(32)
    i_b: In(32)
    o: Out(32)

    def elaborate(self, _platform: Any) -> Module:
        """Order operands by magnitude, align the smaller one, add, normalise, round."""
        m = Module()
        large, small, distance, differ = self._order(m)
        aligned = self._align(m, small, distance)
        fraction = delay(m, large[:23], 2, "fraction_aligned")
        beyond = delay(m, large[23:31], 2, "exponent_aligned")
        total = self._add(m, fraction, beyond, aligned, delay(m, differ, 2, "differ_aligned"))
        exponent = delay(m, large[23:31], 3, "exponent_summed")
        sign = delay(m, large[31], 3, "sign_summed")
        self._normalise(m, total, exponent, sign, delay(m, differ, 3, "differ_summed"))
        return m

    def _order(self, m: Module) -> tuple[Signal, Signal, Signal, Signal]:
        """Two stages: the larger operand, the other one's significand, their distance, and whether signs differ."""
        a, b = register(m, self.i_a, "a"), register(m, self.i_b, "b")
        swap = register(m, self.i_a[:31] < self.i_b[:31], "swap")
        forth = register(m, self.i_a[23:31] - self.i_b[23:31], "forth")
        back = register(m, self.i_b[23:31] - self.i_a[23:31], "back")
        other = Mux(swap, a, b)
        distance = Mux(swap, back[:8], forth[:8])
        return (
            register(m, Mux(swap, b, a), "large"),
            register(m, Mux(other[23:31].any(), Cat(other[:23], Const(1, 1)), 0), "small"),
            register(m, Mux(distance[5:].any(), 31, distance[:5]), "distance"),
            register(m, a[31] ^ b[31], "differ"),
        )

    @staticmethod
    def _align(m: Module, small: Signal, distance: Signal) -> Signal:
        """Two stages: shift right by eights, then by ones; bits beyond guard and round join the sticky bit."""
        wide = Signal(27)
        lost = Signal()
        m.d.comb += wide.eq(Cat(Const(0, 3), small))
        with m.Switch(distance[3:]):
            for eights in range(4):
                with m.Case(eights):
                    m.d.comb += lost.eq(wide[: 8 * eights].any() if eights else 0)
        coarse = register(m, wide >> (distance[3:] << 3), "coarse")
        sticky = register(m, lost, "sticky")
        fine = register(m, distance[:3], "fine")
        shifted = Signal(27)
        beyond = Signal()
        m.d.comb += shifted.eq(coarse >> fine)
        with m.Switch(fine):
            for ones in range(8):
                with m.Case(ones):
                    m.d.comb += beyond.eq(coarse[:ones].any() if ones else 0)
        return register(m, Cat(shifted[0] | beyond | sticky, shifted[1:]), "aligned")

    @staticmethod
    def _add(m: Module, fraction: Value, exponent: Value, aligned: Value, differ: Value) -> Signal:
        """One stage: sum or difference of magnitudes."""
        hidden = Signal(24)
        m.d.comb += hidden.eq(Mux(exponent.any(), Cat(fraction, Const(1, 1)), 0))
        wide = Cat(Const(0, 3), hidden)
        flipped = Mux(differ, ~aligned, aligned)
        total = Signal(_SUM_BITS, reset_less=True)
        both = Signal(_SUM_BITS)
        m.d.comb += both.eq(wide + flipped + differ)
        m.d.sync += total.eq(Cat(both[:27], both[27] & ~differ))
        return total

    def _normalise(self, m: Module, total: Signal, exponent: Value, sign: Value, differ: Value) -> None:
        """Four stages: count leading zeros, shift by fours, shift by ones and decide on rounding, round."""
        zeros = register(m, leading_zeros(m, total, "zeros"), "leading")
        exact_zero = register(m, ~total.any(), "exact_zero")
        biased = Signal(10)
        m.d.comb += biased.eq(delay(m, exponent, 1, "exponent_counted") + 1 - zeros)
        coarse = register(m, (delay(m, total, 1, "counted") << (zeros[2:] << 2))[:_SUM_BITS], "normal_coarse")
        fine = register(m, zeros[:2], "normal_fine")
        flushed = register(m, exact_zero | biased[9] | ~biased.any(), "flushed")
        shifted = Signal(_SUM_BITS)
        m.d.comb += shifted.eq((coarse << fine)[:_SUM_BITS])
        upper = register(m, shifted[4:27], "upper")
        increment = register(m, shifted[3] & (shifted[4] | shifted[:3].any()), "increment")
        negative = delay(m, sign & ~(differ & ~total.any()), 3, "negative")
        magnitude = Signal(31)
        rounded_exponent = delay(m, biased[:8], 2, "rounded_exponent")
        m.d.comb += magnitude.eq(Cat(upper, rounded_exponent) + increment)
        result = Cat(Mux(delay(m, flushed, 1, "zero"), 0, magnitude), negative)
        m.d.comb += self.o.eq(register(m, result, "result"))
