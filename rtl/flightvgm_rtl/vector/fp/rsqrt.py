"""Reciprocal square root of FP32."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out

from flightvgm_arch.tables import RSQRT
from flightvgm_rtl.lib.pipeline import delay, register
from flightvgm_rtl.vector.fp.argument import BLOCK

_C0_BITS, _C1_BITS, _C2_BITS = RSQRT.widths
_PLACE_BITS = RSQRT.place_bits
_DROPPED = RSQRT.value_bits - 24  # Bits below the significand of a value in [1/2, 1).
_BIAS = 127


def _words() -> list[int]:
    """Coefficients of each segment: c0, the magnitude of c1, which is never positive, and c2."""
    return [
        c0 | -c1 << _C0_BITS | c2 << _C0_BITS + _C1_BITS
        for c0, c1, c2 in zip(RSQRT.c0, RSQRT.c1, RSQRT.c2, strict=True)
    ]


class Rsqrt(wiring.Component):
    """``1 / sqrt(i)`` of ``i > 0``, as :func:`golden.functions.rsqrt`, bit for bit.

    With ``i = s 4^j``, s in [1, 4), the parabola of the segment of :data:`flightvgm_arch.tables.RSQRT` gives the value
    of s with 30 fractional bits; it is rounded to nearest even into FP32 and multiplied by ``2^-j``. ``i`` is normal
    and positive. One result a cycle.

    Members
    -------
    i : In(32)
    o : Out(32)
        ``latency`` cycles later.
    """

    latency = 7

    def __init__(self) -> None:
        super().__init__({"i": In(32), "o": Out(32)})

    def elaborate(self, _platform: Any) -> Module:
        """Look up, interpolate, round."""
        m = Module()
        value = self._value(m)
        # j is the exponent of s 4^j halved; 1 / sqrt(s) lies in (1/2, 1], whose exponent is -1 but for s = 1.
        exponent = Signal(9)
        m.d.comb += exponent.eq((3 * _BIAS - 1 - self.i[23:31]) >> 1)
        exponent_now = delay(m, exponent, 5, "exponent_now")
        # Bit `_DROPPED` of the value is the last that stays; the one below it says whether more than a half is dropped.
        tail = value[: _DROPPED - 1]
        up = Signal()
        m.d.comb += up.eq(value[_DROPPED - 1] & (tail.any() | value[_DROPPED]))
        rounded = Signal(25)
        m.d.comb += rounded.eq(value[_DROPPED:] + up)
        kept, exponent_kept = register(m, rounded, "kept"), register(m, exponent_now, "exponent_kept")
        # A value of one, reached exactly or by rounding, has the next exponent and no fraction.
        result = Signal(32)
        one = kept[24]
        m.d.comb += result.eq(Cat(Mux(one, 0, kept[:23]), (exponent_kept + one)[:8], Const(0, 1)))
        m.d.comb += self.o.eq(register(m, result, "packed"))
        return m

    def _value(self, m: Module) -> Signal:
        """Value of the parabola, five cycles behind the argument."""
        m.submodules.table = table = memory.Memory(
            shape=_C0_BITS + _C1_BITS + _C2_BITS, depth=RSQRT.segments, init=_words(), attrs=BLOCK
        )
        port = table.read_port()
        # The binade of s is the last bit of the unbiased exponent; the bias is odd.
        m.d.comb += port.addr.eq(Cat(self.i[_PLACE_BITS:23], ~self.i[23]))
        place = delay(m, self.i[:_PLACE_BITS], 1, "place")
        c0, c1, c2 = (
            port.data[:_C0_BITS],
            port.data[_C0_BITS : _C0_BITS + _C1_BITS],
            port.data[_C0_BITS + _C1_BITS :],
        )
        bend = register(m, c2 * place, "bend")
        fall = register(m, c1, "fall")
        # The slope is negative: its magnitude is that of c1 less the floor of the bend.
        steep = Signal(_C1_BITS)
        m.d.comb += steep.eq(fall - bend[_PLACE_BITS:])
        slope = register(m, steep, "slope")
        place_slope = delay(m, place, 2, "place_slope")
        drop = register(m, slope * place_slope, "drop")
        # The floor of a negative number is the negative of the ceiling of its magnitude.
        start = delay(m, c0, 3, "start")
        rounded_up = Signal(_C1_BITS + 1)
        m.d.comb += rounded_up.eq(drop[_PLACE_BITS:] + drop[:_PLACE_BITS].any())
        value = Signal(_C0_BITS)
        m.d.comb += value.eq(start - rounded_up)
        return register(m, value, "value")
