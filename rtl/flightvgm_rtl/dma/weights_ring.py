"""The ring of weight tiles in B: beats go in, complete tiles come out."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from flightvgm_rtl.array.ring import RingPort
from flightvgm_rtl.buffers.ports import Kind, operand_write
from flightvgm_rtl.control.commands import PC_BITS
from flightvgm_rtl.dma.ports import ADDRESS_BITS, Answer, Beat
from flightvgm_rtl.dma.weights_check import ring
from flightvgm_rtl.lib.fault import Fault

Entry = data.StructLayout({"address": ADDRESS_BITS, "pc": PC_BITS, "last": 1, "void": 1})
"""A tile that was asked for: where it lies in memory, and whether it ends its LOADW; a void one stands for a LOADW
without tiles.
"""
_SETTLE = 8  # Cycles from a write's transfer until the array may read what it wrote.


class WeightsRing(wiring.Component):
    """Write tiles to the slots of the ring, as these become free, and offer the oldest.

    Beat number ``n`` of a tile holds line ``n div (columns / 2)`` of two columns. A tile's first beat waits for a
    free slot. A beat moves in each cycle in which both sides are ready. A tile is complete ``8`` cycles behind its
    last write.

    Parameters
    ----------
    columns, words : int
        Banks of B, and words of 32 bytes of a bank.

    Members
    -------
    ring : In
        The ring; constant while it holds tiles.
    begin : In(1)
        The ring changes with the next cycle: its next tile goes to slot 0.
    entry : In(stream.Signature(Entry))
        Tiles in their order.
    beat : In(stream.Signature(Beat))
        Their content, a request a tile.
    write : Out(stream.Signature(operand_write(columns, words)))
    tiles : In(RingPort(2 * words))
    done : Out(1)
        Pulse: the last tile of a LOADW is complete.
    failed : Out(Fault)
        A beat had an error: ``code`` is an ``Answer``; it holds, and nothing is written any more.
    busy : Out(1)
    """

    def __init__(self, *, columns: int, words: int) -> None:
        self._pairs = columns // 2
        self._write = operand_write(columns, words)
        self._lines = range(2 * words)
        super().__init__(
            {
                "ring": In(ring(words)),
                "begin": In(1),
                "entry": In(stream.Signature(Entry)),
                "beat": In(stream.Signature(Beat)),
                "write": Out(stream.Signature(self._write)),
                "tiles": In(RingPort(2 * words)),
                "done": Out(1),
                "failed": Out(Fault),
                "busy": Out(1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        """Write side, events behind it, read side."""
        m = Module()
        started, ended, settled = Signal(), Signal(), Signal()
        place = self._slot(m, ended, "next")
        used, complete = Signal(8), Signal(8)
        m.d.sync += [
            used.eq(used + started - self.tiles.release),
            complete.eq(complete + settled - self.tiles.take),
        ]
        m.d.comb += [
            self.tiles.valid.eq(complete != 0),
            self.tiles.place.eq(self._slot(m, self.tiles.take, "oldest")),
            self.tiles.bytes.eq(self.ring.bytes),
        ]
        free, began = Signal(), Signal()  # ``free`` is a cycle behind ``used``.
        m.d.sync += [free.eq(used != self.ring.depth), began.eq(started)]
        self._fill(m, place, free & ~began, started, ended, settled)
        return m

    def _slot(self, m: Module, step: Value, name: str) -> Signal:
        """First line of a slot, which moves on round the ring."""
        place, number = Signal(self._lines, name=f"{name}_place"), Signal(8, name=f"{name}_number")
        changed = Signal(name=f"{name}_changed")
        m.d.sync += changed.eq(self.begin)  # The ring changes in the cycle behind it.
        with m.If(changed):
            m.d.sync += [place.eq(self.ring.first), number.eq(0)]
        with m.Elif(step):
            with m.If(number + 1 == self.ring.depth):
                m.d.sync += [place.eq(self.ring.first), number.eq(0)]
            with m.Else():
                m.d.sync += [place.eq(place + self.ring.lines), number.eq(number + 1)]
        return place

    def _fill(self, m: Module, place: Signal, free: Value, started: Signal, ended: Signal, settled: Signal) -> None:
        """Pass beats on as writes, and tell when they have happened."""
        entry, beat = self.entry.payload, self.beat.payload
        going, take, void, bad = Signal(), Signal(), Signal(), Signal()
        pair, line = Signal(range(max(2, self._pairs))), Signal(self._lines)
        round_ends, target = Signal(), Signal(self._lines)
        valid, write = Signal(), self.write.payload
        bank, at, content = (Signal.like(value, reset_less=True) for value in (pair, target, beat.data))
        tile_ends, load_ends = Signal(), Signal()
        m.d.comb += [
            bad.eq(beat.error != Answer.OK),
            void.eq(self.entry.valid & entry.void & ~valid),
            self.beat.ready.eq(
                self.entry.valid & ~entry.void & (going | free) & (~valid | self.write.ready) & ~self.failed.valid
            ),
            take.eq(self.beat.valid & self.beat.ready),
            started.eq(take & ~going),
            ended.eq(take & beat.last & ~bad),
            self.entry.ready.eq(void | ended),
            round_ends.eq(pair == self._pairs - 1),
            target.eq(place + line),
            self.write.valid.eq(valid),
            write.kind.eq(Kind.PAIR),
            write.bank.eq(bank << 1),
            write.word.eq(at >> 1),
            write.data.eq(content),
            write.strobe.eq(Mux(at[0], 0xFF00, 0x00FF)),
        ]
        with m.If(take & bad):
            m.d.sync += [
                self.failed.valid.eq(1),
                self.failed.code.eq(beat.error),
                self.failed.pc.eq(entry.pc),
                self.failed.address.eq(entry.address),
            ]
        half = len(content) // 2  # Each half has its own enable, so that neither drives too many loads.
        with m.If(take):
            m.d.sync += content[:half].eq(beat.data)
        with m.If(~valid | self.write.ready):
            m.d.sync += content[half:].eq(beat.data[half:])
        with m.If(take & ~bad):
            m.d.sync += [
                valid.eq(1),
                going.eq(~beat.last),
                pair.eq(Mux(round_ends, 0, pair + 1)),
                line.eq(Mux(beat.last, 0, line + round_ends)),
                bank.eq(pair),
                at.eq(target),
                tile_ends.eq(beat.last),
                load_ends.eq(beat.last & entry.last),
            ]
        with m.Elif(self.write.ready):
            m.d.sync += valid.eq(0)
        tiles, loads, left = Signal(_SETTLE), Signal(_SETTLE), Signal()
        m.d.comb += [left.eq(valid & self.write.ready), settled.eq(tiles[-1]), self.done.eq(loads[-1])]
        m.d.sync += [
            tiles.eq(Cat(left & tile_ends, tiles[:-1])),
            loads.eq(Cat((left & load_ends) | void, loads[:-1])),
        ]
        m.d.comb += self.busy.eq(self.entry.valid | valid | (loads != 0))
