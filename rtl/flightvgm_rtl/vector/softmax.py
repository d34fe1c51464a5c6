"""Softmax in powers of two, without its quotient."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from flightvgm_rtl.array.ports import TileKind, drained
from flightvgm_rtl.array.sequencer_dispatch import Item
from flightvgm_rtl.buffers.bank import ProbabilityEntry, probability_write
from flightvgm_rtl.lib.pipeline import delay, register
from flightvgm_rtl.lib.unit import place
from flightvgm_rtl.vector.epilogue import ReciprocalWrite
from flightvgm_rtl.vector.scores import ScoreRow
from flightvgm_rtl.vector.softmax_control import ITEMS, P_SLOTS, SoftmaxControl
from flightvgm_rtl.vector.softmax_lane import VALUES, SoftmaxLane
from flightvgm_rtl.vector.softmax_reciprocal import SoftmaxReciprocal


class Softmax(wiring.Component):
    """Scores to probabilities, bit for bit as :func:`golden.attention.attention`: ``p = fp16(exp2(fp32(s - max s)))``.

    The scores of an item, R rows of one head, wait in one of three slots. When the last one has come, all lanes
    walk their rows, a key a cycle; probabilities go to one of two slots beside the rows of A, with the correction
    of each row; the reciprocal of their sum goes to the epilogue. Rows that have no query give numbers of no
    meaning.

    Parameters
    ----------
    rows, columns, segments : int
        Of the array.
    keys : int
        Most keys.
    lanes : int
        Exponentials a cycle; as many as divide the rows are used.

    Members
    -------
    i : In(drained()) of each row and segment
        Scores; row r comes r cycles after row 0.
    item : In(Item)
        Items as their scores begin.
    scores_free : Out(1)
        Pulse: a slot of scores was read.
    p_ready : Out(1)
        Pulse: the probabilities of an item, and what belongs to them, are there.
    p_free : In(1)
        Pulse: the probabilities of an item are no longer read.
    p, p_entry : Out of each row
        Probabilities and corrections.
    reciprocal : Out(ReciprocalWrite) of each row
        Reciprocals of the sums, in slots that go round with the items.
    """

    def __init__(self, *, rows: int, columns: int, segments: int, keys: int, lanes: int) -> None:
        self._rows, self._columns, self._segments, self._keys = rows, columns, segments, keys
        self._lanes = max(count for count in range(1, min(rows, lanes) + 1) if rows % count == 0)
        words = -(-keys // VALUES)
        super().__init__(
            {
                "i": In(drained()).array(rows, segments),
                "item": In(Item),
                "scores_free": Out(1),
                "p_ready": Out(1),
                "p_free": In(1),
                "p": Out(probability_write(words)).array(rows),
                "p_entry": Out(ProbabilityEntry).array(rows),
                "reciprocal": Out(ReciprocalWrite).array(rows),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        """Place rows and lanes, and wire them to the control."""
        m = Module()
        share = self._rows // self._lanes
        m.submodules.control = control = SoftmaxControl(
            rows=share, lanes=self._lanes, columns=self._columns, segments=self._segments, keys=self._keys
        )
        m.d.comb += [
            control.item.eq(self.item),
            control.p_free.eq(self.p_free),
            self.scores_free.eq(control.scores_free),
            control.scored.eq(self._scored(m)),
        ]
        rows = [ScoreRow(columns=self._columns, segments=self._segments, keys=self._keys) for _ in range(self._rows)]
        lanes = [SoftmaxLane(rows=share) for _ in range(self._lanes)]
        walk = control.o
        for row, unit in enumerate(rows):
            place(m, platform, f"score_row_c{self._columns}_s{self._segments}_k{self._keys}", unit, f"row_{row}")
            m.d.comb += [
                *(inner.eq(own) for inner, own in zip(unit.i, self.i[row], strict=True)),
                unit.enable.eq(walk.key.valid & (walk.row == row % share)),
                unit.segment.eq(walk.segment),
                unit.address.eq(walk.address),
                unit.slot.eq(control.slot),
            ]
        chosen = delay(m, walk.row, ScoreRow.latency - 1, "chosen_row")
        sooner, late = Signal.like(walk), Signal.like(walk)
        m.d.comb += [
            sooner.eq(delay(m, walk, ScoreRow.latency + SoftmaxLane.latency - 1, "walk_sooner")),
            late.eq(register(m, sooner, "walk_late")),
        ]
        for number, lane in enumerate(lanes):
            place(m, platform, f"softmax_lane_r{share}", lane, f"lane_{number}")
            own = rows[number * share : (number + 1) * share]
            m.d.comb += [
                lane.row.eq(chosen),
                lane.key.eq(sooner.key),
                *(inner.eq(unit.o) for inner, unit in zip(lane.score, own, strict=True)),
                *(inner.eq(unit.most) for inner, unit in zip(lane.most, own, strict=True)),
            ]
        self._write(m, lanes, late)
        self._finish(m, lanes, late)
        return m

    def _scored(self, m: Module) -> Signal:
        """The last score of an item has come to row 0, long enough ago for all rows and segments."""
        last = Signal()
        m.d.comb += last.eq(
            Cat(item.valid & item.last & item.tag.last & (item.tag.kind == TileKind.SCORE) for item in self.i[0]).any()
        )
        return delay(m, last, self._rows + self._columns, "scored")

    def _write(self, m: Module, lanes: list[SoftmaxLane], late: Any) -> None:
        """Write words of probabilities."""
        share = self._rows // self._lanes
        word, slot, row = (
            delay(m, value, 1, name) for value, name in ((late.word, "word"), (late.p_slot, "slot"), (late.row, "row"))
        )
        complete = delay(m, late.key.valid & (late.key.last | (late.key.place == VALUES - 1)), 1, "complete")
        for number, port in enumerate(self.p):
            m.d.comb += [
                port.enable.eq(complete & (row == number % share)),
                port.slot.eq(slot),
                port.word.eq(word),
                port.data.eq(lanes[number // share].word),
            ]

    def _finish(self, m: Module, lanes: list[SoftmaxLane], late: Any) -> None:
        """Write corrections of a row of each lane; then reciprocals, one after another."""
        share = self._rows // self._lanes
        layout = data.StructLayout(
            {"row": range(max(2, share)), "row_last": 1, "p_slot": range(P_SLOTS), "item": range(ITEMS)}
        )
        m.submodules.reciprocals = reciprocals = SoftmaxReciprocal(lanes=self._lanes, tag=layout)
        tag = Signal(layout)
        ended = delay(m, late.key.valid & late.key.last, SoftmaxLane.total_latency, "ended")
        m.d.comb += [
            tag.eq(
                delay(m, Cat(late.row, late.row_last, late.p_slot, late.item), SoftmaxLane.total_latency, "ended_tag")
            ),
            reciprocals.start.eq(ended),
            reciprocals.tag.eq(tag),
            *(inner.eq(lane.total) for inner, lane in zip(reciprocals.total, lanes, strict=True)),
            self.p_ready.eq(reciprocals.valid & reciprocals.last & reciprocals.o_tag.row_last),
        ]
        for number in range(self._rows):
            mine = reciprocals.o_tag.row == number % share
            m.d.comb += [
                self.p_entry[number].enable.eq(ended & (tag.row == number % share)),
                self.p_entry[number].slot.eq(tag.p_slot),
                self.p_entry[number].correction.eq(lanes[number // share].correction),
                self.reciprocal[number].valid.eq(reciprocals.valid & (reciprocals.lane == number // share) & mine),
                self.reciprocal[number].slot.eq(reciprocals.o_tag.item),
                self.reciprocal[number].data.eq(reciprocals.o),
            ]
