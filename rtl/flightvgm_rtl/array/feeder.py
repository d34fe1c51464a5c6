"""The feeder: turns tiles into one command a cycle for the banks of both sides."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from flightvgm_rtl.array.ports import FEED_BITS, Mode, tag, tile
from flightvgm_rtl.buffers.bank import ALL_VALUES, command

WORD_BYTES = 32


def started(layout: data.StructLayout) -> data.StructLayout:
    """A tile's tag when its first feed is issued."""
    return data.StructLayout({"valid": 1, "tag": layout})


class Feeder(wiring.Component):
    """Feed tiles, one piece of all rows and columns in a cycle, without a stall inside a tile.

    The feeds of a tile are consecutive; those of the next tile begin at once, or later so that its *last* feed is at
    least ``max(interval, least)`` cycles behind the last feed of this one: so results of two tiles never meet in the
    drain. Tiles of equal size follow each other every ``max(feeds, interval)`` cycles. A word is read when a feed needs
    its first piece. An INT8 tile reads the line of scales, biases and corrections in the first cycle that reads no
    word; where there is none (at most two feeds), one cycle without a feed follows.

    A tile is taken one ahead; it starts when ``i_allow`` is high, so whoever reserves room for results looks at the
    order of tiles. The first command leaves two cycles after the transfer at the earliest.

    Parameters
    ----------
    a_words, b_words : int
        Words of a bank of A and of B.
    depth : int
        Slices of the cascade: 1, 2 or 4.
    least : int
        Least cycles between the last feeds of two tiles: the columns of a segment.

    Members
    -------
    i : In(stream.Signature(tile(a_words, b_words)))
    i_allow : In(1)
        The next tile may start.
    o_a, o_b : Out(command(...))
        Commands for bank 0 of A and of B.
    o_start : Out(started(tag()))
        The tag, once for each tile.
    active : Out(1)
        A command was issued.
    """

    def __init__(self, *, a_words: int, b_words: int, depth: int, least: int) -> None:
        if depth not in {1, 2, 4}:
            raise ValueError(f"depth is {depth}; words of 32 bytes are cut for 1, 2 or 4")
        self._a_words, self._b_words, self._depth, self._least = a_words, b_words, depth, least
        self._tile = tile(a_words, b_words)
        super().__init__(
            {
                "i": In(stream.Signature(self._tile)),
                "i_allow": In(1),
                "o_a": Out(command(a_words)),
                "o_b": Out(command(b_words)),
                "o_start": Out(started(tag())),
                "active": Out(1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        """Hold the next tile, start it in time, and step through its feeds."""
        m = Module()
        tile_next, waiting, begin = Signal(self._tile, reset_less=True), Signal(), Signal()
        m.d.comb += self.i.ready.eq(~waiting | begin)
        with m.If(self.i.ready):
            m.d.sync += waiting.eq(self.i.valid)
        with m.If(self.i.valid & self.i.ready):
            m.d.sync += tile_next.eq(self.i.p)
            with m.If(self.i.p.interval < self._least):
                m.d.sync += tile_next.interval.eq(self._least)
        m.d.comb += self.o_start.tag.eq(tile_next.tag)
        m.d.comb += self.o_start.valid.eq(begin)
        run, final = Signal(), Signal()  # A tile is fed, and this is its last feed.
        in_time = self._in_time(m, tile_next, begin)
        blocked = self._feed(m, tile_next, begin, run, final)
        m.d.comb += begin.eq(waiting & self.i_allow & in_time & (~run | final) & ~blocked)
        return m

    def _in_time(self, m: Module, tile_next: Any, begin: Signal) -> Signal:
        """Whether the last feed of the next tile, if it starts in the next cycle, comes late enough."""
        gap = Signal(FEED_BITS + 1)  # Cycles until the next tile may have its last feed.
        in_time = Signal()
        m.d.comb += in_time.eq(gap <= tile_next.feeds)
        with m.If(begin):
            m.d.sync += gap.eq(tile_next.feeds + tile_next.interval - 1)
        with m.Elif(gap != 0):
            m.d.sync += gap.eq(gap - 1)
        return in_time

    def _feed(self, m: Module, tile_next: Any, begin: Signal, run: Signal, final: Signal) -> Signal:
        """Step through a tile; gives whether its metadata must still be read after this cycle."""
        now = Signal(self._tile, reset_less=True)  # The tile that is fed: words, pieces and feeds count.
        first, meta_wanted = Signal(), Signal()
        a_read, b_read, meta, blocked = Signal(), Signal(), Signal(), Signal()
        last_piece = WORD_BYTES // (4 * self._depth) - 1
        m.d.comb += [
            a_read.eq(run & (first | (now.a_piece == 0))),
            b_read.eq(run & (first | (now.b_piece == 0))),
            meta.eq(meta_wanted & ~b_read),
            blocked.eq(meta_wanted & b_read),
        ]
        with m.If(run):
            m.d.sync += [now.feeds.eq(now.feeds - 1), final.eq(now.feeds == 2), first.eq(0)]
            for side in ("a", "b"):
                word, piece = now[f"{side}_word"], now[f"{side}_piece"]
                with m.If(piece == last_piece):
                    m.d.sync += [piece.eq(0), word.eq(word + 1)]
                with m.Else():
                    m.d.sync += piece.eq(piece + 1)
            with m.If(final):
                m.d.sync += run.eq(0)
        with m.If(meta):
            m.d.sync += meta_wanted.eq(0)
        with m.If(begin):
            m.d.sync += [
                now.eq(tile_next),
                run.eq(1),
                first.eq(1),
                final.eq(tile_next.feeds == 1),
                meta_wanted.eq(tile_next.mode == Mode.INT8),
            ]
            with m.If(tile_next.from_p):
                m.d.sync += [now.a_word.eq(0), now.a_piece.eq(0)]
        self._command(m, now, run, first, final, meta)
        m.d.sync += [self.o_a.read.eq(a_read), self.o_b.read.eq(b_read)]
        return blocked

    def _command(self, m: Module, now: Any, run: Signal, first: Signal, final: Signal, meta: Signal) -> None:
        """Register what both sides are told."""
        m.d.sync += [
            self.o_a.valid.eq(run),
            self.o_b.valid.eq(run),
            self.o_b.meta.eq(meta),
            self.active.eq(run),
        ]
        with m.If(run | meta):
            for side, out in (("a", self.o_a), ("b", self.o_b)):
                m.d.sync += [
                    out.mode.eq(now.mode),
                    out.first.eq(first),
                    out.last.eq(final),
                    out.word.eq(now[f"{side}_word"]),
                    out.piece.eq(now[f"{side}_piece"]),
                    out.entry.eq(now[f"{side}_entry"]),
                    out.count.eq(Mux(final, now.tail, ALL_VALUES)),
                ]
            m.d.sync += [self.o_a.from_p.eq(now.from_p), self.o_a.slot.eq(now.p_slot), self.o_b.half.eq(now.b_half)]
            with m.If(meta):
                m.d.sync += self.o_b.word.eq(now.b_entry)
