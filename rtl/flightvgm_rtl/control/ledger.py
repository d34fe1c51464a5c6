"""Ledger: adds what instructions post to the table in memory, and holds the law that binds it."""

from __future__ import annotations

from functools import reduce
from operator import or_
from typing import Any

from amaranth.hdl import Array, Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from flightvgm_arch.isa import REGISTER_BITS
from flightvgm_arch.sites import OUTSIDE
from flightvgm_rtl.control.commands import PLACE_BITS, Increment
from flightvgm_rtl.control.lines import Lines
from flightvgm_rtl.dma.ports import ReadPort, WritePort
from flightvgm_rtl.lib.fault import Fault
from flightvgm_rtl.lib.fifo import Fifo

_WORD = 32
_OFFERED, _SKIPPED, _DONE, _PADDING = 4, 6, 8, 12  # First of the two words of each number.
_WORDS = 14
_TABLE_WORDS = 12
_PART = 128  # Bits of a post that a source's grant chooses.
_QUIET = 16  # Cycles without posts before a flush.


class Ledger(wiring.Component):
    """Add posts to the entries of their places, through a cache of ``lines`` entries.

    Six numbers of 64 bits go to the entry, modulo 2^64; ``padding`` is a sum of its own, and ``offered - skipped -
    done`` of all places but those of site 7 must be zero. A post whose entry is held takes 30 cycles, another one waits
    for memory. Before its turn a post waits in a FIFO, which takes one every second cycle. With ``table`` zero no entry
    is kept; sums and law are.

    Parameters
    ----------
    sources : int
        Streams of posts; of those that wait, the lowest number goes first.
    lines : int
        Entries that are held; a power of two.

    Members
    -------
    posts : In(stream.Signature(Increment)).array(sources)
    table : In(40)
        Address of the table, a multiple of 64; stays while anything is held.
    clear : In(1)
        Forget the law's sum, and faults.
    restart : In(1)
        The ports' other ends are being reset: what was asked of them is asked again afterwards.
    flush : In(1)
        When no post comes any more, write all entries back.
    flushed : Out(1)
        Done; holds while ``flush`` does.
    balanced : Out(1)
        The law holds.
    padding : Out(64)
        Sum of ``padding_macs``.
    read : Out(ReadPort())
    write : Out(WritePort())
        Both reach the table, whatever the windows are.
    fault : Out(Fault)
        Memory answered with an error; nothing is kept from then on.
    """

    def __init__(self, *, sources: int, lines: int = 4) -> None:
        self._sources, self._lines = sources, lines
        super().__init__(
            {
                "posts": In(stream.Signature(Increment)).array(sources),
                "table": In(REGISTER_BITS),
                "clear": In(1),
                "restart": In(1),
                "flush": In(1),
                "flushed": Out(1),
                "balanced": Out(1),
                "padding": Out(2 * _WORD),
                "read": Out(ReadPort()),
                "write": Out(WritePort()),
                "fault": Out(Fault),
            }
        )
        self._place, self._words = Signal(PLACE_BITS), Signal(_WORD * (_WORDS + 2))  # Of the post in work.
        self._number = Signal(_WORD, reset_less=True)
        self._index, self._late = Signal(range(_WORDS + 2)), Signal()
        self._law = [Signal(_WORD, name=f"law_{half}") for half in range(2)]
        self._carry = Signal()

    def elaborate(self, _: Any) -> Module:
        """Take a post, find its entry, and add word by word."""
        m = Module()
        m.submodules.fifo = fifo = Fifo(Increment, depth=16, style="distributed")
        m.submodules.lines = lines = Lines(lines=self._lines)
        wiring.connect(m, lines.read, wiring.flipped(self.read))
        wiring.connect(m, lines.write, wiring.flipped(self.write))
        m.d.comb += [
            lines.table.eq(self.table),
            lines.clear.eq(self.clear),
            lines.restart.eq(self.restart),
            lines.place.eq(self._place),
            self.fault.eq(lines.fault),
            self._place.eq(fifo.o.p.place),
        ]
        m.d.sync += self._number.eq(self._words.word_select(self._index, _WORD))
        quiet = self._join(m, fifo)
        with m.FSM():
            self._take(m, fifo, lines, quiet)
            self._add(m, fifo, lines)
        m.d.sync += self.balanced.eq(~Cat(self._law).any())
        with m.If(self.clear):
            m.d.sync += [half.eq(0) for half in self._law]
        return m

    def _join(self, m: Module, fifo: Fifo) -> Signal:
        """Posts of all sources in one FIFO: chosen in a cycle, moved in another; whether none came for some cycles."""
        quiet, cycles = Signal(), Signal(range(_QUIET))
        valids, grants = Signal(self._sources), Signal(self._sources)
        given, stays = Signal(), Signal()  # A source was chosen; it was not reset since.
        m.d.comb += [
            valids.eq(Cat(post.valid for post in self.posts)),
            grants.eq(valids & ~(valids - 1)),
            fifo.i.valid.eq(given & stays),
        ]
        m.d.sync += given.eq(Mux(given, stays & ~fifo.i.ready, valids.any()))
        for part, low in enumerate(range(0, Increment.size, _PART)):
            granted = Signal(self._sources, name=f"granted_{part}", reset_less=True, attrs={"keep": "true"})
            with m.If(~given):
                m.d.sync += granted.eq(grants)
            bits = [Value.cast(post.p)[low : low + _PART] for post in self.posts]
            masked = [bit.replicate(len(value)) & value for bit, value in zip(granted, bits, strict=True)]
            m.d.comb += Value.cast(fifo.i.p)[low : low + _PART].eq(reduce(or_, masked))
            if low == 0:
                m.d.comb += stays.eq((valids & granted).any())
                m.d.comb += [
                    post.ready.eq(given & bit & fifo.i.ready) for post, bit in zip(self.posts, granted, strict=True)
                ]
        m.d.comb += quiet.eq(cycles.all())
        with m.If(valids.any() | (fifo.level != 0)):
            m.d.sync += cycles.eq(0)
        with m.Elif(~quiet):
            m.d.sync += cycles.eq(cycles + 1)
        return quiet

    def _take(self, m: Module, fifo: Fifo, lines: Lines, quiet: Signal) -> None:
        post = fifo.o.p
        m.d.comb += self._words.eq(
            Cat(
                post.rows_offered, Const(0, 40), post.rows_kept, Const(0, 40), post.macs_offered,
                post.macs_skipped, post.macs_done, post.attention_macs, post.padding_macs,
            )
        )  # fmt: skip
        with m.State("IDLE"):
            m.d.sync += self._index.eq(0)
            with m.If(fifo.o.valid):
                m.next = "FIND"
            with m.Elif(self.flush & quiet):
                m.next = "FLUSH"
        with m.State("FIND"):
            m.d.comb += lines.find.eq(1)
            with m.If(lines.found):
                m.next = "READ"
        with m.State("FLUSH"):
            m.d.comb += [lines.flush.eq(1), self.flushed.eq(lines.empty)]
            with m.If(~self.flush):
                m.next = "IDLE"

    def _add(self, m: Module, fifo: Fifo, lines: Lines) -> None:
        """A word of the entry, of the law's sum or of the padding in two cycles; the carry goes to the next word."""
        number, upper = self._number, self._index[0]
        held, added = Signal(_WORD), Signal(_WORD + 1)
        padding = [self.padding[:_WORD], self.padding[_WORD:]]
        in_table = self._index < _TABLE_WORDS
        m.d.comb += [
            lines.index.eq(self._index),
            lines.data.eq(added[:_WORD]),
            held.eq(Mux(in_table, lines.held, Array(padding)[upper])),
            added.eq(held + number + (self._carry & upper)),
        ]
        with m.State("READ"):
            m.d.comb += lines.look.eq(1)
            m.next = "ADD"
        with m.State("ADD"):
            m.d.comb += lines.store.eq(in_table)
            m.d.sync += [
                self._carry.eq(added[_WORD]),
                self._index.eq(self._index + 1),
            ]
            for half in range(2):
                with m.If(self._index == _PADDING + half):
                    m.d.sync += padding[half].eq(added)
            self._weigh(m, number, upper)
            m.next = "READ"
            with m.If(self._index == _WORDS - 1):
                m.d.comb += fifo.o.ready.eq(1)
                m.next = "IDLE"

    def _weigh(self, m: Module, number: Any, upper: Any) -> None:
        """Add offered MACs to the law's sum, subtract those skipped and done; one carry serves all."""
        bound = self._place[1:4] != OUTSIDE
        adds = (self._index == _OFFERED) | (self._index == _OFFERED + 1)
        word, total = Signal(_WORD), Signal(_WORD + 1)
        carry, law = Signal(), Signal(_WORD)
        m.d.comb += [
            word.eq(Mux(adds, number, ~number)),
            law.eq(Mux(upper, self._law[1], self._law[0])),
            carry.eq(Mux(upper, self._late, ~adds)),
            total.eq(law + word + carry),
        ]
        with m.If(bound & (self._index >= _OFFERED) & (self._index < _DONE + 2)):
            m.d.sync += self._late.eq(total[_WORD])
            for half in range(2):
                with m.If(upper == half):
                    m.d.sync += self._law[half].eq(total)
