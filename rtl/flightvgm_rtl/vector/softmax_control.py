"""The order in which scores become probabilities."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Array, Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from flightvgm_rtl.array.sequencer_dispatch import Item
from flightvgm_rtl.array.sequencer_ports import KEY_BITS
from flightvgm_rtl.lib.fifo import Fifo
from flightvgm_rtl.lib.pipeline import register
from flightvgm_rtl.vector.scores import SLOTS, segment_words
from flightvgm_rtl.vector.softmax_lane import VALUES, Key

P_SLOTS = 2
ITEMS = 4
_SETTLE = 5  # Cycles until the largest scores of a slot are known.


def score_walk(rows: int, segments: int, words: int, p_words: int) -> data.StructLayout:
    """A score to read, the same in all lanes: its row among those of a lane, and where its probability goes."""
    return data.StructLayout(
        {
            "key": Key,
            "row": range(max(2, rows)),
            "row_last": 1,
            "segment": range(max(2, segments)),
            "address": range(SLOTS * words),
            "word": range(max(2, p_words)),
            "slot": range(SLOTS),
            "p_slot": range(P_SLOTS),
            "item": range(ITEMS),
        }
    )


class SoftmaxControl(wiring.Component):
    """Walk the scores of complete items, a key a cycle in all lanes, row after row of a lane.

    An item begins when its scores are there and a slot of probabilities is free. The last keys of two rows are
    ``lanes`` cycles apart, the time in which the sums of all lanes are taken.

    Parameters
    ----------
    rows : int
        Rows of a lane.
    lanes : int
        Lanes.
    columns, segments : int
        Of the array.
    keys : int
        Most keys.

    Members
    -------
    item : In(Item)
        Items in order, as their scores begin; three at most are under way.
    scored : In(1)
        Pulse: the scores of the oldest item that was not scored are there.
    p_free : In(1)
        Pulse: a slot of probabilities is no longer read.
    o : Out(score_walk(...))
        A score in each cycle with ``key.valid``.
    slot : Out(range(3))
        The slot of the item.
    scores_free : Out(1)
        Pulse: the last score of an item is read.
    """

    def __init__(self, *, rows: int, lanes: int, columns: int, segments: int, keys: int) -> None:
        self._rows, self._lanes = rows, lanes
        self._segments, self._width = segments, columns // segments
        self._words = segment_words(columns=columns, segments=segments, keys=keys)
        self._walk = score_walk(rows, segments, self._words, -(-keys // VALUES))
        super().__init__(
            {
                "item": In(Item),
                "scored": In(1),
                "p_free": In(1),
                "o": Out(self._walk),
                "slot": Out(range(SLOTS)),
                "scores_free": Out(1),
            }
        )

    def elaborate(self, _platform: Any) -> Module:
        """Wait for an item, settle, walk."""
        m = Module()
        m.submodules.items = items = Fifo(KEY_BITS, depth=4, style="distributed")
        scored, free = Signal(range(SLOTS + 1)), Signal(range(P_SLOTS + 1), init=P_SLOTS)
        begin, ahead, step, final = Signal(), Signal(), Signal(), Signal()
        item, slot, settle = Signal(range(ITEMS)), Signal(range(SLOTS)), Signal(range(_SETTLE + 1))
        m.d.comb += [
            items.i.valid.eq(self.item.valid),
            items.i.p.eq(self.item.keys),
            self.scores_free.eq(final),
        ]
        m.d.sync += [scored.eq(scored + self.scored - begin), free.eq(free + self.p_free - begin)]
        with m.FSM():
            with m.State("WAIT"):
                m.d.sync += settle.eq(0)
                with m.If((scored != 0) & (free != 0) & items.o.valid):
                    m.d.comb += begin.eq(1)
                    m.d.sync += self.slot.eq(slot)  # Not before: the largest scores of the last item were still used.
                    m.next = "SETTLE"
            with m.State("SETTLE"):
                m.d.comb += ahead.eq(1)
                m.d.sync += settle.eq(settle + 1)
                with m.If(settle == _SETTLE):
                    m.next = "WALK"
            with m.State("WALK"):
                m.d.comb += step.eq(1)
                with m.If(final):
                    m.d.comb += items.o.ready.eq(1)
                    m.d.sync += [item.eq(item + 1), slot.eq(Mux(slot == SLOTS - 1, 0, slot + 1))]
                    m.next = "WAIT"
        self._keys(m, items.o.p, item, ahead, step, final)
        return m

    def _keys(self, m: Module, keys: Any, item: Signal, ahead: Signal, step: Signal, final: Signal) -> None:
        """Count keys, rows, and the places of scores and probabilities."""
        left = Signal(KEY_BITS, reset_less=True)  # Keys behind this one.
        others, only = register(m, keys - 1, "others"), register(m, keys == 1, "only")
        row, place, word = Signal.like(self.o.row), Signal(range(VALUES)), Signal.like(self.o.word)
        segment, column, tile = (
            Signal.like(self.o.segment),
            Signal(range(self._width + 1)),
            Signal(range(self._words + 1)),
        )
        apart = Signal(range(self._lanes + 2))
        first, last, go = Signal(init=1), Signal(reset_less=True), Signal()
        m.d.comb += [
            go.eq(step & ~(last & (apart != 0))),
            final.eq(go & last & (row == self._rows - 1)),
        ]
        with m.If(apart != 0):
            m.d.sync += apart.eq(apart - 1)
        with m.If(ahead | go & last):
            m.d.sync += [left.eq(others), last.eq(only)]
        with m.Elif(go):
            m.d.sync += [left.eq(left - 1), last.eq(left == 1)]
        base = Array(number * self._words for number in range(SLOTS))[self.slot]
        m.d.sync += self.o.key.valid.eq(go)
        with m.If(go):
            m.d.sync += [
                self.o.key.first.eq(first),
                self.o.key.last.eq(last),
                self.o.key.place.eq(place),
                self.o.row.eq(row),
                self.o.row_last.eq(row == self._rows - 1),
                self.o.segment.eq(segment),
                self.o.address.eq(base + tile + column),
                self.o.word.eq(word),
                self.o.slot.eq(self.slot),
                self.o.p_slot.eq(item[0]),
                self.o.item.eq(item),
            ]
            m.d.sync += [first.eq(last), place.eq(place + 1)]
            with m.If(place == VALUES - 1):
                m.d.sync += word.eq(word + 1)
            m.d.sync += column.eq(column + 1)
            with m.If(column == self._width - 1):
                m.d.sync += [column.eq(0), segment.eq(segment + 1)]
                with m.If(segment == self._segments - 1):
                    m.d.sync += [segment.eq(0), tile.eq(tile + self._width)]
            with m.If(last):
                m.d.sync += [
                    *(count.eq(0) for count in (place, word, segment, column, tile)),
                    row.eq(Mux(row == self._rows - 1, 0, row + 1)),
                    apart.eq(self._lanes + 1),
                ]
