"""Instruction fetch: reads ahead, and keeps the last instructions for loops."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from flightvgm_arch.isa import REGISTER_BITS, WORD_BYTES
from flightvgm_rtl.control.commands import PC_BITS
from flightvgm_rtl.dma.ports import BEAT_BITS, BEAT_BYTES, ReadPort
from flightvgm_rtl.target.ram import Ram

_BEATS = WORD_BYTES // BEAT_BYTES
_LANE = BEAT_BITS + 2
_SHIFT = (WORD_BYTES - 1).bit_length()
_ALIGN = (BEAT_BYTES - 1).bit_length()
_LOW = 20  # Addresses are added in two halves.

Fetched = data.StructLayout({"word": 8 * WORD_BYTES, "error": 2})
"""An instruction as it was read, and how the read ended."""
Got = data.StructLayout({"valid": 1, "word": 32, "error": 2})


class Fetch(wiring.Component):
    """Give the instructions with the numbers that are asked for, ``64 * number`` bytes behind ``entry``.

    It reads up to ``ahead`` instructions beyond the last one that was asked for, each with a request of its own, and
    keeps at least the last ``words - ahead``: a loop that is not longer costs no reads after its first round. Errors
    come with an instruction, so that reading ahead beyond the program does no harm. An instruction that is held is at
    ``o`` three cycles after ``i``; ``i`` waits until ``o`` was taken. A word that is read through ``get`` comes from
    the same port when all instructions that were requested have come.

    Parameters
    ----------
    words : int
        Instructions that are kept; a power of two.
    ahead : int
        Instructions read ahead.

    Members
    -------
    run : In(1)
        Requests may be made.
    entry : In(40)
    i : In(stream.Signature(24))
        Instruction numbers.
    o : Out(stream.Signature(Fetched))
    get : In(stream.Signature(40))
        Address of a 32-bit word, a multiple of four.
    got : Out(Got)
        ``valid`` is a pulse for the word, before the next address is taken.
    port : Out(ReadPort())
    """

    def __init__(self, *, words: int = 256, ahead: int = 16) -> None:
        if words & words - 1 or not 0 < ahead < words:
            raise ValueError(f"{words} instructions, {ahead} ahead, cannot be kept; give a power of two above {ahead}")
        self._words = words
        self._ahead = ahead
        super().__init__(
            {
                "run": In(1),
                "entry": In(REGISTER_BITS),
                "i": In(stream.Signature(PC_BITS)),
                "o": Out(stream.Signature(Fetched)),
                "get": In(stream.Signature(REGISTER_BITS)),
                "got": Out(Got),
                "port": Out(ReadPort()),
            }
        )
        # Instructions low to high - 1 are held, high to sent - 1 are on their way.
        self._low, self._high, self._sent = (Signal(PC_BITS + 1, name=name) for name in ("low", "high", "sent"))
        self._wanted, self._pending = Signal(PC_BITS, name="wanted"), Signal(name="pending")
        self._restart = Signal(name="restart")
        self._outstanding = Signal(range(ahead + 2), name="outstanding")  # Requests on their way.
        self._stale = Signal(range(ahead + 2), name="stale")  # Those of them that a jump made useless.
        self._made = Signal(name="made")  # A request is made in this cycle.
        self._begun = Signal(name="begun")
        self._getting, self._asked = Signal(name="getting"), Signal(name="asked")
        self._word = Signal(REGISTER_BITS, name="word", reset_less=True)  # Address of the word that is got.
        self._base = Signal(
            REGISTER_BITS - _LOW, name="base"
        )  # Upper half of the entry, while a jump's address is made.

    def elaborate(self, _: Any) -> Module:
        """Look up, request, and take beats."""
        m = Module()
        m.submodules.ram = ram = Ram(width=_BEATS * _LANE, depth=self._words, lanes=_BEATS)
        self._look(m, ram)
        self._request(m)
        self._get(m)
        ended = self._take(m, ram)
        after = Signal.like(self._outstanding)
        m.d.comb += after.eq(self._outstanding + self._made - ended)
        m.d.sync += self._outstanding.eq(after)
        with m.If(self._restart):
            m.d.sync += self._stale.eq(after)
            m.d.sync += [number.eq(self._wanted) for number in (self._low, self._high, self._sent)]
        return m

    def _look(self, m: Module, ram: Ram) -> None:
        """Hold a number until its instruction is there; begin anew where it is neither held nor on its way."""
        known, there, looked, read = (Signal(name=name) for name in ("known", "there", "looked", "read"))
        parts = [ram.read_data[lane * _LANE : (lane + 1) * _LANE] for lane in range(_BEATS)]
        failed = [part[BEAT_BITS:] for part in parts]
        # What is compared is a cycle old: more may have come since, and the oldest leaves its place a while later.
        m.d.sync += [
            looked.eq(self._pending & ~self._restart & ~read),
            known.eq(self._begun & (self._wanted >= self._low) & (self._wanted <= self._sent)),
            there.eq((self._wanted >= self._low) & (self._wanted < self._high)),
        ]
        m.d.comb += [
            self.i.ready.eq(~self._pending & ~self.o.valid),
            self._restart.eq(looked & ~known & ~self._getting),
            read.eq(looked & there),
            ram.read_enable.eq(read),
            ram.read_address.eq(self._wanted[: ram.read_address.shape().width]),
            self.o.p.word.eq(Cat(part[:BEAT_BITS] for part in parts)),
            self.o.p.error.eq(Mux(failed[0].any(), failed[0], failed[1])),
        ]
        with m.If(self.i.valid & self.i.ready):
            m.d.sync += [self._wanted.eq(self.i.p), self._pending.eq(1)]
        with m.If(read):
            m.d.sync += [self._pending.eq(0), self.o.valid.eq(1)]
        with m.If(self.o.valid & self.o.ready):
            m.d.sync += self.o.valid.eq(0)

    def _request(self, m: Module) -> None:
        """Request the next instruction, or the word of ``get`` when nothing else is on its way."""
        request, address = self.port.request, Signal(REGISTER_BITS, reset_less=True)
        free, made, room, sent, asks = Signal(), Signal(), Signal(), Signal(), Signal()
        m.d.comb += [
            free.eq(~request.valid | request.ready),
            asks.eq(self._getting & ~self._asked & free),
            sent.eq(
                self.run & made & room & free & (self._outstanding < self._ahead)
                & ~(self._restart | self._getting | self.get.valid)
            ),
        ]  # fmt: skip
        with m.If(free):
            m.d.sync += request.valid.eq(sent | asks)
        with m.If(free):
            m.d.sync += [
                request.p.address.eq(Mux(self._getting, Cat(Const(0, _ALIGN), self._word[_ALIGN:]), address)),
                request.p.beats.eq(Mux(self._getting, 1, _BEATS)),
            ]
        limit, held = Signal(PC_BITS + 1), Signal(range(self._words + 1))
        m.d.sync += [limit.eq(self._wanted + self._ahead), room.eq(self._sent < limit)]
        with m.If(sent):
            m.d.sync += [self._sent.eq(self._sent + 1), room.eq(0)]
            with m.If(held == self._words):
                m.d.sync += self._low.eq(self._low + 1)
            with m.Else():
                m.d.sync += held.eq(held + 1)
        with m.If(self._restart):
            m.d.sync += [self._begun.eq(1), room.eq(0), held.eq(0)]
        self._address(m, address, made, sent)
        m.d.comb += self._made.eq(sent | asks)

    def _address(self, m: Module, address: Signal, made: Signal, sent: Signal) -> None:
        """Add to the address in two steps, so that no carry is longer than half of it."""
        low, high = Signal(_LOW, reset_less=True), Signal(REGISTER_BITS - _LOW, reset_less=True)
        carry, half, anew = Signal(reset_less=True), Signal(), Signal()
        offset = Signal(REGISTER_BITS)
        m.d.comb += offset.eq(self._wanted << _SHIFT)
        with m.If(sent):
            m.d.sync += [Cat(low, carry).eq(address[:_LOW] + WORD_BYTES), high.eq(address[_LOW:])]
            m.d.sync += [made.eq(0), half.eq(1)]
        with m.If(anew):
            m.d.sync += [Cat(low, carry).eq(self.entry[:_LOW] + offset[:_LOW]), high.eq(offset[_LOW:])]
            m.d.sync += [anew.eq(0), half.eq(1), self._base.eq(self.entry[_LOW:])]
        with m.Elif(half):
            m.d.sync += [address.eq(Cat(low, high + self._base + carry)), self._base.eq(0), made.eq(1), half.eq(0)]
        with m.If(self._restart):
            m.d.sync += [made.eq(0), half.eq(0), anew.eq(1)]

    def _get(self, m: Module) -> None:
        """Take an address, ask for its beat, and give the word of it."""
        answered, beat = Signal(), self.port.beat
        m.d.comb += [
            answered.eq(self._getting & beat.valid),
            self.get.ready.eq(~self._getting & (self._outstanding == 0) & ~self._restart),
        ]
        m.d.sync += [
            self.got.valid.eq(answered),
            self.got.error.eq(beat.p.error),
            self.got.word.eq(beat.p.data.word_select(self._word[2:5], 32)),
        ]
        with m.If(self.get.valid & self.get.ready):
            m.d.sync += [self._getting.eq(1), self._asked.eq(0), self._word.eq(self.get.p)]
        with m.If(answered):
            m.d.sync += self._getting.eq(0)
        with m.If(self._getting & self._made):
            m.d.sync += self._asked.eq(1)

    def _take(self, m: Module, ram: Ram) -> Signal:
        """Write beats to the memory, other than those that a jump made useless; a refused request gives only one."""
        ended, half, keep = Signal(), Signal(range(_BEATS)), Signal()
        beat = self.port.beat
        m.d.comb += [
            beat.ready.eq(1),
            ended.eq(beat.valid & beat.p.last),
            keep.eq(beat.valid & ~self._getting & (self._stale == 0)),
            ram.write_enable.eq(Mux(keep, Mux(beat.p.last, (1 << _BEATS) - (1 << half), 1 << half), 0)),
            ram.write_address.eq(self._high[: ram.write_address.shape().width]),
            ram.write_data.eq(Cat(Cat(beat.p.data, beat.p.error) for _ in range(_BEATS))),
        ]
        with m.If(beat.valid):
            m.d.sync += half.eq(half + 1)
        with m.If(ended):
            m.d.sync += half.eq(0)
        with m.If(keep & ended):
            m.d.sync += self._high.eq(self._high + 1)
        with m.If(ended & (self._stale != 0)):
            m.d.sync += self._stale.eq(self._stale - 1)
        return ended
