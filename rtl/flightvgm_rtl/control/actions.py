"""What the instructions of the front end do."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from flightvgm_arch.errors import ErrorCode
from flightvgm_arch.isa import REGISTER_BITS
from flightvgm_arch.operations import BY_NAME
from flightvgm_arch.sites import OUTSIDE
from flightvgm_rtl.control.commands import PC_BITS, PLACE_BITS, Word, queued, raw
from flightvgm_rtl.control.fetch import Fetched, Got
from flightvgm_rtl.control.issue import ISSUED
from flightvgm_rtl.control.operands import Operands, RegisterWrite
from flightvgm_rtl.control.ports import START_BITS, BarrierPort, PoolOperation, PoolPort
from flightvgm_rtl.control.semaphores import Signalled, Wait
from flightvgm_rtl.control.sites import SiteSlots
from flightvgm_rtl.dma.ports import Answer
from flightvgm_rtl.lib.fault import Fault

_READ_ERRORS = {
    Answer.WINDOW: ErrorCode.ADDRESS_WINDOW,
    Answer.SLVERR: ErrorCode.AXI_SLVERR,
    Answer.DECERR: ErrorCode.AXI_DECERR,
}


class Actions(wiring.Component):
    """Interface and state of the front end, and a method for each instruction that it executes itself.

    A method states what happens in a cycle of the instruction's execution: ``done`` ends it, with ``jump`` to
    ``target``; ``write`` writes a register; ``waiting`` tells that it waits for others.

    Members
    -------
    run : In(1)
        Execute; begins with instruction 0.
    preset : In(RegisterWrite)
        Writes a register before the start.
    number : Out(stream.Signature(24))
        Numbers of the instructions to fetch.
    fetched : In(stream.Signature(Fetched))
    get : Out(stream.Signature(40))
    got : In(Got)
    wait, granted, signal, taken :
        To the semaphores.
    to_<queue> : Out(stream.Signature(queued(queue)))
    queues_empty, ring_empty : In(1)
    pool : Out(PoolPort())
    barrier : Out(BarrierPort())
    ended : Out(1)
        END was executed; ``end_code`` is its code.
    fault : Out(Fault)
    pc : Out(24)
        Number of the instruction in work.
    waiting : Out(1)
        It waits for a semaphore, a queue, or other cores.
    busy : Out(1)
        It waits for none of them.
    """

    def __init__(self) -> None:
        super().__init__(
            {
                "run": In(1),
                "preset": In(RegisterWrite),
                "number": Out(stream.Signature(PC_BITS)),
                "fetched": In(stream.Signature(Fetched)),
                "get": Out(stream.Signature(REGISTER_BITS)),
                "got": In(Got),
                "wait": Out(Wait),
                "granted": In(1),
                "signal": Out(Signalled),
                "taken": In(1),
                **{f"to_{queue}": Out(stream.Signature(queued(queue))) for queue in ISSUED},
                "queues_empty": In(1),
                "ring_empty": In(1),
                "pool": Out(PoolPort()),
                "barrier": Out(BarrierPort()),
                "ended": Out(1),
                "end_code": Out(8),
                "fault": Out(Fault),
                "pc": Out(PC_BITS),
                "waiting": Out(1),
                "busy": Out(1),
            }
        )
        self._word, self._error = Signal(Word, reset_less=True), Signal(2, reset_less=True)
        self._place = Signal(PLACE_BITS, init=OUTSIDE << 1)
        self._start, self._write = Signal(), Signal(RegisterWrite)
        self._done, self._jump, self._target = Signal(), Signal(), Signal(PC_BITS)
        self._next = Signal(PC_BITS, reset_less=True)
        self._asked, self._second = Signal(), Signal()  # The pools have the request; TILE writes its second register.
        self._first = Signal(START_BITS, reset_less=True)

    def _end(self, m: Module, _operands: Operands, fields: Any) -> None:
        m.d.comb += self.waiting.eq(~self.queues_empty)
        with m.If(self.queues_empty & ~self.ring_empty):
            self._refuse(m, ErrorCode.RING_MISMATCH)
        with m.Elif(self.queues_empty):
            m.d.comb += self._done.eq(1)
            m.d.sync += self.end_code.eq(fields.code)

    def _set(self, m: Module, _operands: Operands, fields: Any) -> None:
        """SET, ADD and LOOP: the operands hold the value."""
        m.d.comb += [self._write.valid.eq(fields.rd != 0), self._write.number.eq(fields.rd), self._done.eq(1)]

    def _loop(self, m: Module, operands: Operands, fields: Any) -> None:
        self._set(m, operands, fields)
        again = (fields.rd == 0) | (operands.addresses[0] != 0)
        m.d.comb += [self._jump.eq(again), self._target.eq(fields.target)]

    def _get(self, m: Module, operands: Operands, fields: Any) -> None:
        address = operands.addresses[0]
        m.d.comb += [
            self.get.p.eq(address),
            self._write.number.eq(fields.rd),
            self._write.value.eq(self.got.word),
        ]
        with m.If(address[:2] != 0):
            self._refuse(m, ErrorCode.MISALIGNED, address)
        with m.Else():
            m.d.comb += self.get.valid.eq(1)
            with m.If(self.got.valid & (self.got.error != 0)):
                self._refuse_read(m, self.got.error, address)
            with m.Elif(self.got.valid):
                m.d.comb += [self._write.valid.eq(fields.rd != 0), self._done.eq(1)]

    def _site(self, m: Module, sites: SiteSlots) -> None:
        with m.If(sites.legal):
            m.d.comb += [sites.write.eq(1), self._done.eq(1)]
        with m.Else():
            self._refuse(m, ErrorCode.FIELD_RANGE)

    def _pool(self, m: Module) -> None:
        """Ask the pools, and refuse what they refuse."""
        request, answer = self.pool.request, self.pool.answer
        m.d.comb += [request.valid.eq(~self._asked), self.waiting.eq(self.pool.blocked)]
        with m.If(request.valid & request.ready):
            m.d.sync += self._asked.eq(1)
        with m.If(answer.valid & (answer.error != 0)):
            self._refuse(m, answer.error)

    def _open(self, m: Module, operands: Operands, fields: Any) -> None:
        self._pool(m)
        given = self.pool.request.p.open
        for item in BY_NAME["OPEN"].fields:
            value = operands.extents[0] if item.kind == "extent" else fields[item.name]
            m.d.comb += given[item.name].eq(value)
        m.d.comb += [
            self.pool.request.p.operation.eq(PoolOperation.OPEN),
            given.flag_static.eq(self._word.header.flags[0]),
            self._done.eq(self.pool.answer.valid & (self.pool.answer.error == 0)),
        ]

    def _tile(self, m: Module, _operands: Operands, fields: Any) -> None:
        """Two registers are written, first the count, then, if there is a unit, the start."""
        self._pool(m)
        answer = self.pool.answer
        m.d.comb += [
            self.pool.request.p.operation.eq(PoolOperation.TILE),
            self.pool.request.p.open.pool.eq(fields.pool),
            self._target.eq(fields.target),
            self._write.number.eq(fields.count),
            self._write.value.eq(Mux(answer.empty, 0, answer.rows)),
            self._jump.eq(answer.empty & self._word.header.flags[0] & ~self._second),
        ]
        with m.If(self._second):
            m.d.comb += [
                self._write.valid.eq(fields.start != 0),
                self._write.number.eq(fields.start),
                self._write.value.eq(self._first),
                self._done.eq(1),
            ]
            m.d.sync += self._second.eq(0)
        with m.Elif(answer.valid & (answer.error == 0)):
            m.d.comb += [self._write.valid.eq(fields.count != 0), self._done.eq(answer.empty)]
            m.d.sync += [self._first.eq(answer.start), self._second.eq(~answer.empty)]

    def _barrier(self, m: Module, _operands: Operands, fields: Any) -> None:
        m.d.comb += [
            self.barrier.valid.eq(self.queues_empty),
            self.barrier.cores.eq(fields.cores),
            self.barrier.pc.eq(self.pc),
            self.waiting.eq(~self.barrier.release),
            self._done.eq(self.barrier.valid & self.barrier.release),
        ]

    def _mark(self, m: Module, _operands: Operands, fields: Any) -> None:
        m.d.sync += self._place.eq(Cat(fields.branch, fields.site, fields.layer))
        m.d.comb += self._done.eq(1)

    def _refuse(self, m: Module, code: Any, address: Any = 0) -> None:
        m.d.sync += [
            self.fault.valid.eq(1),
            self.fault.code.eq(code),
            self.fault.pc.eq(self.pc),
            self.fault.address.eq(address),
        ]
        m.next = "REFUSED"

    def _refuse_read(self, m: Module, error: Any, address: Any) -> None:
        code = Signal(5, name="read_code", reset_less=True)
        with m.Switch(error):
            for answer, number in _READ_ERRORS.items():
                with m.Case(answer):
                    m.d.comb += code.eq(number)
        self._refuse(m, code, address)

    def _is(self, *names: str) -> Value:
        return Cat(self._word.header.opcode == BY_NAME[name].opcode for name in names).any()

    def _fields(self, name: str) -> Any:
        """Encoded fields of the word, as those of an operation."""
        layout = raw(BY_NAME[name])
        return data.View(layout, self._word.body[: layout.size])
