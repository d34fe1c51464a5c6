"""Scores of a row of the array, until they become probabilities."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Array, Cat, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from flightvgm_rtl.array.ports import TileKind, drained
from flightvgm_rtl.lib.pipeline import register
from flightvgm_rtl.target.ram import Ram

SLOTS = 3


def segment_words(*, columns: int, segments: int, keys: int) -> int:
    """Scores of a slot that a segment of the array gives: whole tiles of it."""
    return -(-keys // columns) * (columns // segments)


class ScoreRow(wiring.Component):
    """Keep the scores of a row in slots, and the largest of each slot.

    A score goes to the place that the tag's column gives, counted in columns of a segment. The first score of a
    slot, column 0 of the array, makes the slot forget. A score is read ``latency`` cycles after its address, one a
    cycle.

    Parameters
    ----------
    columns, segments : int
        Of the array.
    keys : int
        Most keys.

    Members
    -------
    i : In(drained()) of each segment
        What is not a score is left out.
    enable : In(1)
        Read.
    segment, address : In
        Segment, and place in all of its slots: the slot's number times :func:`segment_words`, and the place in the
        slot.
    o : Out(32)
        The score.
    slot : In(range(3))
    most : Out(32)
        The largest score of the slot, with the other sign; three cycles after it came, or four after the slot was
        named, and one more for each time that the segments can be halved.
    """

    latency = 2

    def __init__(self, *, columns: int, segments: int, keys: int) -> None:
        self._segments = segments
        self._width = columns // segments
        self._words = segment_words(columns=columns, segments=segments, keys=keys)
        super().__init__(
            {
                "i": In(drained()).array(segments),
                "enable": In(1),
                "segment": In(range(max(2, segments))),
                "address": In(range(SLOTS * self._words)),
                "o": Out(32),
                "slot": In(range(SLOTS)),
                "most": Out(32),
            }
        )

    def elaborate(self, _platform: Any) -> Module:
        """A memory for each segment; the largest score of each slot and segment."""
        m = Module()
        rams = []
        begins = [Signal(name=f"begins_{slot}") for slot in range(SLOTS)]  # The first score of a slot.
        largest: list[list[Signal]] = []
        for segment, item in enumerate(self.i):
            m.submodules[f"segment_{segment}"] = ram = Ram(width=32, depth=max(2, SLOTS * self._words))
            rams.append(ram)
            score = Signal(32, name=f"score_{segment}", reset_less=True)
            place = Signal(range(SLOTS * self._words), name=f"place_{segment}", reset_less=True)
            slot = Signal(range(SLOTS), name=f"slot_{segment}", reset_less=True)
            valid = Signal(name=f"valid_{segment}")
            base = Array(number * self._words for number in range(SLOTS))[item.tag.slot]
            counts = item.valid & (item.tag.kind == TileKind.SCORE)
            m.d.sync += valid.eq(counts)
            with m.If(counts):
                m.d.sync += [
                    score.eq(item.data),
                    slot.eq(item.tag.slot),
                    place.eq(base + item.tag.column + item.column - segment * self._width),
                ]
            if segment == 0:
                first = register(m, (item.tag.column == 0) & (item.column == 0), "first")
                m.d.comb += [begins[number].eq(valid & first & (slot == number)) for number in range(SLOTS)]
            m.d.comb += [
                ram.write_enable.eq(valid),
                ram.write_address.eq(place),
                ram.write_data.eq(score),
                ram.read_enable.eq(self.enable & (self.segment == segment)),
                ram.read_address.eq(self.address),
            ]
            largest.append(self._largest(m, segment, valid, score, slot, begins))
        m.d.comb += self.most.eq(self._most(m, largest))
        chosen = register(m, self.segment, "chosen")
        m.d.comb += self.o.eq(register(m, Array(ram.read_data for ram in rams)[chosen], "read"))
        return m

    @staticmethod
    def _largest(
        m: Module, segment: int, valid: Signal, score: Signal, slot: Signal, begins: list[Signal]
    ) -> list[Signal]:
        """Largest score of a segment in each slot, as a number that orders as scores do; zero is below all."""
        order = Signal(32, name=f"order_{segment}")
        m.d.comb += order.eq(Mux(score[31], ~score, Cat(score[:31], 1)))
        found = [Signal(32, name=f"largest_{segment}_{number}", reset_less=True) for number in range(SLOTS)]
        more = Signal(name=f"more_{segment}")
        m.d.comb += more.eq(order > Array(found)[slot])
        for number, kept in enumerate(found):
            with m.If(begins[number]):
                m.d.sync += kept.eq(order if segment == 0 else 0)
            with m.Elif(valid & (slot == number) & more):
                m.d.sync += kept.eq(order)
        return found

    def _most(self, m: Module, largest: list[list[Signal]]) -> Value:
        """Largest score of the named slot, negated."""
        # A register of this row: one of all would drive too much.
        named = Signal.like(self.slot, reset_less=True, attrs={"keep": "true"})
        m.d.sync += named.eq(self.slot)
        orders: list[Value] = [
            register(m, Array(found)[named], f"of_slot_{segment}") for segment, found in enumerate(largest)
        ]
        while len(orders) > 1:
            pairs = [orders[number : number + 2] for number in range(0, len(orders), 2)]
            orders = [
                register(m, Mux(pair[0] > pair[-1], pair[0], pair[-1]), f"pair_{len(orders)}_{number}")
                for number, pair in enumerate(pairs)
            ]
        order = orders[0]
        return register(m, Mux(order[31], Cat(order[:31], 1), ~order & 0x7FFF_FFFF), "most_negated")
