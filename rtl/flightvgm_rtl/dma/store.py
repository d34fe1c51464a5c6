"""Store unit: rows of the result buffer to memory, and filling."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from flightvgm_arch.isa import BY_NAME
from flightvgm_rtl.buffers.ports import ResultRead
from flightvgm_rtl.control.commands import PC_BITS, command
from flightvgm_rtl.dma.answers import error_code
from flightvgm_rtl.dma.ports import ADDRESS_BITS, Answer, ReadPort, WritePort
from flightvgm_rtl.dma.store_check import StoreCheck
from flightvgm_rtl.dma.store_words import StoreWords
from flightvgm_rtl.dma.walker import RowWalker
from flightvgm_rtl.lib.fault import Fault
from flightvgm_rtl.lib.fifo import Fifo
from flightvgm_rtl.lib.hold import hold
from flightvgm_rtl.lib.reset import add_with_own_reset

_Written = data.StructLayout({"address": ADDRESS_BITS, "pc": PC_BITS, "last": 1})
_ROWS_MOST = 128  # Requests that wait for their answers.


class StoreUnit(wiring.Component):
    """Execute STORE and FILL.

    STORE writes row ``(o, i)``, ``row_bytes`` from byte ``result + o * result_outer + i * result_pitch`` of the
    result buffer, to the row of memory that :class:`flightvgm_rtl.dma.walker.RowWalker` names, as one request; bytes
    behind it keep their values. FILL writes ``count`` words of 32 bytes as one request. A word moves in each cycle
    in which both sides are ready. The next command begins when the beats of the one before it have left; ``done``
    follows in order, behind the last answer.

    Faults: MISALIGNED, BUFFER_OVERRUN and FIELD_RANGE (rows wider than their pitch) before the first access, with
    the destination as address; those of memory with the address of the row, of the list's word, or of the fill.

    Parameters
    ----------
    result_bytes : int
        Size of the result buffer.

    Members
    -------
    command : In(stream.Signature(command("store")))
    done : Out(1)
    fault : Out(Fault)
    busy, active : Out(1)
    result : Out(ResultRead(result_bytes // 32))
    read : Out(ReadPort())
        The list of rows.
    write : Out(WritePort())
    """

    def __init__(self, *, result_bytes: int) -> None:
        self._bytes = result_bytes
        super().__init__(
            {
                "command": In(stream.Signature(command("store"))),
                "done": Out(1),
                "fault": Out(Fault),
                "busy": Out(1),
                "active": Out(1),
                "result": Out(ResultRead(result_bytes // 32)),
                "read": Out(ReadPort()),
                "write": Out(WritePort()),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        """Check a command, run it, and wait for its answers behind it."""
        m = Module()
        now = Signal(command("store"), reset_less=True)
        row, fill = now.body.store, now.body.fill
        filling = Signal()
        check = StoreCheck(result_bytes=self._bytes)
        add_with_own_reset(m, "check", check)
        words = StoreWords(words=self._bytes // 32)
        add_with_own_reset(m, "words", words)
        walker = RowWalker(lookups=64)
        add_with_own_reset(m, "walker", walker)
        m.submodules.waiting = waiting = Fifo(_Written, depth=_ROWS_MOST, style="distributed")
        m.d.comb += [
            filling.eq(now.opcode == BY_NAME["FILL"].opcode),
            check.filling.eq(filling),
            check.row.eq(row),
            check.fill.eq(fill),
            words.filling.eq(filling),
            words.row.eq(row),
            words.fill.eq(fill),
        ]
        connect(m, words.result, flipped(self.result))
        connect(m, walker.read, flipped(self.read))
        m.d.comb += [
            self.write.beat.valid.eq(words.beat.valid),
            self.write.beat.payload.eq(words.beat.payload),
            words.beat.ready.eq(self.write.beat.ready),
        ]
        astray = self._rows(m, walker, words, waiting, now, filling)
        self._control(m, now, check, words, walker, waiting, astray)
        moved = (words.beat.valid & words.beat.ready) | (self.write.request.valid & self.write.request.ready)
        m.d.sync += self.active.eq(moved | self.write.done.valid)
        return m

    def _rows(
        self, m: Module, walker: RowWalker, words: StoreWords, waiting: Fifo, now: Any, filling: Signal
    ) -> Signal:
        """Request a write for each row, or for the fill; True for a row that has no address."""
        request, rows, entry = self.write.request, walker.o, waiting.i.payload
        asking, fill_asks, ready, astray, asked = (Signal() for _ in range(5))
        job, row = walker.job.payload, now.body.store
        m.d.comb += [
            astray.eq(rows.valid & (rows.payload.error != Answer.OK)),
            fill_asks.eq(words.asking & filling),
            asking.eq(fill_asks | (rows.valid & ~astray)),
            ready.eq(request.ready & waiting.i.ready),
            request.valid.eq(asking & waiting.i.ready),
            request.payload.address.eq(Mux(filling, now.body.fill.to, rows.payload.address)),
            request.payload.beats.eq(Mux(filling, now.body.fill.count, words.row_words)),
            rows.ready.eq(ready & ~astray),
            asked.eq(asking & ready),
            waiting.i.valid.eq(asked),
            entry.address.eq(request.payload.address),
            entry.pc.eq(now.pc),
            entry.last.eq(filling | (rows.payload.flags.inner_last & rows.payload.flags.outer_last)),
            words.asked.eq(asked & entry.last),
            walker.job.valid.eq(words.starting & ~filling),
            words.started.eq(filling | walker.job.ready),
            job.base.eq(row.to),
            job.pitch.eq(row.pitch),
            *(job[name].eq(row[name]) for name in ("start", "count", "stride", "outer", "outer_stride")),
            job.mapped.eq(row.flag_scattered),
            job.map.eq(row.list),
        ]
        return astray

    def _control(
        self,
        m: Module,
        now: Any,
        check: StoreCheck,
        words: StoreWords,
        walker: RowWalker,
        waiting: Fifo,
        astray: Signal,
    ) -> None:
        """Take commands one after another; the first fault holds."""
        answer, head = self.write.done, waiting.o.payload
        failed, empty, idle = Signal(), Signal(), Signal()
        running, ends, fault, valid = Signal(), Signal(), Signal(Fault, reset_less=True), Signal()
        m.d.comb += [
            failed.eq(answer.valid & (answer.error != Answer.OK)),
            waiting.o.ready.eq(answer.valid),
            empty.eq(waiting.level == 0),
            self.busy.eq(running | ~empty),
            words.go.eq(running & check.valid & (check.code == 0) & ~check.nothing & ~valid),
            idle.eq(running & check.valid & check.nothing & empty),
            ends.eq(words.finished | idle),
            self.fault.eq(fault),
            self.fault.valid.eq(valid),
        ]
        m.d.sync += self.done.eq(answer.valid & head.last & ~failed)
        with m.If(self.command.valid & self.command.ready):
            m.d.sync += running.eq(1)
        m.d.comb += [
            self.command.ready.eq(~running & ~valid),
            check.start.eq(self.command.valid & self.command.ready),
        ]
        hold(m, self.command.payload, now.as_value(), taken=check.start, left=ends)
        with m.If(ends):
            m.d.sync += running.eq(0)
        with m.If(idle & ~words.finished):
            m.d.sync += self.done.eq(1)
        refused = running & check.valid & ~check.nothing & (check.code != 0)
        with m.If(~valid):
            m.d.sync += [valid.eq(failed | astray | refused), fault.pc.eq(Mux(failed, head.pc, now.pc))]
            with m.If(failed):
                m.d.sync += [fault.code.eq(error_code(answer.error)), fault.address.eq(head.address)]
            with m.Elif(astray):
                row = walker.o.payload
                m.d.sync += [fault.code.eq(error_code(row.error)), fault.address.eq(row.address)]
            with m.Else():
                m.d.sync += [fault.code.eq(check.code), fault.address.eq(check.address)]
