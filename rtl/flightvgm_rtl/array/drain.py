"""The drain: raw sums of the grid become FP32, each with what its tile, row and column brought along."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from amaranth.hdl import Cat, Module, ResetSignal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from flightvgm_rtl.array.drain_labels import ColumnLabels, Queue
from flightvgm_rtl.array.drain_row import Bounds, DrainRow
from flightvgm_rtl.array.feeder import started
from flightvgm_rtl.array.grid import Result
from flightvgm_rtl.array.ports import drained, tag
from flightvgm_rtl.buffers.bank import COLUMN_LABEL_BITS, ENTRY_BITS, label
from flightvgm_rtl.lib.pipeline import register
from flightvgm_rtl.lib.unit import place


class Drain(wiring.Component):
    """``fp32((sum - row correction - column correction) * unit)`` of each row and column, without back-pressure.

    The unit is that of both operands in FP16, 1 in INT8; there is one rounding, to nearest even. A result leaves
    ``latency`` cycles after it left the grid. Only results of rows below ``tag.rows`` and of columns from ``tag.low``
    to before ``tag.high`` are valid; of these, ``first`` is column ``low`` and ``last`` column ``high - 1``, each in
    the segment where it lies. ``tag.out`` of row r is ``out + r pitch``.

    Parameters
    ----------
    rows, columns, segments : int
        Those of the grid.
    delay : int
        Most cycles from the label of a tile's row or column to its result out of the grid.

    Members
    -------
    i_start : In(started(tag()))
        A tile's tag, before its first result.
    i_rows : In(label(64)).array(rows)
        Entries of a tile; that of row r comes ``r`` cycles after that of row 0, and at least two cycles before its
        first result.
    i_columns : In(label(96)).array(columns)
        The same of the columns, at least four cycles before.
    i_results : In(Result).array(rows, segments)
    o : Out(drained()).array(rows, segments)
    """

    latency = DrainRow.latency

    def __init__(self, *, rows: int, columns: int, segments: int, delay: int) -> None:
        self._rows, self._columns, self._segments = rows, columns, segments
        width = columns // segments
        self._tiles = -(-(delay + self.latency) // width) + 3
        super().__init__(
            {
                "i_start": In(started(tag())),
                "i_rows": In(label(ENTRY_BITS)).array(rows),
                "i_columns": In(label(COLUMN_LABEL_BITS)).array(columns),
                "i_results": In(Result).array(rows, segments),
                "o": Out(drained()).array(rows, segments),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        """Wire rows to each other; the first one to the labels of tiles and columns."""
        m = Module()
        width = self._columns // self._segments
        rows = [DrainRow(columns=width, segments=self._segments, tiles=self._tiles) for _ in range(self._rows)]
        top = rows[0]
        self._tags(m, top)
        for segment in range(self._segments):
            labels = ColumnLabels(columns=width, tiles=self._tiles)
            m.submodules[f"columns_{segment}"] = labels
            m.d.comb += [each.eq(self.i_columns[segment * width + number]) for number, each in enumerate(labels.i)]
            m.d.comb += [
                labels.i_sum.eq(top.o_arrives[segment]),
                labels.i_factors.eq(top.o_leaves[segment]),
                top.i_sums[segment].eq(labels.o_sum),
                top.i_factors[segment].eq(labels.o_factors),
            ]
        name, reset = f"drain_row_c{width}_s{self._segments}_t{self._tiles}", ResetSignal()
        for number, row in enumerate(rows):
            place(m, platform, name, row, f"row_{number}", reset=reset)
            reset = register(m, reset, f"reset_{number}")  # Hops as results do.
            m.d.comb += row.i_label.eq(self.i_rows[number])
            for segment in range(self._segments):
                m.d.comb += [
                    row.i_results[segment].eq(self.i_results[number][segment]),
                    self.o[number][segment].eq(row.o[segment]),
                ]
        for above, below in pairwise(rows):
            m.d.comb += [below.i_bounds.eq(above.o_bounds), below.i_tag.eq(above.o_tag)]
            for segment in range(self._segments):
                m.d.comb += [
                    below.i_sums[segment].eq(above.o_sums[segment]),
                    below.i_factors[segment].eq(above.o_factors[segment]),
                ]
        return m

    def _tags(self, m: Module, top: DrainRow) -> None:
        """Queue tags and bounds of tiles for the first row."""
        came = self.i_start.tag
        bounds = Cat(came.low, came.high, came.rows)
        m.submodules.bounds = bounds_queue = Queue(width=Bounds.size, depth=self._tiles)
        m.submodules.tags = tags = Queue(width=tag().size, depth=self._tiles)
        m.d.comb += [
            bounds_queue.i_put.eq(self.i_start.valid),
            bounds_queue.i.eq(bounds),
            bounds_queue.i_take.eq(top.o_begins),
            top.i_bounds.eq(bounds_queue.o),
            tags.i_put.eq(self.i_start.valid),
            tags.i.eq(Value.cast(came)),
            tags.i_take.eq(top.o_ends),
            top.i_tag.eq(tags.o),
        ]
