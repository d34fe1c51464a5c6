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
_LOW = 18  # Bits of an address that are added in a stage.

_Pending = data.StructLayout({"line": LINE_BITS, "word": 3, "fresh": 1})


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
        """Add in two stages; a token leaves the second one when it has asked, if it must, and its lookup is noted."""
        valid = Signal(2)
        beat, low = Signal(_BEAT_BITS - _LOW, reset_less=True), Signal(_LOW + 1, reset_less=True)
        word = Signal(3, reset_less=True)
        fresh_now, fresh = Signal(reset_less=True), Signal(reset_less=True)
        line, word_now = Signal(LINE_BITS, reset_less=True), Signal(3, reset_less=True)
        asked, last_beat = Signal(), Signal(_BEAT_BITS, reset_less=True)
        sent, move, enter = Signal(), Signal(), Signal()
        token = self.i.payload
        m.d.comb += [
            self.read.request.valid.eq(valid[1] & fresh & pending.i.ready & ~self.stop),
            self.read.request.p.address.eq(Cat(Const(0, ADDRESS_BITS - LINE_BITS), line)),
            self.read.request.p.beats.eq(1),
            pending.i.valid.eq(valid[1] & (~fresh | self.read.request.ready & ~self.stop)),
            pending.i.p.line.eq(line),
            pending.i.p.word.eq(word_now),
            pending.i.p.fresh.eq(fresh),
            sent.eq(pending.i.valid & pending.i.ready),
            move.eq(~valid[1] | sent),
            self.i.ready.eq(move),
            enter.eq(move & self.i.valid),
        ]
        with m.If(move):
            m.d.sync += [
                valid.eq(Cat(self.i.valid, valid[0])),
                low.eq(self.base[:_LOW] + token[3 : 3 + _LOW]),
                beat.eq(token[3 + _LOW :]),
                word.eq(token[:3]),
                fresh_now.eq(~asked | (token[3:] != last_beat)),
                line.eq(Cat(low[:_LOW], (self.base[_LOW:] + beat + low[_LOW])[: LINE_BITS - _LOW])),
                word_now.eq(word),
                fresh.eq(fresh_now),
            ]
        with m.If(enter):
            m.d.sync += [asked.eq(1), last_beat.eq(token[3:])]
        with m.If(self.begin):
            m.d.sync += asked.eq(0)

    def _pick(self, m: Module, pending: Fifo) -> None:
        """Keep the newest beat; a lookup that asked waits for its own."""
        beat = Signal(32 * _WORDS, reset_less=True)
        have = Signal()  # The beat of the oldest lookup is in the register.
        read, p = self.read.beat, pending.o.p
        wanted, move = Signal(), Signal()
        word = Signal(32)
        m.d.comb += [
            wanted.eq(pending.o.valid & p.fresh & ~have),
            read.ready.eq(wanted),
            self.o.valid.eq(pending.o.valid & (have | ~p.fresh)),
            word.eq(beat.word_select(p.word, 32)),
            self.o.payload.eq(word),
            move.eq(self.o.valid & self.o.ready),
            pending.o.ready.eq(move),
            self.address.eq(Cat(Const(0, ADDRESS_BITS - LINE_BITS), p.line)),
        ]
        half = len(beat) // 2  # Each half has its own enable, so that neither drives too many loads.
        with m.If(wanted):
            m.d.sync += beat[half:].eq(read.p.data[half:])
        with m.If(read.valid & wanted):
            m.d.sync += beat[:half].eq(read.p.data[:half])
            m.d.comb += self.error.eq(read.p.error)
        m.d.sync += have.eq((have | read.valid & wanted) & ~move)
