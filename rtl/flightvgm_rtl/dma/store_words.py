"""Words of STORE and FILL: read from the result buffer in the order of the rows, or a pattern."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from flightvgm_arch.isa import BY_NAME
from flightvgm_rtl.buffers.ports import ResultRead
from flightvgm_rtl.control.commands import body
from flightvgm_rtl.dma.ports import BEAT_BYTES, Written

_LOW = 5  # Address bits within a word.
_WORD_BITS = 13  # Words of a row.
_INSIDE_BITS = 10  # Words that the result buffer may have under way.


class StoreWords(wiring.Component):
    """Give the beats of a command, one a cycle, with the last one of each row cut to the row's bytes.

    Fields hold from the cycle before ``go`` on, and while it is set. A command begins with ``starting``, in the cycle
    in which ``started`` is set; it has ``finished`` when all of its beats have left and ``asked`` has told that its
    last request has.

    Parameters
    ----------
    words : int
        Words of the result buffer.

    Members
    -------
    filling, row, fill : In
        Which of the two it is, and its fields.
    go : In(1)
    starting, started : Out(1), In(1)
    asking, asked : Out(1), In(1)
        Requests are wanted; the last one has left.
    row_words : Out
        Words of a row of STORE.
    finished : Out(1)
        Pulse.
    result : Out(ResultRead(words))
    beat : Out(stream.Signature(Written))
    """

    def __init__(self, *, words: int) -> None:
        self._words = words
        super().__init__(
            {
                "filling": In(1),
                "row": In(body(BY_NAME["STORE"])),
                "fill": In(body(BY_NAME["FILL"])),
                "go": In(1),
                "starting": Out(1),
                "started": In(1),
                "asking": Out(1),
                "asked": In(1),
                "row_words": Out(_WORD_BITS),
                "finished": Out(1),
                "result": Out(ResultRead(words)),
                "beat": Out(stream.Signature(Written)),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        """Begin, read, give, and end."""
        m = Module()
        active, begin = Signal(), Signal()
        m.d.comb += [
            self.starting.eq(self.go & ~active),
            begin.eq(self.starting & self.started),
        ]
        reading = self._read(m, begin)
        giving = self._give(m, begin)
        m.d.comb += self.finished.eq(active & ~self.asking & ~reading & ~giving)
        m.d.sync += self.row_words.eq((self.row.row_bytes + BEAT_BYTES - 1) >> _LOW)
        with m.If(begin):
            m.d.sync += [active.eq(1), self.asking.eq(1)]
        with m.Elif(self.finished):
            m.d.sync += active.eq(0)
        with m.If(self.asked):
            m.d.sync += self.asking.eq(0)
        return m

    def _read(self, m: Module, begin: Signal) -> Signal:
        """Ask for the words of all rows; True while some are to be asked for."""
        row, places = self.row, range(self._words)
        reading, row_ends, rows_end = Signal(), Signal(), Signal()
        place, row_place, outer_place = (Signal(places, name=name) for name in ("place", "row_place", "outer_place"))
        next_row, next_outer = Signal(places), Signal(places)
        left = Signal(_WORD_BITS)
        rows, outers = Signal.like(row.count), Signal.like(row.outer)
        m.d.comb += [
            self.result.request.valid.eq(reading),
            self.result.request.payload.eq(place),
            row_ends.eq(left == 1),
            rows_end.eq(rows == 1),
            next_row.eq(row_place + row.result_pitch[_LOW:]),
            next_outer.eq(outer_place + row.result_outer[_LOW:]),
        ]
        with m.If(begin):
            first = row.result[_LOW:]
            m.d.sync += [place.eq(first), row_place.eq(first), outer_place.eq(first), left.eq(self.row_words)]
            m.d.sync += [rows.eq(row.count), outers.eq(row.outer), reading.eq(~self.filling)]
        with m.Elif(reading & self.result.request.ready):
            m.d.sync += [place.eq(place + 1), left.eq(left - 1)]
            with m.If(row_ends):
                base = Mux(rows_end, next_outer, next_row)
                m.d.sync += [place.eq(base), row_place.eq(base), left.eq(self.row_words)]
                m.d.sync += rows.eq(Mux(rows_end, row.count, rows - 1))
                with m.If(rows_end):
                    m.d.sync += [outer_place.eq(next_outer), outers.eq(outers - 1), reading.eq(outers != 1)]
        return reading

    def _give(self, m: Module, begin: Signal) -> Signal:
        """Pass words on, or give the pattern; True while some have not left."""
        request, word = self.result.request, self.result.word
        tail, strobe = Signal(_LOW), Signal(BEAT_BYTES)
        left, row_left = Signal.like(self.fill.count), Signal(_WORD_BITS)
        inside, came, went, giving = Signal(_INSIDE_BITS), Signal(), Signal(), Signal()
        last = Signal()
        beat = self.beat.payload
        m.d.comb += [
            tail.eq(self.row.row_bytes[:_LOW]),
            last.eq(row_left == 1),
            came.eq(request.valid & request.ready),
            went.eq(word.valid & word.ready),
            giving.eq((inside != 0) | (left != 0)),
            self.beat.valid.eq(word.valid | (left != 0)),
            beat.strobe.eq(Mux(~self.filling & last, strobe, (1 << BEAT_BYTES) - 1)),
            word.ready.eq(self.beat.ready),
        ]
        half, value = len(beat.data) // 2, self.fill.value
        for part in range(2):  # Each half has its own select, so that neither drives too many loads.
            filling = Signal(name=f"filling_{part}", attrs={"keep": "true"})
            m.d.sync += filling.eq(self.filling)
            m.d.comb += beat.data.word_select(part, half).eq(
                Mux(filling, value.replicate(half // len(value)), word.payload.word_select(part, half))
            )
        m.d.sync += [
            inside.eq(inside + came - went),
            strobe.eq(Cat((tail == 0) | (byte < tail) for byte in range(BEAT_BYTES))),
        ]
        with m.If(begin):
            m.d.sync += [row_left.eq(self.row_words), left.eq(Mux(self.filling, self.fill.count, 0))]
        with m.Elif(self.beat.ready):
            with m.If(left != 0):
                m.d.sync += left.eq(left - 1)
            with m.If(word.valid):
                m.d.sync += row_left.eq(Mux(last, self.row_words, row_left - 1))
        return giving
