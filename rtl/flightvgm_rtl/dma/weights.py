"""Weight unit: LOADW appends weight tiles to the ring in B."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from flightvgm_rtl.array.ring import RingPort
from flightvgm_rtl.buffers.ports import operand_write
from flightvgm_rtl.control.commands import command
from flightvgm_rtl.dma.answers import error_code
from flightvgm_rtl.dma.ports import ADDRESS_BITS, ReadPort
from flightvgm_rtl.dma.weights_check import SIZE_BITS, WeightsCheck
from flightvgm_rtl.dma.weights_ring import Entry, WeightsRing
from flightvgm_rtl.lib.fault import Fault
from flightvgm_rtl.lib.fifo import Fifo
from flightvgm_rtl.lib.reset import add_with_own_reset

_ASKED = 16  # Tiles that are asked for and not yet complete.
_TILES_BITS = 18  # Tiles that MM has not taken: those of a LOADW, and what went before.
_HALF = 20  # Bits of the lower part of an address.


class WeightsUnit(wiring.Component):
    """Execute LOADW.

    Tiles are asked for one by one, without regard to free slots: the read engine's FIFO holds what comes early. They
    are written in order, a beat a cycle, each when its slot is free. The next LOADW begins when all tiles of the one
    before it are asked for; with another ring, depth or size of tiles it waits until MM has released all. ``done``
    comes when the last tile is on chip.

    Faults: MISALIGNED, FIELD_RANGE, BUFFER_OVERRUN and RING_MISMATCH before the first access, with the source as
    address; those of memory with the address of their tile.

    Parameters
    ----------
    columns : int
        Columns of the array; even.
    b_bytes : int
        Size of buffer B, which ends with its last whole round of the banks.

    Members
    -------
    command : In(stream.Signature(command("weights")))
    done : Out(1)
    fault : Out(Fault)
    busy, active : Out(1)
    read : Out(ReadPort())
    write : Out(stream.Signature(operand_write(columns, b_bytes // (32 * columns))))
    tiles : In(RingPort(2 * words))
        Complete tiles for the matrix unit.
    empty : Out(1)
        All tiles were released: MM has taken all, and reads none any more.
    ring_low, ring_high : Out
        The ring in bytes of B; of meaning while it is not empty.
    """

    def __init__(self, *, columns: int, b_bytes: int) -> None:
        self._columns, self._words = columns, b_bytes // (32 * columns)
        super().__init__(
            {
                "command": In(stream.Signature(command("weights"))),
                "done": Out(1),
                "fault": Out(Fault),
                "busy": Out(1),
                "active": Out(1),
                "read": Out(ReadPort()),
                "write": Out(stream.Signature(operand_write(columns, self._words))),
                "tiles": In(RingPort(2 * self._words)),
                "empty": Out(1),
                "ring_low": Out(SIZE_BITS),
                "ring_high": Out(SIZE_BITS + 1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        """Check a command, wait for its ring, and ask for its tiles."""
        m = Module()
        check = WeightsCheck(columns=self._columns, words=self._words)
        tiles = WeightsRing(columns=self._columns, words=self._words)
        add_with_own_reset(m, "check", check)
        add_with_own_reset(m, "tiles", tiles)
        m.submodules.entries = entries = Fifo(Entry, depth=_ASKED, style="distributed")
        now, current = Signal(command("weights"), reset_less=True), Signal.like(check.ring)
        connect(m, entries.o, tiles.entry)
        connect(m, tiles.write, flipped(self.write))
        connect(m, flipped(self.tiles), tiles.tiles)
        m.d.comb += [
            check.fields.eq(now.body.loadw),
            tiles.ring.eq(current),
            tiles.beat.valid.eq(self.read.beat.valid),
            tiles.beat.payload.eq(self.read.beat.payload),
            self.read.beat.ready.eq(tiles.beat.ready),
            self.ring_low.eq(current.low),
            self.ring_high.eq(current.high),
            self.done.eq(tiles.done),
        ]
        m.d.sync += self.active.eq(self.read.beat.valid & self.read.beat.ready)
        self._control(m, now, current, check, tiles, entries)
        return m

    def _control(
        self, m: Module, now: Any, current: Any, check: WeightsCheck, tiles: WeightsRing, entries: Fifo
    ) -> None:
        """Take commands one after another; the first fault holds."""
        fields, waiting = now.body.loadw, Signal(_TILES_BITS)
        running, asking, append, void, asked_all, same = (Signal() for _ in range(6))
        checked = Signal()  # A cycle behind the check, when `same` holds for its ring.
        ready = running & ~asking & checked & ~self.fault.valid
        m.d.comb += [
            self.command.ready.eq(~running & ~self.fault.valid),
            check.start.eq(self.command.valid & self.command.ready),
            void.eq(ready & check.nothing & entries.i.ready),
            append.eq(ready & ~check.nothing & (check.code == 0) & (same | (waiting == 0))),
            tiles.begin.eq(append & ~same),
            self.empty.eq(waiting == 0),
            self.busy.eq(running | tiles.busy),
        ]
        m.d.sync += [
            same.eq(check.ring == current),
            checked.eq(check.valid & ~check.start),
            waiting.eq(waiting + Mux(append, fields.tiles, 0) - self.tiles.release),
        ]
        with m.If(check.start):
            m.d.sync += [now.eq(self.command.payload), running.eq(1)]
        with m.Elif(void | asked_all):
            m.d.sync += running.eq(0)
        with m.If(append):
            m.d.sync += [current.eq(check.ring), asking.eq(1)]
        with m.Elif(asked_all):
            m.d.sync += asking.eq(0)
        self._ask(m, now, append, asking, asked_all, void, entries)
        with m.If(~self.fault.valid):
            with m.If(tiles.failed.valid):
                m.d.sync += [self.fault.eq(tiles.failed), self.fault.code.eq(error_code(tiles.failed.code[:2]))]
            with m.Elif(ready & ~check.nothing & (check.code != 0)):
                m.d.sync += [
                    self.fault.valid.eq(1),
                    self.fault.code.eq(check.code),
                    self.fault.pc.eq(now.pc),
                    self.fault.address.eq(fields.source),
                ]

    def _ask(
        self, m: Module, now: Any, append: Signal, asking: Signal, asked_all: Signal, void: Signal, entries: Fifo
    ) -> None:
        """Request tile by tile; the address of the next one takes two cycles."""
        fields, request, entry = now.body.loadw, self.read.request, entries.i.payload
        address, low = Signal(ADDRESS_BITS, reset_less=True), Signal(_HALF + 1, reset_less=True)
        left, pause, asked = Signal(16), Signal(2), Signal()
        offer = asking & (pause == 0)
        m.d.comb += [
            request.valid.eq(offer & entries.i.ready),
            request.payload.address.eq(address),
            request.payload.beats.eq(fields.tile_bytes >> 5),
            asked.eq(offer & entries.i.ready & request.ready),
            asked_all.eq(asked & (left == 1)),
            entries.i.valid.eq(asked | void),
            entry.address.eq(address),
            entry.pc.eq(now.pc),
            entry.last.eq(left == 1),
            entry.void.eq(void),
        ]
        m.d.sync += [low.eq(address[:_HALF] + fields.tile_bytes[:_HALF]), pause.eq(Cat(asked, pause[0]))]
        with m.If(append):
            m.d.sync += [address.eq(fields.source), left.eq(fields.tiles)]
        with m.Elif(asked):
            m.d.sync += left.eq(left - 1)
        with m.If(pause[1]):
            high = address[_HALF:] + fields.tile_bytes[_HALF:] + low[_HALF]
            m.d.sync += address.eq(Cat(low[:_HALF], high[: ADDRESS_BITS - _HALF]))
