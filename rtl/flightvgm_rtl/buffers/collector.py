"""Words of all rows on their way to the result buffer."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Module, Mux, ResetSignal, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from flightvgm_rtl.buffers.collector_lane import CollectorLane, PlacedValue
from flightvgm_rtl.buffers.ports import GRANULES, WORD_BITS
from flightvgm_rtl.control.commands import PC_BITS
from flightvgm_rtl.lib.fifo import Fifo
from flightvgm_rtl.lib.pipeline import register
from flightvgm_rtl.lib.tree import either
from flightvgm_rtl.lib.unit import place

BLOCK_ROW_BITS = 7
BLOCK_VALUE_BITS = 16
BLOCK_PITCH_BITS = 16
_BLOCKS = 16
_WALK_BITS = BLOCK_PITCH_BITS + BLOCK_ROW_BITS + 1  # So that a block that leaves the buffer is seen.


def result_block(words: int) -> data.StructLayout:
    """Layout of what a tile writes: ``rows`` rows of ``values`` values.

    The first value goes to byte ``out``, which is even; rows lie ``pitch`` words apart. ``zero`` writes zeros that
    no lane sends. ``last`` ends an instruction, whose number is ``pc``. No rows write nothing.
    """
    return data.StructLayout(
        {
            "word": range(words),
            "place": range(GRANULES),
            "pitch": BLOCK_PITCH_BITS,
            "rows": BLOCK_ROW_BITS,
            "values": BLOCK_VALUE_BITS,
            "zero": 1,
            "last": 1,
            "pc": PC_BITS,
        }
    )


def result_write(words: int) -> data.StructLayout:
    """Layout of a write to the result buffer of ``words`` words, with a strobe for each value; no stream."""
    return data.StructLayout({"strobe": GRANULES, "word": range(words), "data": WORD_BITS})


class Collector(wiring.Component):
    """Write the results of tiles to the result buffer, a word a cycle, tile after tile and row after row.

    A tile is a block: its words are taken from the lanes of its rows in order, so that a lane needs no address. A
    lane holds ``places`` words: who lets a tile begin has counted those that are not yet ``written``.

    Parameters
    ----------
    rows : int
        Rows of the array.
    words : int
        Words of the result buffer.
    places : int
        Words that a lane holds; a power of two.

    Members
    -------
    block : In(stream.Signature(result_block(words)))
        Blocks in the order of their tiles; up to 16 wait.
    i : In(PlacedValue) of each row
        Values of the rows.
    write : Out(result_write(words))
        To the result buffer.
    written : Out(1)
        All words of a block are in the result buffer from the next cycle on.
    done : Out(1)
        With ``written``: the block was the last of an instruction.
    overrun : Out(1)
        A block left the result buffer, which is untouched there; holds.
    pc : Out(24)
        The instruction of the block that is in work; it does not change before the last ``overrun`` of it is there.
    busy : Out(1)
        A block is in work or waits.
    """

    def __init__(self, *, rows: int, words: int, places: int) -> None:
        self._rows, self._words, self._places = rows, words, places
        super().__init__(
            {
                "block": In(stream.Signature(result_block(words))),
                "i": In(PlacedValue).array(rows),
                "write": Out(result_write(words)),
                "written": Out(1),
                "done": Out(1),
                "overrun": Out(1),
                "pc": Out(PC_BITS),
                "busy": Out(1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        """Place the lanes, then walk rows and words of a block."""
        m = Module()
        m.submodules.blocks = blocks = Fifo(result_block(self._words), depth=_BLOCKS, style="distributed")
        wiring.connect(m, wiring.flipped(self.block), blocks.i)
        lanes = [CollectorLane(places=self._places) for _ in range(self._rows)]
        reset: Value = ResetSignal()
        for row, lane in enumerate(lanes):
            place(m, platform, f"collector_lane_p{self._places}", lane, f"lane_{row}", reset=reset)
            reset = register(m, reset, f"reset_{row}")  # Hops, so that it drives one lane at a time.
            m.d.comb += lane.i.eq(self.i[row])
        active, step, leave = Signal(), Signal(), Signal()
        zero, ending = Signal(reset_less=True), Signal(reset_less=True)
        at = Signal(self._rows, reset_less=True)  # A bit for the row.
        ready = Cat(lane.some for lane in lanes) & at
        walk = _Walk()
        m.d.comb += [
            self.busy.eq(active | blocks.o.valid),
            blocks.o.ready.eq(~active),
            step.eq(active & ~walk.over & (zero | ready.any())),
            leave.eq(active & walk.over),
            *(lane.take.eq(step & ~zero & bit) for lane, bit in zip(lanes, at, strict=True)),
        ]
        with m.If(~active):
            block = blocks.o.p
            m.d.sync += [active.eq(blocks.o.valid), zero.eq(block.zero), ending.eq(block.last), self.pc.eq(block.pc)]
            m.d.sync += at.eq(1)
            walk.begin(m, block)
        with m.If(leave):
            m.d.sync += active.eq(0)
        with m.If(step):
            walk.step(m)
            with m.If(walk.final):
                m.d.sync += at.eq(at << 1)
        self._write(m, walk, ~active & blocks.o.valid, step)
        m.d.comb += self.write.data.eq(register(m, either(lane.o for lane in lanes), "written_data"))
        m.d.sync += [self.written.eq(leave), self.done.eq(leave & ending)]
        return m

    def _write(self, m: Module, walk: _Walk, begin: Value, step: Signal) -> None:
        """Follow the walk a cycle later with the word and its strobes; leave out what lies behind the buffer."""
        stepped, beyond = Signal(), Signal()
        m.d.sync += stepped.eq(step)
        strobe = walk.follow(m, register(m, begin, "begun"), stepped)
        m.d.comb += beyond.eq(stepped & (walk.word >= self._words))
        with m.If(beyond):
            m.d.sync += self.overrun.eq(1)
        strobes = Signal(GRANULES)
        m.d.sync += strobes.eq(Mux(stepped & ~beyond, strobe, 0))
        m.d.comb += [
            self.write.strobe.eq(strobes),
            self.write.word.eq(register(m, walk.word[: len(self.write.word)], "written_word")),
        ]


class _Walk:
    """Where the walk over the words of a block is: what is left of the row and of the block.

    ``over`` says that no row is left, ``final`` that this word is the last one of its row. ``word`` is the address, and
    follows a cycle later, so that the decision to step drives little.
    """

    def __init__(self) -> None:
        self.word, self._line = (Signal(_WALK_BITS, name=name, reset_less=True) for name in ("at_word", "at_line"))
        self._pitch = Signal(BLOCK_PITCH_BITS, name="pitch", reset_less=True)
        self._words, self._left = (Signal(BLOCK_VALUE_BITS, name=name, reset_less=True) for name in ("words", "left"))
        self._rows = Signal(BLOCK_ROW_BITS, name="rows_left", reset_less=True)
        self._first, self.over = Signal(name="first", reset_less=True), Signal(name="over", reset_less=True)
        self._start, self._stop = (Signal(GRANULES, name=name, reset_less=True) for name in ("start", "stop"))
        self.final = Signal(name="final")

    def begin(self, m: Module, block: Any) -> None:
        """Go to the first word of a block."""
        end = Signal(BLOCK_VALUE_BITS + 1)  # Values from the start of the first word to the last value.
        m.d.comb += end.eq(block.values + block.place - 1)
        m.d.sync += [
            self._line.eq(block.word),
            *(signal.eq(end[4:]) for signal in (self._words, self._left)),
            self._pitch.eq(block.pitch),
            self._rows.eq(block.rows),
            self.over.eq(block.rows == 0),
            self._start.eq(((1 << GRANULES) - 1) << block.place),
            self._stop.eq((2 << end[:4]) - 1),
        ]

    def step(self, m: Module) -> None:
        """Go to the next word, or to the next row."""
        m.d.sync += self._left.eq(self._left - 1)
        with m.If(self.final):
            m.d.sync += [
                self._left.eq(self._words),
                self._rows.eq(self._rows - 1),
                self.over.eq(self._rows == 1),
            ]

    def follow(self, m: Module, begun: Signal, stepped: Signal) -> Value:
        """Take the step of the cycle before; gives the values of its word that belong to the row."""
        m.d.comb += self.final.eq(self._left == 0)
        final = register(m, self.final, "final_late")
        following = Signal(_WALK_BITS)
        m.d.comb += following.eq(self._line + self._pitch)
        with m.If(begun):
            m.d.sync += [self.word.eq(self._line), self._first.eq(1)]
        with m.If(stepped):
            m.d.sync += [self.word.eq(self.word + 1), self._first.eq(final)]
            with m.If(final):
                m.d.sync += [signal.eq(following) for signal in (self.word, self._line)]
        begins, ends = (~self._first).replicate(GRANULES), (~final).replicate(GRANULES)
        return (self._start | begins) & (self._stop | ends)
