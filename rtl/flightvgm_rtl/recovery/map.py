"""The map of a site: which kept row stands for each token."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from flightvgm_rtl.dma.ports import ADDRESS_BITS, BEAT_BYTES, WritePort
from flightvgm_rtl.sparsifier.ports import TOKEN_BITS

_WORDS = 8  # Of a beat.
_LINE_BITS = TOKEN_BITS - 3

Entry = data.StructLayout({"token": TOKEN_BITS, "number": 32})


class MapWriter(wiring.Component):
    """Write entries of 32 bits at ``base + 4 token``; neighbours in the same beat go together.

    An entry a cycle while they fall into one beat; a beat is written, with strobes for what came, when an entry of
    another one comes or on ``flush``.

    Members
    -------
    base : In(40)
        Address of the map, a multiple of 32; holds while entries come.
    flush : In(1)
        Write what was joined.
    idle : Out(1)
        Nothing waits here to be written; answers may be on their way.
    i : In(stream.Signature(Entry))
    port : Out(WritePort())
        Requests of one beat; its ``done`` is for whoever counts answers.
    """

    def __init__(self) -> None:
        super().__init__(
            {
                "base": In(ADDRESS_BITS),
                "flush": In(1),
                "idle": Out(1),
                "i": In(stream.Signature(Entry)),
                "port": Out(WritePort()),
            }
        )

    def elaborate(self, _platform: Any) -> Module:
        """Join entries in one register; hand it to a second one, which waits for the port."""
        m = Module()
        entry, held, same = Signal(Entry, reset_less=True), Signal(), Signal(reset_less=True)
        some, words, marks = Signal(), Signal(32 * _WORDS, reset_less=True), Signal(_WORDS, reset_less=True)
        low, high = Signal(_LINE_BITS + 1, reset_less=True), Signal(ADDRESS_BITS - 5 - _LINE_BITS)
        out, strobe = Signal(32 * _WORDS, reset_less=True), Signal(_WORDS, reset_less=True)
        address = Signal(ADDRESS_BITS - 5, reset_less=True)
        asks, gives = Signal(), Signal()  # Request and beat that the port has not taken yet.
        unasked, ungiven, move, put, flush = Signal(), Signal(), Signal(), Signal(), Signal()
        request, beat = self.port.request, self.port.beat
        m.d.comb += [
            unasked.eq(~asks | request.ready),
            ungiven.eq(~gives | beat.ready),
            move.eq(unasked & ungiven & some & (flush | (held & ~same))),
            put.eq(held & (~some | same | move)),
            high.eq(self.base[5 + _LINE_BITS :] + low[-1]),
            self.i.ready.eq(~held | put),
            self.idle.eq(~some & ~asks & ~gives & ~held),
            request.valid.eq(asks),
            request.p.address.eq(address << 5),
            request.p.beats.eq(1),
            beat.valid.eq(gives),
            beat.p.data.eq(out),
            beat.p.strobe.eq(Cat(*(mark.replicate(BEAT_BYTES // _WORDS) for mark in strobe))),
        ]
        m.d.sync += flush.eq(self.flush)
        with m.If(self.i.ready):
            m.d.sync += held.eq(self.i.valid)
        with m.If(self.i.ready & self.i.valid):  # Entries come in order, so the one before tells the line.
            m.d.sync += [entry.eq(self.i.p), same.eq(self.i.p.token[3:] == entry.token[3:])]
        with m.If(request.ready):
            m.d.sync += asks.eq(0)
        with m.If(beat.ready):
            m.d.sync += gives.eq(0)
        half = len(out) // 2  # Each half has its own enable, so that neither drives too many loads.
        with m.If(ungiven):
            m.d.sync += [out[:half].eq(words[:half]), strobe.eq(marks)]
        with m.If(move):
            m.d.sync += [asks.eq(1), gives.eq(1), some.eq(0), address.eq(Cat(low[:-1], high))]
            m.d.sync += out[half:].eq(words[half:])
        with m.If(put):
            new = Signal(_WORDS)
            m.d.comb += new.eq(1 << entry.token[:3])
            m.d.sync += [
                some.eq(1),
                low.eq(self.base[5 : 5 + _LINE_BITS] + entry.token[3:]),
                marks.eq(Mux(same & some & ~move, marks, 0) | new),
            ]
            for word in range(_WORDS):
                with m.If(new[word]):
                    m.d.sync += words[32 * word : 32 * word + 32].eq(entry.number)
        return m
