"""Rows of FP16 values from the result buffer."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from flightvgm_rtl.buffers.ports import ResultRead
from flightvgm_rtl.vector.rowlocate import PITCH_BITS
from flightvgm_rtl.vector.rowunpack import GROUPS_BITS, RowUnpack, unpacked

_WORD_BITS = 24 - 5  # A buffer address in words.
_PITCH_BITS = 21 - 5


class RowResult(wiring.Component):
    """Read rows that follow each other at a pitch in the result buffer, and cut them into groups.

    Parameters
    ----------
    lanes : int
        Values of a group: 4, 8 or 16.
    words : int
        Words of 32 bytes of the result buffer.

    Members
    -------
    begin : In(1)
        Pulse: the next row is that at ``first``.
    first : In(19)
        Word of the first row.
    pitch : In(16)
        Words between rows.
    beats : In(10)
        Words of a row.
    groups, tail : In
        As of :class:`flightvgm_rtl.vector.rowunpack.RowUnpack`.
    stop : In(1)
        Nothing is read any more.
    i : In(stream.Signature(1))
        A transfer for each row.
    o : Out(stream.Signature(unpacked(lanes)))
    result : Out(ResultRead(words))
    overrun : Out(1)
        A row ends beyond the buffer; it is not read.
    """

    def __init__(self, *, lanes: int, words: int) -> None:
        self._lanes = lanes
        self._words = words
        super().__init__(
            {
                "begin": In(1),
                "first": In(_WORD_BITS),
                "pitch": In(_PITCH_BITS),
                "beats": In(PITCH_BITS),
                "groups": In(GROUPS_BITS),
                "tail": In(lanes),
                "stop": In(1),
                "i": In(stream.Signature(1)),
                "o": Out(stream.Signature(unpacked(lanes))),
                "result": Out(ResultRead(words)),
                "overrun": Out(1),
            }
        )

    def elaborate(self, _platform: Any) -> Module:
        """Two loops: words of a row, rows."""
        m = Module()
        m.submodules.unpack = unpack = RowUnpack(lanes=self._lanes)
        wiring.connect(m, wiring.flipped(self.o), unpack.o)
        wiring.connect(m, wiring.flipped(self.result.word), unpack.i)
        row = Signal(
            _WORD_BITS + 2, reset_less=True
        )  # One bit more than any buffer; from there on, rows are beyond it.
        word, left = Signal(range(self._words), reset_less=True), Signal(PITCH_BITS, reset_less=True)
        end = Signal(_WORD_BITS + 3)
        reading, beyond, load, sent = Signal(), Signal(), Signal(), Signal()
        judged = Signal()  # Whether the next row ends beyond the buffer is known.
        m.d.comb += [
            unpack.groups.eq(self.groups),
            unpack.tail.eq(self.tail),
            end.eq(row + self.beats),
            self.overrun.eq(self.i.valid & beyond & judged),
            load.eq(self.i.valid & ~beyond & judged & ~self.stop & (~reading | sent & (left == 1))),
            self.i.ready.eq(load),
            self.result.request.valid.eq(reading & ~self.stop),
            self.result.request.payload.eq(word),
            sent.eq(self.result.request.valid & self.result.request.ready),
        ]
        m.d.sync += [beyond.eq(end > self._words), judged.eq(~self.begin & ~load)]
        with m.If(sent):
            m.d.sync += [word.eq(word + 1), left.eq(left - 1)]
        with m.If(load):
            m.d.sync += [word.eq(row[: len(word)]), left.eq(self.beats)]
            following = row + self.pitch
            m.d.sync += row.eq(Mux(following[-2:].any(), 1 << _WORD_BITS + 1, following))
        m.d.sync += reading.eq(load | reading & ~(sent & (left == 1)))
        with m.If(self.begin):
            m.d.sync += row.eq(self.first)
        return m
