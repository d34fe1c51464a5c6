"""V by channel: values of a key go to the banks of their channels."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Const, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from flightvgm_arch.formats import KEYS_AT_ONCE
from flightvgm_rtl.dma.load_pieces import GROUP, GROUP_BITS, piece
from flightvgm_rtl.dma.load_places import SLOT_BITS


def values(words: int) -> data.StructLayout:
    """A write of a key's neighbouring channels to the banks from ``slot`` on, at the places that ``strobe`` marks."""
    return data.StructLayout({"data": GROUP_BITS, "strobe": KEYS_AT_ONCE, "slot": SLOT_BITS, "word": range(words)})


class ValueWrites(wiring.Component):
    """Spread groups of a key's channels over the banks of B.

    Channel c goes to bank ``c mod columns`` at word ``word + (c div columns) * key_words`` and place ``key mod
    16``. The first key of a word is written to all of its places, so that none holds what was there before;
    later keys replace it. A transfer takes ``min(8, columns)`` channels, and one leaves in each cycle.

    Parameters
    ----------
    columns : int
        Banks; 2, 4 or a multiple of 8.
    words : int
        Words in a bank of the largest buffer.

    Members
    -------
    key_words : In
        Words of a channel.
    i : In(stream.Signature(piece(words)))
        Groups of rows: ``slot`` is that of the key, and ``place`` its word in the first channel.
    o : Out(stream.Signature(values(words)))
    """

    def __init__(self, *, columns: int, words: int) -> None:
        if columns % GROUP and columns not in (2, 4):
            raise ValueError(f"values cannot be spread over {columns} banks; use 2, 4 or a multiple of {GROUP}")
        self._columns, self._words = columns, words
        super().__init__(
            {
                "key_words": In(range(words)),
                "i": In(stream.Signature(piece(words))),
                "o": Out(stream.Signature(values(words))),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        """Go round the banks with the channels of a row."""
        m = Module()
        taken = min(GROUP, self._columns)  # Channels of a transfer.
        parts = GROUP // taken
        piece_, out = self.i.p, self.o.p
        offset = Signal(range(self._words))
        ends, step = Signal(), Signal()
        m.d.comb += [
            self.o.valid.eq(self.i.valid),
            self.i.ready.eq(self.o.ready & ends),
            step.eq(self.o.valid & self.o.ready),
            out.strobe.eq(Mux(piece_.slot == 0, (1 << KEYS_AT_ONCE) - 1, 1 << piece_.slot[:4])),
            out.word.eq(piece_.place[1:] + offset),
        ]
        round_last = self._round(m, step, step & ends & piece_.row_last, taken)
        with m.If(step & ends & piece_.row_last):
            m.d.sync += offset.eq(0)
        with m.Elif(step & round_last):
            m.d.sync += offset.eq(offset + self.key_words)
        if parts == 1:
            m.d.comb += [ends.eq(1), out.data.eq(piece_.data)]
            return m
        part, chosen = Signal(range(parts)), Signal(GROUP_BITS)
        m.d.comb += out.data.eq(chosen)
        with m.If(step):
            m.d.sync += part.eq(Mux(ends, 0, part + 1))
        with m.Switch(part):
            for number in range(parts):
                following = (number + 1) * taken
                with m.Case(number):
                    m.d.comb += [
                        chosen.eq(piece_.data >> (16 * taken * number)),
                        ends.eq(~piece_.mask[following] if following < GROUP else 1),
                    ]
        return m

    def _round(self, m: Module, step: Signal, restart: Value, taken: int) -> Value:
        """Count banks; gives whether the transfer ends a round of them."""
        if taken == self._columns:
            m.d.comb += self.o.p.slot.eq(0)
            return Const(1)
        bank, last = Signal(SLOT_BITS), Signal()
        m.d.comb += [last.eq(bank == self._columns - taken), self.o.p.slot.eq(bank)]
        with m.If(restart | (step & last)):
            m.d.sync += bank.eq(0)
        with m.Elif(step):
            m.d.sync += bank.eq(bank + taken)
        return last
