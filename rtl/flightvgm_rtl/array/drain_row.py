"""A row of the drain: its lanes, and the labels that pass through it on their way down."""

from __future__ import annotations

from typing import Any, NamedTuple

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from flightvgm_rtl.array.drain_labels import Factors, Queue, Sum, decode
from flightvgm_rtl.array.drain_lane import DrainLane
from flightvgm_rtl.array.grid import Result
from flightvgm_rtl.array.ports import drained, tag
from flightvgm_rtl.buffers.bank import CORRECTION_BITS, ENTRY_BITS, EXPONENT_BITS, label

COLUMN_BITS = 6
Bounds = data.StructLayout({"low": 7, "high": 7, "rows": 7})
"""Columns that count, and how many rows from this one on count."""


class Labels(NamedTuple):
    """Labels of the tile that is in a segment: the upper two as it arrives, the others as it leaves."""

    row: Any
    bounds: Any
    scale: Any
    tag: Any


class Steps(NamedTuple):
    """Where the columns of a segment are: ``came`` is the column that came last, ``left`` the one that leaves now."""

    present: Signal
    begins: Signal
    ends: Signal
    came: Signal
    left: Signal


class DrainRow(wiring.Component):
    """Results of one row of the grid, as FP32, ``latency`` cycles after they left the grid.

    What concerns a tile (``bounds``, ``tag``) or a column (``sums``, ``factors``) comes from the row above, one cycle
    earlier than this row needs it there, and goes to the row below a cycle later, the tag with ``out + pitch`` and the
    bounds with one row less. ``bounds`` and ``sums`` must be there one cycle after the results that they belong to,
    ``tag`` and ``factors`` ``latency`` cycles after; the row above sees to that, and for the first row ``o_begins``,
    ``o_arrives``, ``o_ends`` and ``o_leaves`` say when to fetch them: a cycle before they are needed.

    ``latency = DrainLane.latency + 1``

    Parameters
    ----------
    columns : int
        Columns of a segment; the last feeds of two tiles are at least as many cycles apart.
    segments : int
        Lanes.
    tiles : int
        Tiles under way at most.

    Members
    -------
    i_label : In(label(64))
        The row's entry of a tile.
    i_results : In(Result).array(segments)
    i_bounds, o_bounds : Bounds
    i_sums, o_sums : array of Sum
    i_tag, o_tag : tag()
    i_factors, o_factors : array of Factors
    o_begins, o_ends : Out(1)
        Column 0 of a tile arrives now, leaves in the next cycle.
    o_arrives, o_leaves : Out(segments)
        The same for any column of each segment, whether it counts or not.
    o : Out(drained()).array(segments)
    """

    latency = DrainLane.latency + 1

    def __init__(self, *, columns: int, segments: int, tiles: int) -> None:
        self._columns, self._segments, self._tiles = columns, segments, tiles
        super().__init__(
            {
                "i_label": In(label(ENTRY_BITS)),
                "i_results": In(Result).array(segments),
                "i_bounds": In(Bounds),
                "o_bounds": Out(Bounds),
                "i_sums": In(Sum).array(segments),
                "o_sums": Out(Sum).array(segments),
                "i_tag": In(tag()),
                "o_tag": Out(tag()),
                "i_factors": In(Factors).array(segments),
                "o_factors": Out(Factors).array(segments),
                "o_begins": Out(1),
                "o_ends": Out(1),
                "o_arrives": Out(segments),
                "o_leaves": Out(segments),
                "o": Out(drained()).array(segments),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        """Count columns as they arrive and leave; keep the row's labels for both times."""
        m = Module()
        m.submodules.sums = sums = Queue(width=CORRECTION_BITS + EXPONENT_BITS, depth=self._tiles)
        m.submodules.scales = scales = Queue(width=32, depth=self._tiles)
        m.d.comb += [
            sums.i_put.eq(self.i_label.valid),
            sums.i.eq(decode(self.i_label.mode, self.i_label.data, self.i_label.data[32:64])),
            sums.i_take.eq(self.o_begins),
            scales.i_put.eq(self.i_label.valid),
            scales.i.eq(self.i_label.data),
            scales.i_take.eq(self.o_ends),
        ]
        steps = [self._steps(m, segment) for segment in range(self._segments)]
        row = Signal(Sum)
        m.d.comb += row.eq(sums.o)
        labels = Labels(row, self.i_bounds, scales.o, self.i_tag)
        for segment, step in enumerate(steps):
            if segment:
                labels = self._onwards(m, segment, step, labels)
            self._lane(m, segment, step, labels)
        self._down(m, steps[0])
        m.d.comb += [self.o_begins.eq(steps[0].begins), self.o_ends.eq(steps[0].ends)]
        return m

    def _steps(self, m: Module, segment: int) -> Steps:
        """Count the columns that arrive and those that leave."""
        arrives, begins, ends = (Signal(name=f"{what}_{segment}") for what in ("arrives", "begins", "ends"))
        present = Signal(self.latency, name=f"present_{segment}")  # Bit k: a column arrived k + 1 cycles ago.
        m.d.comb += [
            arrives.eq(self.i_results[segment].valid),
            self.o_arrives[segment].eq(arrives),
            self.o_leaves[segment].eq(present[-2]),
        ]
        m.d.sync += present.eq(Cat(arrives, present[:-1]))
        columns = []
        for what, moves, starts in (("came", arrives, begins), ("left", present[-2], ends)):
            number = Signal(range(max(2, self._columns)), name=f"number_{what}_{segment}")
            column = Signal(COLUMN_BITS, name=f"column_{what}_{segment}", reset_less=True)
            m.d.comb += starts.eq(moves & (number == 0))
            with m.If(moves):
                m.d.sync += [
                    number.eq(Mux(number == self._columns - 1, 0, number + 1)),
                    column.eq(number + segment * self._columns),
                ]
            columns.append(column)
        return Steps(present, begins, ends, *columns)

    def _lane(self, m: Module, segment: int, step: Steps, labels: Labels) -> None:
        """Place a lane: results that count enter it, and leave with what the epilogue needs."""
        m.submodules[f"lane_{segment}"] = lane = DrainLane()
        result, out = self.i_results[segment], self.o[segment]
        held = Signal(Result, name=f"result_{segment}", reset_less=True)
        first, last = (Signal(self.latency, name=f"{what}_{segment}", reset_less=True) for what in ("first", "last"))
        with m.If(result.valid):
            m.d.sync += held.eq(result)
        bounds, columns = labels.bounds, self.i_sums[segment]
        came, counts = step.came, Signal(name=f"counts_{segment}")
        m.d.comb += counts.eq(step.present[0] & (bounds.rows != 0) & (came >= bounds.low) & (came < bounds.high))
        m.d.sync += [
            first.eq(Cat(came == bounds.low, first[:-1])),
            last.eq(Cat(came + 1 == bounds.high, last[:-1])),
        ]
        m.d.comb += [
            lane.i_valid.eq(counts),
            lane.i_mode.eq(held.mode),
            lane.i.eq(held.data),
            lane.i_row.eq(labels.row.correction),
            lane.i_column.eq(columns.correction),
            lane.i_scale.eq(labels.row.exponent + columns.exponent),
            out.valid.eq(lane.o_valid),
            out.data.eq(lane.o),
            out.column.eq(step.left),
            out.first.eq(first[-2]),
            out.last.eq(last[-2]),
            out.row_scale.eq(labels.scale),
            out.column_scale.eq(self.i_factors[segment].scale),
            out.bias.eq(self.i_factors[segment].bias),
            out.tag.eq(labels.tag),
        ]

    def _onwards(self, m: Module, segment: int, step: Steps, before: Labels) -> Labels:
        """Take the labels over from the segment before, when a tile arrives in this one and when it leaves."""
        row, bounds = (
            Signal(shape, name=f"{name}_{segment}", reset_less=True)
            for name, shape in (("row", Sum), ("bounds", Bounds))
        )
        scale, shown = (
            Signal(32, name=f"scale_{segment}", reset_less=True),
            Signal(tag(), name=f"tag_{segment}", reset_less=True),
        )
        with m.If(step.begins):
            m.d.sync += [row.eq(before.row), bounds.eq(before.bounds)]
        with m.If(step.ends):
            m.d.sync += [scale.eq(before.scale), shown.eq(before.tag)]
        return Labels(row, bounds, scale, shown)

    def _down(self, m: Module, step: Steps) -> None:
        """Pass to the row below what came from above."""
        bounds, shown = Signal(Bounds, reset_less=True), Signal(tag(), reset_less=True)
        begun, ended = Signal(), Signal()
        m.d.sync += [begun.eq(step.begins), ended.eq(step.ends)]
        with m.If(begun):
            m.d.sync += [
                bounds.eq(self.i_bounds),
                bounds.rows.eq(Mux(self.i_bounds.rows == 0, 0, self.i_bounds.rows - 1)),
            ]
        with m.If(ended):
            m.d.sync += [shown.eq(self.i_tag), shown.out.eq(self.i_tag.out + self.i_tag.pitch)]
        m.d.comb += [self.o_bounds.eq(bounds), self.o_tag.eq(shown)]
        for segment in range(self._segments):
            arrived, gone = Signal(name=f"arrived_{segment}"), Signal(name=f"gone_{segment}")
            sums = Signal(Sum, name=f"sums_{segment}", reset_less=True)
            factors = Signal(Factors, name=f"factors_{segment}", reset_less=True)
            m.d.sync += [arrived.eq(self.o_arrives[segment]), gone.eq(self.o_leaves[segment])]
            with m.If(arrived):
                m.d.sync += sums.eq(self.i_sums[segment])
            with m.If(gone):
                m.d.sync += factors.eq(self.i_factors[segment])
            m.d.comb += [self.o_sums[segment].eq(sums), self.o_factors[segment].eq(factors)]
