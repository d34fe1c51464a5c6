"""Results of a row on their way to words of the result buffer."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from flightvgm_rtl.buffers.ports import GRANULES, WORD_BITS
from flightvgm_rtl.lib.fifo import Fifo
from flightvgm_rtl.lib.vector import Vector

_VALUE_BITS = 16
_TAKERS = 2  # Registers that choose the word: one would drive too much.

Placed = data.StructLayout({"valid": 1, "place": range(GRANULES), "push": 1})
"""Where a value goes: its place in a word of the result buffer; ``push`` ends the word, or the row's part of it."""
PlacedValue = data.StructLayout({"placed": Placed, "data": _VALUE_BITS})
"""An FP16 value of a row, and where it goes."""


class CollectorLane(wiring.Component):
    """Join the FP16 values of a row to words.

    A value takes its place in the word; one with ``push`` sends it on. What the word holds at places that no value
    took is old. There is no back-pressure: who sends has reserved places of the FIFO.

    Parameters
    ----------
    places : int
        Words that the FIFO holds; a power of two.

    Members
    -------
    i : In(PlacedValue)
        One value a cycle.
    some : Out(1)
        There is a word that was not taken.
    take : In(1)
        Take it; only with ``some``.
    o : Out(256)
        The word that was taken in the cycle before, zeros in other cycles.
    """

    def __init__(self, *, places: int) -> None:
        self._places = places
        super().__init__({"i": In(PlacedValue), "some": Out(1), "take": In(1), "o": Out(WORD_BITS)})

    def elaborate(self, _platform: Any) -> Module:
        """Keep the word; push it when its last value is in it."""
        m = Module()
        m.submodules.fifo = fifo = Fifo(WORD_BITS, depth=self._places, style="distributed")
        word = Signal(Vector(_VALUE_BITS, GRANULES), reset_less=True)
        place, push = self.i.placed.place, Signal()
        m.d.sync += push.eq(self.i.placed.valid & self.i.placed.push)
        for number in range(GRANULES):
            with m.If(self.i.placed.valid & (place == number)):
                m.d.sync += word[number].eq(self.i.data)
        m.d.comb += [fifo.i.valid.eq(push), fifo.i.p.eq(word)]
        taken = [Signal(name=f"taken_{part}", attrs={"keep": "true"}) for part in range(_TAKERS)]
        parts = [fifo.o.p.word_select(part, WORD_BITS // _TAKERS) for part in range(_TAKERS)]
        m.d.sync += [each.eq(self.take) for each in taken]
        # The count follows a cycle later, so that the decision to take drives little. What is counted is at the FIFO's
        # end a cycle later.
        count, left = Signal(range(self._places + 1)), Signal(range(self._places + 1))
        two = Signal()  # There are at least two words.
        m.d.comb += left.eq(count + push - taken[0])
        m.d.sync += [
            count.eq(left),
            self.some.eq(push | Mux(self.take, two, self.some)),
            two.eq(Mux(self.take, left >= 3, left >= 2)),
        ]
        m.d.comb += [
            fifo.o.ready.eq(taken[0]),
            self.o.eq(Cat(part & each.replicate(len(part)) for part, each in zip(parts, taken, strict=True))),
        ]
        return m
