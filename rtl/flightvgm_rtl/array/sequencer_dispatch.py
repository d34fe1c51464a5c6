"""The gate between planned tiles and the feeder: a tile passes when all that it needs is there."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from flightvgm_rtl.array.ports import TileKind, tile
from flightvgm_rtl.array.ring import TILE_BYTE_BITS, RingPort
from flightvgm_rtl.array.sequencer_ports import KEY_BITS, LINE_BITS, Shape, fill, plan
from flightvgm_rtl.buffers.collector import result_block
from flightvgm_rtl.control.commands import PC_BITS
from flightvgm_rtl.lib.fifo import Fifo
from flightvgm_rtl.lib.pipeline import delay

SCORE_SLOTS = 3
_IN_FLIGHT = 32
_BLOCKS = 16  # That the collector takes without a wait.
_LINE_BYTES = 16

Item = data.StructLayout({"valid": 1, "keys": KEY_BITS})
"""Pulse: the scores of R rows begin, with so many keys."""


class Dispatch(wiring.Component):
    """Let tiles pass, in order, one in two cycles at most: what a tile needs is looked at in the cycle before.

    A tile with results waits for room in the lanes of the collector; the first one on a weight tile for that; the
    first one of scores for a slot of scores, and of P V for the probabilities. Tiles without GELU wait until those
    with it have been written, as these take longer. What a tile used is given back when its last result leaves the
    drain.

    Parameters
    ----------
    shape : Shape
    places : int
        Words that a lane of the collector holds.

    Members
    -------
    i : In(stream.Signature(plan(shape)))
    o : Out(stream.Signature(tile(...)))
    block : Out(stream.Signature(result_block(...)))
        Where the results go; taken at once.
    written : In(1)
        A block was written.
    drained : In(1) of each segment
        The last result of a tile in row 0 leaves the drain here.
    ring : Out(RingPort(...))
    item : Out(Item)
    scores_free : In(1)
        A slot of scores was read.
    p_ready : In(1)
        Probabilities are complete.
    p_free : Out(1)
        Probabilities are no longer read.
    mismatch : Out(1)
        The next weight tile has another size; holds.
    pc : Out(24)
        The instruction of the tile that waits.
    busy : Out(1)
        Tiles or blocks are in work.
    """

    def __init__(self, *, shape: Shape, places: int) -> None:
        self._shape = shape
        most = -(-shape.columns // 16) + 1  # Words of a row of a tile, wherever it begins.
        self._credits = min(places // most, _BLOCKS)
        super().__init__(
            {
                "i": In(stream.Signature(plan(shape))),
                "o": Out(stream.Signature(tile(shape.a_words, shape.b_words))),
                "block": Out(stream.Signature(result_block(shape.result_words))),
                "written": In(1),
                "drained": In(shape.segments),
                "ring": Out(RingPort(2 * shape.b_words)),
                "item": Out(Item),
                "scores_free": In(1),
                "p_ready": In(1),
                "p_free": Out(1),
                "mismatch": Out(1),
                "pc": Out(PC_BITS),
                "busy": Out(1),
            }
        )

    def elaborate(self, _platform: Any) -> Module:
        """Wait for what a tile needs, send it with its block, note it."""
        m = Module()
        kind = self.i.p.tile.tag.kind
        blocks = Signal(range(_BLOCKS + 1))
        score, value, weights = Signal(), Signal(), Signal()
        m.d.comb += [
            score.eq((kind == TileKind.SCORE) & ~self.i.p.empty),
            value.eq((kind == TileKind.PV) & ~self.i.p.empty),
            weights.eq((kind == TileKind.MM8) & ~self.i.p.empty),
        ]
        ready, sent = Signal(), Signal()
        begins = Signal()  # The first tile that uses something is sent.
        m.d.comb += begins.eq(sent & self.i.p.first)
        slots = self._count(m, "slots", SCORE_SLOTS, up=self.scores_free, down=begins & score)
        prepared = self._count(m, "prepared", 0, up=self.p_ready, down=begins & value)
        have = self._ring(m, weights & self.i.valid & self.i.p.first & ready, sent)
        gelu_before = Signal()
        room, in_flight = self._in_flight(m, sent)
        allowed = Signal()  # Of the tile that waits; what it needs stays there, as nobody else takes it.
        m.d.sync += allowed.eq(self.i.valid & ready & (~(weights & self.i.p.first) | have) & ~sent)
        m.d.comb += [
            ready.eq(
                room
                & (score | (blocks != self._credits))
                & ~(score & self.i.p.first & (slots == 0))
                & ~(value & self.i.p.first & (prepared == 0))
                & ~(gelu_before & ~self.i.p.tile.tag.gelu & (blocks != 0))
            ),
            self.o.valid.eq(allowed & ~self.i.p.empty),
            sent.eq(allowed & (self.o.ready | self.i.p.empty)),
            self.i.ready.eq(sent),
            self.busy.eq((blocks != 0) | in_flight),
            self.item.valid.eq(begins & score),
            self.item.keys.eq(self.i.p.values[:KEY_BITS]),
            self.pc.eq(self.i.p.pc),
        ]
        with m.If(sent):
            m.d.sync += gelu_before.eq(self.i.p.tile.tag.gelu)
        block_sent = sent & ~score
        m.d.sync += blocks.eq(blocks + block_sent - self.written)
        self._block(m, block_sent)
        return m

    @staticmethod
    def _count(m: Module, name: str, init: int, *, up: Any, down: Any) -> Signal:
        """Count of what is there, 3 at most."""
        count = Signal(range(SCORE_SLOTS + 1), init=init, name=name)
        m.d.sync += count.eq(count + up - down)
        return count

    def _ring(self, m: Module, wanted: Any, sent: Signal) -> Signal:
        """Take a weight tile, and fill its place into the tiles that use it; gives whether it was taken."""
        have = Signal()
        line, end = (Signal(range(2 * self._shape.b_words), name=name, reset_less=True) for name in ("line", "end"))
        expected = Signal(TILE_BYTE_BITS, reset_less=True)
        m.d.sync += expected.eq((self.i.p.lines + 1) * (_LINE_BYTES * self._shape.columns))
        settled = Signal()  # It is wanted, and the expected size is that of this tile.
        m.d.sync += settled.eq(wanted & ~sent)
        with m.If(sent):
            m.d.sync += have.eq(0)
        with m.Elif(settled & ~have & self.ring.valid & ~self.mismatch):
            with m.If(self.ring.bytes == expected):
                m.d.comb += self.ring.take.eq(1)
                m.d.sync += [have.eq(1), line.eq(self.ring.place), end.eq(self.ring.place + self.i.p.lines)]
            with m.Else():
                m.d.sync += self.mismatch.eq(1)
        m.d.comb += self.o.p.eq(self.i.p.tile)
        with m.If(self.i.p.tile.tag.kind == TileKind.MM8):
            half = 4 // self._shape.depth  # Pieces of 16 bytes.
            m.d.comb += fill(
                self.o.p,
                {"b_word": line[1:], "b_piece": Mux(line[0], half, 0), "b_entry": end[1:], "b_half": end[0]},
            )
        return have

    def _in_flight(self, m: Module, sent: Signal) -> tuple[Value, Value]:
        """Note tiles until their results have left; gives whether there is room, and whether there are any.

        Then what they used is given back.

        The last results of tiles come in order in each segment. When that of row 0 comes, the last row and the last
        column are still read.
        """
        layout = data.StructLayout({"weights": 1, "value": 1})
        tag, shape = self.i.p.tile.tag, self._shape
        drained = delay(m, self.drained, max(shape.rows, shape.columns), "drained_late")
        room: list[Value] = []
        some: list[Value] = []
        weights: list[Value] = []
        values: list[Value] = []
        for segment in range(shape.segments):
            m.submodules[f"in_flight_{segment}"] = fifo = Fifo(layout, depth=_IN_FLIGHT, style="distributed")
            here = (tag.high > segment * shape.segment_columns) & (tag.high <= (segment + 1) * shape.segment_columns)
            m.d.comb += [
                fifo.i.valid.eq(sent & ~self.i.p.empty & here),
                fifo.i.p.weights.eq((tag.kind == TileKind.MM8) & self.i.p.final),
                fifo.i.p.value.eq((tag.kind == TileKind.PV) & self.i.p.final),
                fifo.o.ready.eq(drained[segment]),
            ]
            room.append(fifo.i.ready)
            some.append(fifo.level != 0)
            weights.append(drained[segment] & fifo.o.p.weights)
            values.append(drained[segment] & fifo.o.p.value)
        m.d.comb += [self.ring.release.eq(Cat(weights).any()), self.p_free.eq(Cat(values).any())]
        return Cat(room).all(), Cat(some).any()

    def _block(self, m: Module, sent: Any) -> None:
        """Tell the collector where the results go."""
        tag = self.i.p.tile.tag
        m.d.comb += self.block.valid.eq(sent)
        m.d.comb += fill(
            self.block.p,
            {
                "word": tag.out[5:],
                "place": tag.out[1:5],
                "pitch": tag.pitch[5:],
                "rows": tag.rows,
                "values": self.i.p.values,
                "zero": self.i.p.empty,
                "last": tag.last,
                "pc": self.i.p.pc,
            },
        )


assert 1 << LINE_BITS > 8256 // _LINE_BYTES
