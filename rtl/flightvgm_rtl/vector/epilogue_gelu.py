"""One GELU for some rows."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Const, Module, Mux, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from flightvgm_rtl.buffers.collector_lane import Placed
from flightvgm_rtl.lib.fifo import Fifo
from flightvgm_rtl.lib.pipeline import delay, register
from flightvgm_rtl.vector.epilogue import PlacedWord
from flightvgm_rtl.vector.fp.gelu import Gelu

_MARGIN = 8  # Values that arrive before the first one has left.
_FEWEST = 4


class EpilogueGelu(wiring.Component):
    """GELU of the values of some rows, one a cycle in all; the values of a row keep their order.

    A row sends at most ``columns`` values of a tile, and tiles follow each other no faster than every ``rows
    columns`` cycles, so that the FIFOs do not overflow. The first row that has a value goes first.

    Parameters
    ----------
    rows : int
        Rows that share it.
    columns : int
        Columns of the array.

    Members
    -------
    i : In(PlacedWord) of each row
    o : Out(PlacedWord) of each row
    """

    def __init__(self, *, rows: int, columns: int) -> None:
        self._rows, self._columns = rows, columns
        super().__init__({"i": In(PlacedWord).array(rows), "o": Out(PlacedWord).array(rows)})

    def elaborate(self, _platform: Any) -> Module:
        """Choose a row, compute, hand back."""
        m = Module()
        m.submodules.gelu = gelu = Gelu()
        layout = data.StructLayout({"placed": Placed, "data": 32})
        depth = max(_FEWEST, 1 << (self._columns + _MARGIN - 1).bit_length())
        before: Value = Const(0, 1)
        grants = []
        fifos = []
        for row in range(self._rows):
            m.submodules[f"row_{row}"] = fifo = Fifo(layout, depth=depth, style="distributed")
            fifos.append(fifo)
            grant = Signal(name=f"grant_{row}")
            m.d.comb += [
                fifo.i.valid.eq(self.i[row].placed.valid),
                fifo.i.p.eq(self.i[row]),
                fifo.o.ready.eq(~before),
                grant.eq(fifo.o.valid & ~before),
            ]
            grants.append(grant)
            before = before | fifo.o.valid
        item = Signal(layout)
        for grant, fifo in zip(grants, fifos, strict=True):
            with m.If(grant):
                m.d.comb += item.eq(fifo.o.p)
        m.d.comb += gelu.i.eq(register(m, item.data, "value"))
        placed = Signal(Placed)
        m.d.comb += placed.eq(delay(m, item.placed, Gelu.latency + 1, "placed_late"))
        for row, grant in enumerate(grants):
            own = delay(m, grant, Gelu.latency + 1, f"grant_late_{row}")
            m.d.comb += [
                self.o[row].placed.eq(placed),
                self.o[row].placed.valid.eq(own),
                self.o[row].data.eq(Mux(own, gelu.o, 0)),
            ]
        return m
