"""Words of all rows on their way to the result buffer."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Array, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from flightvgm_rtl.buffers.collector_lane import CollectorLane, PlacedValue
from flightvgm_rtl.buffers.ports import GRANULES, WORD_BITS
from flightvgm_rtl.lib.fifo import Fifo
from flightvgm_rtl.lib.pipeline import register
from flightvgm_rtl.lib.unit import place

BLOCK_ROW_BITS = 7
BLOCK_VALUE_BITS = 16
BLOCK_PITCH_BITS = 16
_BLOCKS = 16
_WALK_BITS = BLOCK_PITCH_BITS + BLOCK_ROW_BITS + 1  # So that a block that leaves the buffer is seen.


def result_block(words: int) -> data.StructLayout:
    """Layout of what a tile writes: ``rows`` rows of ``values`` values.

    The first value goes to byte ``out``, which is even; rows lie ``pitch`` words apart. ``zero`` writes zeros that
    no lane sends. ``last`` ends an instruction. No rows write nothing.
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
        All words of a block are in the result buffer.
    done : Out(1)
        With ``written``: the block was the last of an instruction.
    overrun : Out(1)
        A block left the result buffer, which is untouched there; holds.
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
                "busy": Out(1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        """Place the lanes, then walk rows and words of a block."""
        m = Module()
        m.submodules.blocks = blocks = Fifo(result_block(self._words), depth=_BLOCKS, style="distributed")
        wiring.connect(m, wiring.flipped(self.block), blocks.i)
        lanes = [CollectorLane(places=self._places) for _ in range(self._rows)]
        for row, lane in enumerate(lanes):
            place(m, platform, f"collector_lane_p{self._places}", lane, f"lane_{row}")
            m.d.comb += lane.i.eq(self.i[row])
        active = Signal()
        current = Signal(result_block(self._words), reset_less=True)
        m.d.comb += [self.busy.eq(active | blocks.o.valid), blocks.o.ready.eq(~active)]
        address = Signal(_WALK_BITS, reset_less=True)
        # ``current.zero`` for the data alone, which is load enough.
        blank = Signal(reset_less=True, attrs={"keep": "true"})
        with m.If(~active):
            m.d.sync += [current.eq(blocks.o.p), address.eq(blocks.o.p.word), active.eq(blocks.o.valid)]
            m.d.sync += blank.eq(blocks.o.p.zero)
        self._walk(m, lanes, active, current, address, blank)
        return m

    def _walk(
        self, m: Module, lanes: list[CollectorLane], active: Signal, current: Any, address: Signal, blank: Signal
    ) -> None:
        """Write a word in each cycle in which its lane has one."""
        row = Signal(range(self._rows + 1))
        index = Signal(BLOCK_VALUE_BITS)
        end = Signal(BLOCK_VALUE_BITS + 1)  # Values from the start of the first word to the last value.
        m.d.comb += end.eq(current.values + current.place - 1)
        have, step, first, final, leave = (Signal(name=name) for name in ("have", "step", "first", "final", "leave"))
        m.d.comb += [
            have.eq(current.zero | Array(lane.o.valid for lane in lanes)[row]),
            step.eq(active & have & (row != current.rows)),
            first.eq(index == 0),
            final.eq(index == end[4:]),
            leave.eq(active & (row == current.rows)),
        ]
        for number, lane in enumerate(lanes):
            m.d.comb += lane.o.ready.eq(step & ~current.zero & (row == number))
        start = Signal(GRANULES)
        stop = Signal(GRANULES)
        m.d.comb += [
            start.eq(Mux(first, ((1 << GRANULES) - 1) << current.place, (1 << GRANULES) - 1)),
            stop.eq(Mux(final, (2 << end[:4]) - 1, (1 << GRANULES) - 1)),
        ]
        word = Signal(_WALK_BITS)
        beyond = Signal()
        m.d.comb += [word.eq(address + index), beyond.eq(step & (word >= self._words))]
        with m.If(beyond):
            m.d.sync += self.overrun.eq(1)
        strobe = Signal(GRANULES)
        m.d.comb += self.write.strobe.eq(strobe)
        m.d.sync += [
            strobe.eq(Mux(step & ~beyond, start & stop, 0)),
            self.written.eq(leave),
            self.done.eq(leave & current.last),
        ]
        data = Mux(blank, 0, Array(lane.o.p for lane in lanes)[row])
        m.d.comb += [
            self.write.word.eq(register(m, word[: len(self.write.word)], "written_word")),
            self.write.data.eq(register(m, data, "written_data")),
        ]
        with m.If(step):
            m.d.sync += index.eq(Mux(final, 0, index + 1))
            with m.If(final):
                m.d.sync += [row.eq(row + 1), address.eq(address + current.pitch)]
        with m.If(leave):
            m.d.sync += [active.eq(0), row.eq(0)]
