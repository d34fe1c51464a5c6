"""Results of a row on their way to words of the result buffer."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from flightvgm_rtl.buffers.ports import GRANULES, WORD_BITS
from flightvgm_rtl.lib.fifo import Fifo
from flightvgm_rtl.lib.vector import Vector

_VALUE_BITS = 16

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
    o : Out(stream.Signature(256))
        Words, in order.
    """

    def __init__(self, *, places: int) -> None:
        self._places = places
        super().__init__({"i": In(PlacedValue), "o": Out(stream.Signature(WORD_BITS))})

    def elaborate(self, _platform: Any) -> Module:
        """Keep the word; push it with its last value."""
        m = Module()
        m.submodules.fifo = fifo = Fifo(WORD_BITS, depth=self._places, style="distributed")
        word = Signal(Vector(_VALUE_BITS, GRANULES), reset_less=True)
        entered = Signal(Vector(_VALUE_BITS, GRANULES))
        place = self.i.placed.place
        m.d.comb += entered.as_value().eq(
            Cat(Mux(place == number, self.i.data, word[number]) for number in range(GRANULES))
        )
        for number in range(GRANULES):  # An enable for each value: one for all would drive the whole word.
            with m.If(self.i.placed.valid & (place == number)):
                m.d.sync += word[number].eq(self.i.data)
        m.d.comb += [
            fifo.i.valid.eq(self.i.placed.valid & self.i.placed.push),
            fifo.i.p.eq(entered),
        ]
        wiring.connect(m, fifo.o, wiring.flipped(self.o))
        return m
