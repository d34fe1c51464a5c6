"""The result buffer."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In

from flightvgm_rtl.buffers.collector import result_write
from flightvgm_rtl.buffers.ports import GRANULES, WORD_BITS, ResultRead
from flightvgm_rtl.lib.fifo import Fifo
from flightvgm_rtl.target.ram import Ram

_AHEAD = 8  # Words that are on their way to a reader.
READERS = 2


class ResultBuffer(wiring.Component):
    """Memory of results: one writer, and two readers that share a port, a word a cycle in all.

    A request is taken when its reader has room for the word, so that a reader which stalls does not hold up the
    other one; where both want a word they take turns. A word is there four cycles behind its request at the
    earliest.

    Parameters
    ----------
    words : int
        Words of 256 bits.

    Members
    -------
    write : In(result_write(words))
        A write takes effect at once.
    read : In(ResultRead(words)) twice
        Readers.
    """

    def __init__(self, *, words: int) -> None:
        self._words = words
        super().__init__({"write": In(result_write(words)), "read": In(ResultRead(words)).array(READERS)})

    def elaborate(self, _platform: Any) -> Module:
        """Take turns at the read port; keep words for their readers."""
        m = Module()
        m.submodules.ram = ram = Ram(width=WORD_BITS, depth=self._words, lanes=GRANULES, style="ultra")
        m.d.comb += [
            ram.write_enable.eq(self.write.strobe),
            ram.write_address.eq(self.write.word),
            ram.write_data.eq(self.write.data),
        ]
        want = Signal(READERS)
        turn = Signal()  # The reader that has the port where both want it.
        taken = Signal(READERS)
        for number, port in enumerate(self.read):
            self._reader(m, port, number, want, taken, ram)
            m.d.comb += taken[number].eq(want[number] & (~want[1 - number] | (turn == number)))
        with m.If(taken.any()):
            m.d.sync += turn.eq(taken[0])
        m.d.comb += [
            ram.read_enable.eq(taken.any()),
            ram.read_address.eq(Mux(taken[1], self.read[1].request.p, self.read[0].request.p)),
        ]
        return m

    @staticmethod
    def _reader(m: Module, port: Any, number: int, want: Signal, taken: Signal, ram: Ram) -> None:
        """Request of a reader, and the FIFO of its words."""
        m.submodules[f"ahead_{number}"] = ahead = Fifo(WORD_BITS, depth=_AHEAD, style="distributed")
        coming = Signal(name=f"coming_{number}")
        m.d.sync += coming.eq(taken[number])
        m.d.comb += [
            want[number].eq(port.request.valid & (ahead.room > coming)),
            port.request.ready.eq(taken[number]),
            ahead.i.valid.eq(coming),
            ahead.i.p.eq(ram.read_data),
        ]
        wiring.connect(m, ahead.o, wiring.flipped(port.word))
