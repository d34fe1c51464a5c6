"""Results of a row, one after another."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Array, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from flightvgm_rtl.array.ports import TileKind, drained
from flightvgm_rtl.lib.fifo import Fifo

_FEWEST = 4


class EpilogueMerge(wiring.Component):
    """Put the results of the segments of a row into the order of their columns, one a cycle; scores are left out.

    The segments of a tile come at once, in ``columns / segments`` cycles, and leave in ``columns`` cycles: tiles that are not scores follow
    each other no faster than that. A single segment passes in a cycle.

    Parameters
    ----------
    columns, segments : int
        Of the array.

    Members
    -------
    i : In(drained()) of each segment
    o : Out(drained())
    """

    def __init__(self, *, columns: int, segments: int) -> None:
        self._share, self._segments = columns // segments, segments
        super().__init__({"i": In(drained()).array(segments), "o": Out(drained())})

    def elaborate(self, _platform: Any) -> Module:
        """Keep segments until those before them have left."""
        m = Module()
        if self._segments == 1:
            item = Signal(drained(), reset_less=True)
            valid = Signal()
            m.d.sync += [item.eq(self.i[0]), valid.eq(self.i[0].valid & (self.i[0].tag.kind != TileKind.SCORE))]
            m.d.comb += [self.o.eq(item), self.o.valid.eq(valid)]
            return m
        depth = max(_FEWEST, 1 << (2 * self._share - 1).bit_length())
        segment = Signal(range(self._segments))
        count = Signal(range(self._share))
        fifos = []
        for number, item in enumerate(self.i):
            m.submodules[f"segment_{number}"] = fifo = Fifo(drained(), depth=depth, style="distributed")
            fifos.append(fifo)
            m.d.comb += [
                fifo.i.valid.eq(item.valid & (item.tag.kind != TileKind.SCORE)),
                fifo.i.p.eq(item),
                fifo.o.ready.eq(segment == number),
            ]
        m.d.comb += [
            self.o.eq(Array(fifo.o.p for fifo in fifos)[segment]),
            self.o.valid.eq(Array(fifo.o.valid for fifo in fifos)[segment]),
        ]
        with m.If(self.o.valid):
            m.d.sync += count.eq(count + 1)
            with m.If(count == self._share - 1):
                m.d.sync += count.eq(0)
                m.d.sync += segment.eq(segment + 1)
                with m.If(segment == self._segments - 1):
                    m.d.sync += segment.eq(0)
        return m
