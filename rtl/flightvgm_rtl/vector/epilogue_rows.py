"""The epilogue of all rows."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Const, Module, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from flightvgm_rtl.array.ports import drained
from flightvgm_rtl.buffers.collector_lane import PlacedValue
from flightvgm_rtl.lib.pipeline import register
from flightvgm_rtl.lib.unit import place
from flightvgm_rtl.vector.epilogue import EpilogueLane, ReciprocalWrite
from flightvgm_rtl.vector.epilogue_gelu import EpilogueGelu
from flightvgm_rtl.vector.flow import history


class EpilogueRows(wiring.Component):
    """A lane for each row, and a GELU for some of them.

    Parameters
    ----------
    rows, columns, segments : int
        Of the array.
    gelu_rows : int
        Rows that share a GELU.

    Members
    -------
    i : In(drained()) of each row and segment
    reciprocal : In(ReciprocalWrite) of each row
    o : Out(PlacedValue) of each row
    saturations : Out
        Results that saturated, a few cycles later.
    beyond : Out(1)
        A scale or bias was too large or no number, in any row: ``beyond_latency`` cycles after the result of row 0.
        That of row r comes r cycles later, so that all results of an instruction are judged before those of the next.
    """

    def __init__(self, *, rows: int, columns: int, segments: int, gelu_rows: int) -> None:
        self._rows, self._columns, self._segments, self._gelu_rows = rows, columns, segments, gelu_rows
        self.beyond_latency = EpilogueLane.beyond_latency + rows
        super().__init__(
            {
                "i": In(drained()).array(rows, segments),
                "reciprocal": In(ReciprocalWrite).array(rows),
                "o": Out(PlacedValue).array(rows),
                "saturations": Out(range(rows + 1)),
                "beyond": Out(1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        """Place the lanes, then the GELUs."""
        m = Module()
        lanes = [EpilogueLane(segments=self._segments) for _ in range(self._rows)]
        for row, lane in enumerate(lanes):
            place(m, platform, f"epilogue_lane_s{self._segments}", lane, f"lane_{row}")
            m.d.comb += [
                *(inner.eq(own) for inner, own in zip(lane.i, self.i[row], strict=True)),
                lane.reciprocal.eq(self.reciprocal[row]),
                self.o[row].eq(lane.o),
            ]
        for first in range(0, self._rows, self._gelu_rows):
            shared = lanes[first : first + self._gelu_rows]
            unit = EpilogueGelu(rows=len(shared), columns=self._columns)
            place(m, platform, f"epilogue_gelu_r{len(shared)}_c{self._columns}", unit, f"gelu_{first}")
            for number, lane in enumerate(shared):
                m.d.comb += [unit.i[number].eq(lane.gelu_o), lane.gelu_i.eq(unit.o[number])]
        found: Value = Const(0, 1)  # Hops from row to row, as results do.
        for row, lane in enumerate(lanes):
            found = history(m, found | lane.beyond, 1, f"beyond_{row}")
        m.d.comb += self.beyond.eq(found)
        counts: list[Value] = [lane.saturated for lane in lanes]
        level = 0
        while len(counts) > 1:
            pairs = [counts[number : number + 2] for number in range(0, len(counts), 2)]
            counts = [
                register(m, pair[0] + pair[1] if len(pair) == 2 else pair[0], f"saturated_{level}_{number}")
                for number, pair in enumerate(pairs)
            ]
            level += 1
        m.d.comb += self.saturations.eq(counts[0])
        return m
