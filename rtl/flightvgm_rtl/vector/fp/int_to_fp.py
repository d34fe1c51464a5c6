"""Integers to FP32."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from flightvgm_rtl.lib.pipeline import delay, register
from flightvgm_rtl.lib.zeros import leading_zeros

_CARRY = 32  # Bits of carry in a stage.
_ONE = 127  # Bias of an FP32 exponent.
_BYTE = 8


class IntToFp(wiring.Component):
    """``fp32(i) * 2^i_exponent``: one rounding to nearest even, an exact scale, then flushed; one a cycle.

    The result must lie below 2^128 in magnitude. A zero is positive.

    Parameters
    ----------
    width : int
        Bits of ``i``, 2 to 64.

    Members
    -------
    i : In(signed(width))
    i_exponent : In(signed(10))
    o : Out(32)
        FP32, ``latency`` cycles later.
    """

    def __init__(self, *, width: int) -> None:
        if not 2 <= width <= 64:
            raise ValueError(f"integers of {width} bits cannot be converted; give 2 to 64")
        self._width = width
        self._parts = -(-width // _CARRY)
        self.latency = self._parts + 5
        super().__init__({"i": In(signed(width)), "i_exponent": In(signed(10)), "o": Out(32)})

    def elaborate(self, _platform: Any) -> Module:
        """Magnitude, leading zeros by eights, shift by those, by ones with the decision on rounding, round, pack."""
        m = Module()
        magnitude = self._magnitude(m)
        # Whole bytes; the magnitude of the most negative integer takes all bits of its width.
        wide = Signal(_BYTE * -(-max(26, self._width) // _BYTE))
        m.d.comb += wide.eq(magnitude << (len(wide) - self._width))
        size = len(wide)
        some = Cat(wide.word_select(byte, _BYTE).any() for byte in range(size // _BYTE))
        eights = register(m, leading_zeros(m, some, "eights"), "leading_eights")
        nothing = register(m, ~wide.any(), "nothing")
        by_eights = Signal(size)
        m.d.comb += by_eights.eq((register(m, wide, "counted") << (eights << 3))[:size])
        coarse = register(m, by_eights, "coarse")
        fine = register(m, leading_zeros(m, by_eights[-_BYTE:], "ones"), "fine")
        zeros = Cat(fine, register(m, eights, "coarse_eights"))
        shifted = Signal(size)
        m.d.comb += shifted.eq((coarse << fine)[:size])
        upper = register(m, shifted[-24:], "upper")
        half = size - 25
        below = shifted[:half].any() if half else Const(0, 1)
        increment = register(m, shifted[half] & (shifted[half + 1] | below), "increment")
        rounded = register(m, upper + increment, "rounded")
        scaled = Signal(signed(12))
        top = self._width - 1 + _ONE
        m.d.comb += scaled.eq(delay(m, self.i_exponent, self._parts + 2, "exponent") + top - zeros)
        biased = Signal(signed(12))
        m.d.comb += biased.eq(delay(m, scaled, 2, "scaled") + rounded[24])
        flushed = delay(m, nothing, 3, "zero") | (biased <= 0)
        sign = delay(m, self.i[-1], self._parts + 4, "sign")
        result = Mux(flushed, Cat(Const(0, 31), sign), Cat(rounded[:23], biased[:8], sign))
        m.d.comb += self.o.eq(register(m, result, "result"))
        return m

    def _magnitude(self, m: Module) -> Value:
        """Absolute value, 32 bits of carry in a stage."""
        value, negative = self.i.as_unsigned(), self.i[-1]
        carry: Value = negative
        done: list[Value] = []
        for part in range(self._parts):
            piece = value[:_CARRY]
            total = Signal(len(piece) + 1, name=f"total_{part}")
            m.d.comb += total.eq(Mux(negative, ~piece, piece) + carry)
            done = [register(m, item, f"done_{part}_{place}") for place, item in enumerate(done)]
            done.append(register(m, total[: len(piece)], f"part_{part}"))
            carry = register(m, total[len(piece)], f"carry_{part}")
            value = register(m, value[_CARRY:], f"rest_{part}")
            negative = register(m, negative, f"negative_{part}")
        return Cat(*done)
