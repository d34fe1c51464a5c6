"""FP16 to FP32 and back."""

from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from flightvgm_rtl.lib.pipeline import delay, register
from flightvgm_rtl.lib.zeros import leading_zeros

_HALF_ONE = 15  # Bias of an FP16 exponent.
_ONE = 127  # Bias of an FP32 exponent.


class HalfToFp(wiring.Component):
    """``i`` as FP32, exact, subnormals included; one a cycle. ``i`` is finite.

    Members
    -------
    i : In(16)
        FP16.
    o : Out(32)
        FP32, ``latency`` cycles later.
    """

    latency = 1

    i: In(16)
    o: Out(32)

    def elaborate(self, _platform: Any) -> Module:
        """Rebias a normal number; normalise a subnormal one."""
        m = Module()
        fraction, exponent = self.i[:10], self.i[10:15]
        zeros = leading_zeros(m, fraction, "zeros")
        normal, magnitude = Signal(31), Signal(31)
        below = Signal(31)  # A subnormal number: its highest one becomes the hidden one.
        m.d.comb += [
            normal.eq(Cat(Const(0, 13), fraction, (exponent + (_ONE - _HALF_ONE))[:8])),
            below.eq(Cat(Const(0, 13), ((fraction << 1) << zeros)[:10], (_ONE - _HALF_ONE - zeros)[:8])),
            magnitude.eq(Mux(exponent.any(), normal, Mux(fraction.any(), below, 0))),
        ]
        m.d.comb += self.o.eq(register(m, Cat(magnitude, self.i[15]), "result"))
        return m


class FpToHalf(wiring.Component):
    """``fp16(i)``: rounded to nearest even, subnormals kept; one a cycle.

    From a magnitude of 65,520 on it is saturated at 65,504.

    Members
    -------
    i : In(32)
        FP32, finite; a subnormal counts as a zero of its sign.
    o : Out(16)
        FP16, ``latency`` cycles later.
    o_saturated : Out(1)
        It was saturated.
    """

    latency = 3

    i: In(32)
    o: Out(16)
    o_saturated: Out(1)

    def elaborate(self, _platform: Any) -> Module:
        """Find the shift, shift, round."""
        m = Module()
        least = _ONE - _HALF_ONE + 1  # Exponent of the least normal FP16 number.
        fraction, exponent = self.i[:23], self.i[23:31]
        depth = Signal(4)  # Places below those of a normal number; 12 leave a sticky bit only.
        below = exponent < least
        m.d.comb += depth.eq(Mux(below, Mux(exponent < least - 12, 12, (least - exponent)[:4]), 0))
        shift = register(m, depth, "shift")
        significand = register(m, Mux(exponent.any(), Cat(fraction, Const(1, 1)), 0), "significand")
        base = register(m, Mux(below, 0, (exponent - least)[:5]), "base")
        beyond = exponent > _ONE + _HALF_ONE
        most = (exponent == _ONE + _HALF_ONE) & fraction[12:].all()
        saturated = delay(m, beyond | most, 2, "saturated")

        wide, sticky = Signal(25), Signal()  # Significand of 12 bits, the last one for rounding, and 13 bits below.
        m.d.comb += wide.eq(Cat(Const(0, 1), significand) >> shift)
        with m.Switch(shift):
            for places in range(13):
                with m.Case(places):
                    m.d.comb += sticky.eq(significand[: 12 + places].any())
        upper = register(m, wide[14:], "upper")
        increment = register(m, wide[13] & (wide[14] | sticky), "increment")
        offset = delay(m, base, 1, "offset")
        magnitude = Signal(15)
        m.d.comb += magnitude.eq(Cat(Const(0, 10), offset) + upper + increment)
        result = Cat(Mux(saturated, 0x7BFF, magnitude), delay(m, self.i[31], 2, "sign"))
        m.d.comb += [
            self.o.eq(register(m, result, "result")),
            self.o_saturated.eq(register(m, saturated, "result_saturated")),
        ]
        return m
