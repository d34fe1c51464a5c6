"""Channels of V come back from B, to be prepared when all of their keys are there."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from flightvgm_rtl.buffers.ports import WORD_BITS, BackPort
from flightvgm_rtl.dma.load_pieces import GROUP, GROUP_BITS, ROW_BITS
from flightvgm_rtl.dma.load_places import SLOT_BITS
from flightvgm_rtl.dma.ports import COUNT_BITS
from flightvgm_rtl.lib.fifo import Fifo
from flightvgm_rtl.lib.pipeline import register
from flightvgm_rtl.vector.heads_store import group

_WORDS = 16  # Words on their way.


def where(words: int) -> data.StructLayout:
    """Where a head begins: its bank and word."""
    return data.StructLayout({"slot": SLOT_BITS, "word": range(words)})


class ChannelBack(wiring.Component):
    """Read the channels of a problem of V, one after another, as heads of ``keys`` values.

    Channel c lies in bank ``c mod columns`` from word ``word + (c div columns) * key_words`` on, 16 keys in
    each. A word gives one or two groups, one a cycle. Begins at ``start``, and is ``busy`` until the last group
    was taken.

    Parameters
    ----------
    columns, b_words : int
        Banks of B, and words in each.
    words : int
        Words in a bank of the largest buffer.

    Members
    -------
    start : In(1)
    word, key_words, keys, channels : In
        Still while it is busy; ``keys`` from three cycles before ``start`` on.
    back : Out(BackPort(columns, b_words))
    o : Out(stream.Signature(group(where(words))))
    busy : Out(1)
    """

    def __init__(self, *, columns: int, b_words: int, words: int) -> None:
        self._columns, self._words = columns, words
        super().__init__(
            {
                "start": In(1),
                "word": In(range(words)),
                "key_words": In(range(words)),
                "keys": In(COUNT_BITS),
                "channels": In(ROW_BITS),
                "back": Out(BackPort(columns, b_words)),
                "o": Out(stream.Signature(group(where(words)))),
                "busy": Out(1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        """Ask for words while there is room, and cut what comes."""
        m = Module()
        m.submodules.fifo = fifo = Fifo(WORD_BITS, depth=_WORDS, style="distributed")
        m.d.comb += [fifo.i.valid.eq(self.back.valid), fifo.i.p.eq(self.back.data)]
        credits_ = Signal(range(_WORDS + 1), init=_WORDS)
        asked, freed = Signal(), Signal()
        m.d.comb += [
            asked.eq(self.back.request.valid & self.back.request.ready),
            freed.eq(fifo.o.valid & fifo.o.ready),
        ]
        m.d.sync += credits_.eq(credits_ - asked + freed)
        self._ask(m, asked, credits_)
        self._give(m, fifo)
        return m

    def _ask(self, m: Module, asked: Signal, credits_: Signal) -> None:
        """Words of all channels."""
        left, number = Signal(ROW_BITS), Signal(range(self._words))
        channel_last = Signal()
        m.d.comb += [
            channel_last.eq(number == self.key_words - 1),
            self.back.request.valid.eq((left != 0) & (credits_ != 0)),
        ]
        here = self._channel(m, asked & channel_last, "ask")
        m.d.comb += [
            self.back.request.p.bank.eq(here.slot),
            self.back.request.p.word.eq(here.word + number),
        ]
        with m.If(self.start):
            m.d.sync += [left.eq(self.channels), number.eq(0)]
        with m.Elif(asked):
            m.d.sync += [left.eq(left - channel_last), number.eq(Mux(channel_last, 0, number + 1))]

    def _give(self, m: Module, fifo: Fifo) -> None:
        """Groups of the words that came, with the keys that count."""
        behind, channels = Signal(COUNT_BITS - 3, reset_less=True), Signal(ROW_BITS)  # Groups of this channel.
        half, begun, last, step = Signal(), Signal(), Signal(), Signal()
        further = register(m, (self.keys - 1)[3:COUNT_BITS], "further_groups")
        single = register(m, further == 0, "single_group")
        tail = register(m, Cat((self.keys[:3] == 0) | (self.keys[:3] > lane) for lane in range(GROUP)), "tail")
        here = self._channel(m, step & last, "give")
        m.d.comb += [
            self.busy.eq(channels != 0),
            step.eq(self.o.valid & self.o.ready),
            self.o.valid.eq(fifo.o.valid),
            fifo.o.ready.eq(self.o.ready & (half | last)),
            self.o.p.values.eq(Mux(half, fifo.o.p[GROUP_BITS:], fifo.o.p[:GROUP_BITS])),
            self.o.p.mask.eq(Mux(last, tail, (1 << GROUP) - 1)),
            self.o.p.first.eq(~begun),
            self.o.p.last.eq(last),
            self.o.p.tag.eq(here),
        ]
        with m.If(self.start):
            m.d.sync += [channels.eq(self.channels), half.eq(0), begun.eq(0)]
            m.d.sync += [behind.eq(further), last.eq(single)]
        with m.Elif(step):
            m.d.sync += [
                behind.eq(Mux(last, further, behind - 1)),
                last.eq(Mux(last, single, behind == 1)),
                channels.eq(channels - last),
                half.eq(~half & ~last),
                begun.eq(~last),
            ]

    def _channel(self, m: Module, forward: Any, name: str) -> Any:
        """Where the channel lies that ``forward`` leaves for the next one."""
        here = Signal(where(self._words), name=f"{name}_place", reset_less=True)
        with m.If(self.start):
            m.d.sync += [here.slot.eq(0), here.word.eq(self.word)]
        with m.Elif(forward):
            with m.If(here.slot == self._columns - 1):
                m.d.sync += [here.slot.eq(0), here.word.eq(here.word + self.key_words)]
            with m.Else():
                m.d.sync += here.slot.eq(here.slot + 1)
        return here
