"""How far the values of a row spread, as one rounded number."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from flightvgm_rtl.lib.pipeline import delay, register
from flightvgm_rtl.vector.fp.int_to_fp import IntToFp

SQUARES_BITS = 57
TOTAL_BITS = 36
COUNT_BITS = 14
_LIMB = 18
_WIDE = 62  # From 2^62 on, the bits below 2^36 only tell whether they are all zero.
_DROPPED = 36
_INTEGER_BITS = 64


class Spread(wiring.Component):
    """``fp32(count squares - total^2) 2^i_exponent``: exact, then rounded once; one a cycle.

    As :func:`golden.norm.spread`, bit for bit. Squares and products are made of limbs of 18 bits, whose carries go from
    limb to limb in a stage each.

    Members
    -------
    i_squares : In(57)
        Sum of the squares of ``i_count`` integers of 23 bits.
    i_total : In(signed(36))
        Their sum.
    i_count : In(14)
    i_exponent : In(signed(8))
    o : Out(32)
        ``latency`` cycles later.
    """

    _before = 8
    latency = 15

    def __init__(self) -> None:
        super().__init__(
            {
                "i_squares": In(SQUARES_BITS),
                "i_total": In(signed(TOTAL_BITS)),
                "i_count": In(COUNT_BITS),
                "i_exponent": In(signed(8)),
                "o": Out(32),
            }
        )

    def elaborate(self, _platform: Any) -> Module:
        """Products, columns, carries, one integer of 64 bits, FP32."""
        m = Module()
        exact = Signal(4 * _LIMB)
        m.d.comb += exact.eq(self._carry(m, self._columns(m)))
        wide = Signal()
        m.d.comb += wide.eq(exact[_WIDE:].any())
        sticky = exact[:_DROPPED].any()
        chosen = Mux(wide, Cat(exact[_DROPPED] | sticky, exact[_DROPPED + 1 :]), exact[:_WIDE])
        exponent = delay(m, self.i_exponent, self._before - 1, "exponent")
        m.submodules.convert = convert = IntToFp(width=_INTEGER_BITS)
        assert self.latency == self._before + convert.latency
        integer = Signal(signed(_INTEGER_BITS))
        scaled = Signal(signed(10))
        m.d.comb += [integer.eq(chosen), scaled.eq(exponent + Mux(wide, _DROPPED, 0))]
        m.d.comb += [
            convert.i.eq(register(m, integer, "integer")),
            convert.i_exponent.eq(register(m, scaled, "scaled")),
            self.o.eq(convert.o),
        ]
        return m

    def _columns(self, m: Module) -> list[Signal]:
        """Four stages: sums of what belongs to each limb of the result."""
        squares = self.i_squares
        parts = [
            delay(m, self.i_count * squares[low : low + _LIMB], 2, f"part_{low // _LIMB}")
            for low in range(0, SQUARES_BITS, _LIMB)
        ]
        low, high = self.i_total[:_LIMB], self.i_total[_LIMB:].as_signed()
        low_square = delay(m, low * low, 2, "low_square")
        high_square = delay(m, (high * high).as_unsigned(), 2, "high_square")
        mixed = delay(m, high * low, 2, "mixed")
        twice = Signal(signed(2 * _LIMB + 2))
        m.d.comb += twice.eq(mixed << 1)
        pairs: list[tuple[Value, Value]] = [
            (parts[0][:_LIMB] - low_square[:_LIMB], Const(0, 1)),
            (parts[0][_LIMB:] + parts[1][:_LIMB], low_square[_LIMB:] + twice[:_LIMB]),
            (parts[1][_LIMB:] + parts[2][:_LIMB], twice[_LIMB:].as_signed() + high_square[:_LIMB]),
            (parts[2][_LIMB:] + parts[3], high_square[_LIMB : 2 * _LIMB]),
        ]
        columns = []
        for place, (plus, minus) in enumerate(pairs):
            added, taken = register(m, plus, f"plus_{place}"), register(m, minus, f"minus_{place}")
            columns.append(register(m, added - taken, f"column_{place}"))
        return columns

    @staticmethod
    def _carry(m: Module, columns: list[Signal]) -> Value:
        """Three stages: what a limb does not hold goes to the next one; the result is not negative."""
        stages = len(columns) - 1
        total = columns[0]
        limbs: list[Value] = []
        for stage in range(1, stages + 1):
            limbs.append(delay(m, total[:_LIMB], stages + 1 - stage, f"limb_{stage - 1}"))
            column = delay(m, columns[stage], stage - 1, f"late_{stage}") if stage > 1 else columns[stage]
            total = register(m, column + total[_LIMB:].as_signed(), f"total_{stage}")
        return Cat(*limbs, total[:_LIMB])
