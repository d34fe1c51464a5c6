"""Lines of the ledger's cache."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from flightvgm_arch.errors import ErrorCode
from flightvgm_arch.isa import REGISTER_BITS
from flightvgm_rtl.control.commands import PLACE_BITS
from flightvgm_rtl.dma.ports import BEAT_BITS, BEAT_BYTES, Answer, ReadPort, WritePort
from flightvgm_rtl.lib.fault import Fault
from flightvgm_rtl.target.ram import Ram

_WORD = 32
_WORDS = 16  # Of an entry of 64 bytes.
_BEATS = 2
_BEAT_WORDS = _WORDS // _BEATS
_SHIFT = 6
_LOW = 20


class Lines(wiring.Component):
    """A few entries of the table, fully associative; the one that came first goes first.

    Members
    -------
    table, clear, restart, read, write, fault :
        As those of :class:`flightvgm_rtl.control.ledger.Ledger`.
    place : In(11)
    find : In(1)
        Have the entry of ``place``, which has been there for a cycle, here; held until ``found``, with nothing to hold
        if ``table`` is zero.
    found : Out(1)
    index : In(4)
        Word of 32 bits of the entry that was found.
    look : In(1)
        Read it; ``held`` has it a cycle later.
    held : Out(32)
    store, data : In
        Write it.
    flush : In(1)
        Write all entries back, one after another, and let them go.
    empty : Out(1)
        None is here.
    """

    def __init__(self, *, lines: int) -> None:
        if lines < 2 or lines & lines - 1:
            raise ValueError(f"{lines} lines cannot be numbered; give a power of two of at least 2")
        self._lines = lines
        super().__init__(
            {
                "table": In(REGISTER_BITS),
                "clear": In(1),
                "restart": In(1),
                "place": In(PLACE_BITS),
                "find": In(1),
                "found": Out(1),
                "index": In(range(_WORDS)),
                "look": In(1),
                "held": Out(_WORD),
                "store": In(1),
                "data": In(_WORD),
                "flush": In(1),
                "empty": Out(1),
                "read": Out(ReadPort()),
                "write": Out(WritePort()),
                "fault": Out(Fault),
            }
        )
        self._ram = Ram(width=_WORD, depth=lines * _WORDS, style="distributed")
        self._hits = Signal(lines)
        self._valid = Signal(lines)
        self._places = [Signal(PLACE_BITS, name=f"place_{line}", reset_less=True) for line in range(lines)]
        self._line, self._next = Signal(range(lines)), Signal(range(lines))
        self._of = Signal(PLACE_BITS, reset_less=True)  # Place whose entry moves.
        self._address = Signal(REGISTER_BITS, reset_less=True)
        self._fills = Signal()
        self._word, self._beat = Signal(range(_WORDS + 1)), Signal(BEAT_BITS, reset_less=True)
        self._keeps = Signal()
        self._spreads, self._place_in = Signal(), Signal(range(lines * _WORDS), reset_less=True)
        self._word_in = Signal(_WORD, reset_less=True)

    def elaborate(self, _: Any) -> Module:
        """Find an entry, bring it, or take one back to memory."""
        m = Module()
        m.submodules.ram = self._ram
        m.d.comb += [
            self.empty.eq(self._valid == 0),
            self.held.eq(self._ram.read_data),
            self._ram.read_enable.eq(self.look),
            self._ram.read_address.eq(Cat(self.index, self._line)),
            self._ram.write_enable.eq(self._spreads | (self.store & self._keeps)),
            self._ram.write_address.eq(Mux(self._spreads, self._place_in, Cat(self.index, self._line))),
            self._ram.write_data.eq(Mux(self._spreads, self._word_in, self.data)),
            self.write.request.p.address.eq(self._address),
            self.write.request.p.beats.eq(_BEATS),
            self.write.beat.p.data.eq(self._beat),
            self.write.beat.p.strobe.eq((1 << BEAT_BYTES) - 1),
            self.read.request.p.address.eq(self._address),
            self.read.request.p.beats.eq(_BEATS),
        ]
        m.d.sync += [
            self._keeps.eq((self.table != 0) & ~self.fault.valid),
            self._hits.eq(
                Cat(valid & (place == self.place) for valid, place in zip(self._valid, self._places, strict=True))
            ),
        ]
        with m.FSM():
            self._search(m)
            self._locate(m)
            self._write_back(m)
            self._fill(m)
        with m.If(self.clear):
            m.d.sync += self.fault.eq(0)
        return m

    def _search(self, m: Module) -> None:
        with m.State("IDLE"):
            with m.If(self.find & ~self._keeps):
                m.d.comb += self.found.eq(1)
                m.d.sync += self._valid.eq(0)
            with m.Elif(self.find & self._hits.any()):
                m.d.comb += self.found.eq(1)
                for line in range(self._lines):
                    with m.If(self._hits[line]):
                        m.d.sync += self._line.eq(line)
            with m.Elif(self.find):
                m.d.sync += [self._line.eq(self._next), self._fills.eq(1)]
                m.next = "LEAVE"
            with m.Elif(self.flush & ~self._keeps):
                m.d.sync += self._valid.eq(0)
            with m.Elif(self.flush & ~self.empty):
                for line in range(self._lines):
                    with m.If(self._valid[line]):
                        m.d.sync += self._line.eq(line)
                m.d.sync += self._fills.eq(0)
                m.next = "LEAVE"
        with m.State("SETTLE"):  # Until it is known what is here, and whether it is kept.
            m.next = "IDLE"

    def _locate(self, m: Module) -> None:
        """Address of the entry that goes, then of the one that comes."""
        low, leaves = Signal(_LOW + 1, reset_less=True), Signal()
        offset = Signal(_LOW)
        m.d.comb += offset.eq(self._of << _SHIFT)
        with m.State("LEAVE"):
            for line in range(self._lines):
                with m.If(self._line == line):
                    m.d.sync += [self._of.eq(self._places[line]), leaves.eq(self._valid[line])]
            m.next = "CHECK"
        with m.State("CHECK"):
            m.next = "LOW"
            with m.If(~leaves):
                m.d.sync += self._of.eq(self.place)
        with m.State("LOW"):
            m.d.sync += [low.eq(self.table[:_LOW] + offset), self._word.eq(0)]
            m.next = "HIGH"
        with m.State("HIGH"):
            m.d.sync += self._address.eq(Cat(low[:_LOW], self.table[_LOW:] + low[_LOW]))
            with m.If(leaves):
                m.next = "ASK_WRITE"
            with m.Elif(self._fills):
                m.next = "ASK_READ"
            with m.Else():
                m.next = "IDLE"
        with m.State("WRITTEN"):
            m.d.sync += [leaves.eq(0), self._of.eq(self.place)]
            for line in range(self._lines):
                with m.If(self._line == line):
                    m.d.sync += self._valid[line].eq(0)
            m.next = "SETTLE"
            with m.If(self._fills & self._keeps & ~self.fault.valid):
                m.next = "LOW"

    def _write_back(self, m: Module) -> None:
        """Request, two beats put together from words, and the answer."""
        with m.State("ASK_WRITE"):
            m.d.comb += self.write.request.valid.eq(~self.restart)
            m.d.sync += self._word.eq(0)
            with m.If(self.write.request.ready & ~self.restart):
                m.next = "GATHER"
        with m.State("GATHER"):
            m.d.comb += [
                self._ram.read_enable.eq(1),
                self._ram.read_address.eq(Cat(self._word[:4], self._line)),
            ]
            m.next = "SHIFT"
            with m.If(self.restart):
                m.next = "ASK_WRITE"
        with m.State("SHIFT"):
            m.d.sync += [self._beat.eq(Cat(self._beat[_WORD:], self._ram.read_data)), self._word.eq(self._word + 1)]
            m.next = "GATHER"
            with m.If(self._word[:3] == _BEAT_WORDS - 1):
                m.next = "SEND"
            with m.If(self.restart):
                m.next = "ASK_WRITE"
        with m.State("SEND"):
            m.d.comb += self.write.beat.valid.eq(~self.restart)
            with m.If(self.write.beat.ready):
                m.next = "GATHER"
                with m.If(self._word == _WORDS):
                    m.next = "ANSWER"
            with m.If(self.restart):
                m.next = "ASK_WRITE"
        with m.State("ANSWER"):
            with m.If(self.write.done.valid):
                self._note(m, self.write.done.error)
                m.next = "WRITTEN"
            with m.If(self.restart):
                m.next = "ASK_WRITE"

    def _fill(self, m: Module) -> None:
        """Request, and two beats that stay until their words have been taken."""
        beat = self.read.beat
        words = Signal(BEAT_BITS)
        m.d.comb += words.eq(beat.p.data)
        m.d.sync += [
            self._spreads.eq(0),
            self._place_in.eq(Cat(self._word[:4], self._line)),
            self._word_in.eq(words.word_select(self._word[:3], _WORD)),
        ]
        with m.State("ASK_READ"):
            m.d.comb += self.read.request.valid.eq(~self.restart)
            m.d.sync += self._word.eq(0)
            with m.If(self.read.request.ready & ~self.restart):
                m.next = "TAKE"
        with m.State("TAKE"):
            with m.If(beat.valid):
                m.next = "SPREAD"
                with m.If(beat.p.error != 0):
                    self._note(m, beat.p.error)
                    m.next = "DROP"
            with m.If(self.restart):
                m.next = "ASK_READ"
        with m.State("DROP"):
            m.d.comb += beat.ready.eq(1)
            with m.If((beat.valid & beat.p.last) | self.restart):
                m.next = "SETTLE"
        with m.State("SPREAD"):
            m.d.sync += [self._word.eq(self._word + 1), self._spreads.eq(1)]
            with m.If(self._word[:3] == _BEAT_WORDS - 1):
                m.d.comb += beat.ready.eq(1)
                m.next = "TAKE"
                with m.If(self._word == _WORDS - 1):
                    self._come(m)
            with m.If(self.restart):
                m.next = "ASK_READ"

    def _come(self, m: Module) -> None:
        m.d.sync += self._next.eq(self._line + 1)
        for line in range(self._lines):
            with m.If(self._line == line):
                m.d.sync += [self._valid[line].eq(1), self._places[line].eq(self.place)]
        m.next = "SETTLE"

    def _note(self, m: Module, error: Any) -> None:
        """Note an error of the memory."""
        code = Mux(error == Answer.DECERR, ErrorCode.AXI_DECERR, ErrorCode.AXI_SLVERR)
        with m.If((error != 0) & ~self.fault.valid):
            m.d.sync += [self.fault.valid.eq(1), self.fault.code.eq(code), self.fault.address.eq(self._address)]
