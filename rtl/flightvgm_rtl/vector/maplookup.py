"""Numbers of kept rows, looked up in a map."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Const, Module, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from flightvgm_rtl.dma.ports import ADDRESS_BITS, ReadPort
from flightvgm_rtl.lib.fifo import Fifo
from flightvgm_rtl.sparsifier.ports import TOKEN_BITS
from flightvgm_rtl.vector.rowlocate import LINE_BITS, NUMBER_BITS

_WORDS = 8  # Words of a beat.
_AHEAD = 16  # Lookups under way.
_BEAT_BITS = TOKEN_BITS - 3

_Pending = data.StructLayout({"beat": _BEAT_BITS, "word": 3, "fresh": 1})


class MapLookup(wiring.Component):
    """The 32-bit word ``4 token`` bytes behind ``base``, for each token; one a cycle.

    Tokens in a row whose words lie in one beat share a read. 16 lookups may be under way.

    Members
    -------
    base : In(35)
        Beat of word 0; it must stay as it is while a token is inside.
    begin : In(1)
        Pulse, while no token is inside: what was read before is not used any more.
    stop : In(1)
        No read begins.
    i : In(stream.Signature(24))
        Tokens.
    o : Out(stream.Signature(32))
        Their words.
    read : Out(ReadPort())
    error : Out(2)
        How a read failed: a :class:`flightvgm_rtl.dma.ports.Answer`, for a cycle or longer.
    address : Out(40)
        Of the read that failed.
    """

    def __init__(self) -> None:
        super().__init__(
            {
                "base": In(LINE_BITS),
                "begin": In(1),
                "stop": In(1),
                "i": In(stream.Signature(TOKEN_BITS)),
                "o": Out(stream.Signature(NUMBER_BITS)),
                "read": Out(ReadPort()),
                "error": Out(2),
                "address": Out(ADDRESS_BITS),
            }
        )

    def elaborate(self, _platform: Any) -> Module:
        """Ask where a beat is not the one before; pick words of the beats that come."""
        m = Module()
        m.submodules.pending = pending = Fifo(_Pending, depth=_AHEAD, style="distributed")
        self._ask(m, pending)
        self._pick(m, pending)
        return m

    def _ask(self, m: Module, pending: Fifo) -> None:
        waiting = Signal()  # A token is in the register, and asks.
        token = Signal(TOKEN_BITS, reset_less=True)
        asked, last_beat = Signal(), Signal(_BEAT_BITS, reset_less=True)
        beat, fresh, sent = Signal(_BEAT_BITS), Signal(), Signal()
        line = Signal(LINE_BITS)
        known = Signal()
        m.d.comb += [
            beat.eq(token[3:]),
            line.eq(self.base + beat),
            known.eq(asked & (beat == last_beat)),
            fresh.eq(~known),
            pending.i.p.beat.eq(beat),
            pending.i.p.word.eq(token[:3]),
            pending.i.p.fresh.eq(fresh),
            self.read.request.valid.eq(waiting & fresh & pending.i.ready & ~self.stop),
            self.read.request.p.address.eq(Cat(Const(0, ADDRESS_BITS - LINE_BITS), line)),
            self.read.request.p.beats.eq(1),
            pending.i.valid.eq(waiting & (~fresh | self.read.request.ready & ~self.stop)),
            sent.eq(pending.i.valid & pending.i.ready),
            self.i.ready.eq(~waiting | sent),
        ]
        m.d.sync += waiting.eq(self.i.valid | waiting & ~sent)
        with m.If(self.i.ready):
            m.d.sync += token.eq(self.i.payload)
        with m.If(sent):
            m.d.sync += [asked.eq(1), last_beat.eq(beat)]
        with m.If(self.begin):
            m.d.sync += asked.eq(0)

    def _pick(self, m: Module, pending: Fifo) -> None:
        beat = Signal(32 * _WORDS, reset_less=True)
        have = Signal()  # The beat of the oldest lookup is in the register.
        read, p = self.read.beat, pending.o.p
        wanted, move = Signal(), Signal()
        word = Signal(32)
        line = Signal(LINE_BITS)
        m.d.comb += [
            wanted.eq(pending.o.valid & p.fresh & ~have),
            read.ready.eq(wanted),
            self.o.valid.eq(pending.o.valid & (have | ~p.fresh)),
            word.eq(beat.word_select(p.word, 32)),
            self.o.payload.eq(word),
            move.eq(self.o.valid & self.o.ready),
            pending.o.ready.eq(move),
            line.eq(self.base + p.beat),
            self.address.eq(Cat(Const(0, ADDRESS_BITS - LINE_BITS), line)),
        ]
        with m.If(read.valid & wanted):
            m.d.sync += beat.eq(read.p.data)
            m.d.comb += self.error.eq(read.p.error)
        m.d.sync += have.eq((have | read.valid & wanted) & ~move)
