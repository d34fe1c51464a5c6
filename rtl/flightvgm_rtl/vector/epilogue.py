"""From the sums of a row to its FP16 results."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Array, Cat, Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from flightvgm_rtl.array.ports import TileKind, drained
from flightvgm_rtl.buffers.collector_lane import Placed, PlacedValue
from flightvgm_rtl.lib.pipeline import delay, register
from flightvgm_rtl.lib.vector import Vector
from flightvgm_rtl.vector.flow import outside
from flightvgm_rtl.vector.fp.add import FpAdd
from flightvgm_rtl.vector.fp.half import FpToHalf
from flightvgm_rtl.vector.fp.mul import FpMul

RECIPROCAL_SLOTS = 4
_ONE = 0x3F80_0000
_MINUS_ZERO = 0x8000_0000

PlacedWord = data.StructLayout({"placed": Placed, "data": 32})
"""An FP32 value of a row, and where its FP16 value goes."""
ReciprocalWrite = data.StructLayout({"valid": 1, "slot": range(RECIPROCAL_SLOTS), "data": 32})
"""The reciprocal of the sum of a row's probabilities."""


class EpilogueLane(wiring.Component):
    """Scale the results of a row and round them to FP16, as :func:`golden.epilogue.epilogue`, bit for bit; one a cycle.

    MM8: ``fp32(fp32(fp32(i row_scale) column_scale) + bias)``, with ``gelu`` through the shared unit behind
    ``gelu_o``. PV: ``fp32(i r)`` with the reciprocal r of the tag's slot. MM16: ``i``. These are the same three
    operations, with factors of one and a term of -0, which change nothing. A subnormal scale or bias counts as
    zero. Scores are left out.

    Parameters
    ----------
    segments : int
        Of a row. The results of tiles that are not scores come in the order of the columns, one a cycle in all.

    Members
    -------
    i : In(drained()) of each segment
    reciprocal : In(ReciprocalWrite)
    gelu_o : Out(PlacedWord)
        To the GELU unit.
    gelu_i : In(PlacedWord)
        Back from it; never in a cycle in which another result arrives here.
    o : Out(PlacedValue)
        Results in the order of the columns.
    saturated : Out(1)
        The result saturated.
    beyond : Out(1)
        A scale or bias of MM8 is 2^48 or more in magnitude, or no number; ``beyond_latency`` cycles later.
    """

    beyond_latency = 2

    def __init__(self, *, segments: int) -> None:
        self._segments = segments
        super().__init__(
            {
                "i": In(drained()).array(segments),
                "reciprocal": In(ReciprocalWrite),
                "gelu_o": Out(PlacedWord),
                "gelu_i": In(PlacedWord),
                "o": Out(PlacedValue),
                "saturated": Out(1),
                "beyond": Out(1),
            }
        )

    def elaborate(self, _platform: Any) -> Module:
        """Choose operands, multiply twice, add, convert."""
        m = Module()
        item = self._merge(m)
        m.submodules.by_row = by_row = FpMul()
        m.submodules.by_column = by_column = FpMul()
        m.submodules.add = add = FpAdd()
        m.submodules.half = half = FpToHalf()
        scaled = item.tag.kind == TileKind.MM8
        column_scale = register(m, Mux(scaled, item.column_scale, _ONE), "column_scale")
        bias = register(m, Mux(scaled, item.bias, _MINUS_ZERO), "bias")
        factors = Signal(Vector(32, 3))
        m.d.comb += factors.eq(Cat(item.row_scale, item.column_scale, item.bias))
        m.d.comb += self.beyond.eq(outside(m, factors, (item.valid & scaled).replicate(3), "beyond"))
        m.d.comb += [
            by_row.i_a.eq(register(m, item.data, "value")),
            by_row.i_b.eq(self._row_scale(m, item)),
            by_column.i_a.eq(by_row.o),
            by_column.i_b.eq(delay(m, column_scale, FpMul.latency, "column_scale_late")),
            add.i_a.eq(by_column.o),
            add.i_b.eq(delay(m, bias, 2 * FpMul.latency, "bias_late")),
        ]
        placed, gelu = self._placed(m, item)
        latency = 2 * FpMul.latency + FpAdd.latency
        placed_late = Signal(Placed)
        gelu_late = delay(m, gelu, latency, "gelu_late")
        m.d.comb += placed_late.eq(delay(m, placed, latency, "placed_late"))
        m.d.comb += [self.gelu_o.placed.eq(placed_late), self.gelu_o.data.eq(add.o)]
        m.d.comb += self.gelu_o.placed.valid.eq(placed_late.valid & gelu_late)
        final = Signal(Placed)
        m.d.comb += final.eq(Mux(self.gelu_i.placed.valid, self.gelu_i.placed, placed_late))
        m.d.comb += final.valid.eq(self.gelu_i.placed.valid | placed_late.valid & ~gelu_late)
        m.d.comb += half.i.eq(Mux(self.gelu_i.placed.valid, self.gelu_i.data, add.o))
        arrived = Signal(Placed)
        m.d.comb += [
            arrived.eq(delay(m, final, FpToHalf.latency, "arrived")),
            self.o.placed.eq(arrived),
            self.o.data.eq(half.o),
            self.saturated.eq(arrived.valid & half.o_saturated),
        ]
        return m

    def _merge(self, m: Module) -> Any:
        """The result of this cycle: only one segment has any, as tiles are ``columns`` cycles apart."""
        item = Signal(drained(), reset_less=True)
        valid = Signal()
        m.d.sync += valid.eq(0)
        for segment in self.i:
            with m.If(segment.valid & (segment.tag.kind != TileKind.SCORE)):
                m.d.sync += [item.eq(segment), valid.eq(1)]
        found = Signal(drained())
        m.d.comb += [found.eq(item), found.valid.eq(valid)]
        return found

    def _row_scale(self, m: Module, item: Any) -> Signal:
        """Factor of the row, with the reciprocals that were written."""
        kept = [Signal(32, name=f"reciprocal_{slot}", reset_less=True) for slot in range(RECIPROCAL_SLOTS)]
        for slot, word in enumerate(kept):
            with m.If(self.reciprocal.valid & (self.reciprocal.slot == slot)):
                m.d.sync += word.eq(self.reciprocal.data)
        scale = Signal(32)
        with m.Switch(item.tag.kind):
            with m.Case(TileKind.MM8):
                m.d.comb += scale.eq(item.row_scale)
            with m.Case(TileKind.PV):
                m.d.comb += scale.eq(Array(kept)[item.tag.slot])
            with m.Default():
                m.d.comb += scale.eq(_ONE)
        return register(m, scale, "row_scale")

    def _placed(self, m: Module, item: Any) -> tuple[Signal, Signal]:
        """Where the result goes, and whether GELU comes before; a cycle behind it."""
        tag, column = item.tag, item.column
        at = Signal(4)
        m.d.comb += at.eq((tag.out[1:5] + column[:4] - tag.low[:4])[:4])
        valid = Signal()
        rest = Signal(data.StructLayout({"place": 4, "push": 1}), reset_less=True)
        m.d.sync += [
            valid.eq(item.valid),
            rest.place.eq(at),
            rest.push.eq((at == 15) | item.last),
        ]
        placed = Signal(Placed)
        m.d.comb += [placed.valid.eq(valid), placed.place.eq(rest.place), placed.push.eq(rest.push)]
        return placed, register(m, item.tag.gelu & (item.tag.kind == TileKind.MM8), "gelu")
