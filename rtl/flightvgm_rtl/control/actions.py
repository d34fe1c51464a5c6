"""What the instructions of the front end do."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from flightvgm_arch.errors import ErrorCode
from flightvgm_arch.isa import REGISTER_BITS
from flightvgm_arch.operations import BY_NAME, OPERATIONS
from flightvgm_arch.sites import OUTSIDE
from flightvgm_rtl.control.commands import PC_BITS, PLACE_BITS, Word, queued, raw
from flightvgm_rtl.control.fetch import Fetched, Got
from flightvgm_rtl.control.issue import ISSUED
from flightvgm_rtl.control.operands import Operands, RegisterWrite
from flightvgm_rtl.control.ports import START_BITS, BarrierPort, PoolAnswer, PoolOperation, PoolPort
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
    ``target``; ``write`` writes a register; ``waits`` tells that it waits for others.

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
        A cycle before, it waited for a semaphore, a queue, or other cores.
    busy : Out(1)
        A cycle before, it waited for none of them.
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
        self._jumps = Signal(reset_less=True)  # The next instruction is known only when this one is executed.
        self._kind = {
            item.name: Signal(name=f"is_{item.name.lower()}", reset_less=True)
            for item in OPERATIONS
            if item.queue == "front"
        }  # They follow the word by a cycle.
        # The word is no instruction, and why; it has waits, and signals.
        self._odd, self._odd_code = Signal(reset_less=True), Signal(5, reset_less=True)
        self._needs, self._gives = Signal(reset_less=True), Signal(reset_less=True)
        # What is executed, while it is, and whether an operand's register does not fit.
        self._does = {name: Signal(name=f"does_{name.lower()}") for name in self._kind}
        self._beyond = Signal()
        self._to = Signal(len(ISSUED))  # Queues that are given the word.
        self._place = Signal(PLACE_BITS, init=OUTSIDE << 1)
        self._start, self._write = Signal(), Signal(RegisterWrite)
        self._waits, self._works = Signal(), Signal()
        self._quiet = Signal()  # All queues were empty; instructions are issued too seldom for the delay to matter.
        self._answer, self._first = Signal(PoolAnswer), Signal(START_BITS, reset_less=True)
        self._done, self._jump, self._target = Signal(), Signal(), Signal(PC_BITS)
        self._after, self._next = (Signal(PC_BITS, name=name, reset_less=True) for name in ("after", "next"))
        self._asked, self._second = Signal(), Signal()  # The request is made; TILE writes its second register.
        self._refused, self._code = Signal(), Signal(5, reset_less=True)
        self._of_address = Signal(reset_less=True)

    def _follow(self, m: Module) -> None:
        """Registers that follow others by a cycle, so that what is decided on is one bit."""
        waits, signals = self._word.header.waits, self._word.header.signals
        read_code = self._read_code(m, self._error)
        m.d.sync += [
            self._needs.eq((waits.first.count | waits.second.count) != 0),
            self._gives.eq((signals.first.count | signals.second.count) != 0),
            self.fault.valid.eq(self.fault.valid | self._refused),
            self._odd_code.eq(Mux(self._error != 0, read_code, ErrorCode.ILLEGAL_INSTRUCTION)),
            *(kind.eq(self._word.header.opcode == BY_NAME[name].opcode) for name, kind in self._kind.items()),
            self._quiet.eq(self.queues_empty),
            self._answer.eq(self.pool.answer),
            self._first.eq(self._answer.start),
            self._after.eq(self.pc + 1),
            self.waiting.eq(self._waits),
            self.busy.eq(self._works),
        ]

    def _end(self, m: Module, _operands: Operands, fields: Any) -> None:
        m.d.comb += self._waits.eq(~self._quiet)
        with m.If(self._quiet & ~self.ring_empty):
            self._refuse(m, ErrorCode.RING_MISMATCH)
        with m.Elif(self._quiet):
            m.d.comb += self._done.eq(1)
        m.d.sync += self.end_code.eq(fields.code)

    def _set(self, m: Module, _operands: Operands, fields: Any) -> None:
        """SET, ADD and LOOP: the operands hold the value."""
        m.d.comb += [self._write.valid.eq(fields.rd != 0), self._write.number.eq(fields.rd), self._done.eq(1)]

    def _loop(self, m: Module, operands: Operands, fields: Any) -> None:
        self._set(m, operands, fields)
        again = (fields.rd == 0) | operands.positive
        m.d.comb += [self._jump.eq(again), self._target.eq(fields.target)]

    def _get(self, m: Module, operands: Operands, fields: Any) -> None:
        address, failed = operands.addresses[0], self.got.error != 0
        m.d.comb += [
            self.get.p.eq(address),
            self._write.number.eq(fields.rd),
            self._write.value.eq(self.got.word),
        ]
        with m.If(address[:2] != 0):
            self._refuse(m, ErrorCode.MISALIGNED, of_address=1)
        with m.Else():
            m.d.comb += self.get.valid.eq(~self._asked)
            with m.If(self.get.valid & self.get.ready):
                m.d.sync += self._asked.eq(1)
            with m.If(self.got.valid & failed):
                self._refuse(m, self._read_code(m, self.got.error), of_address=1)
            m.d.comb += [
                self._write.valid.eq(self.got.valid & ~failed & (fields.rd != 0)),
                self._done.eq(self.got.valid & ~failed),
            ]

    def _site(self, m: Module, sites: SiteSlots) -> None:
        with m.If(sites.legal):
            m.d.comb += [sites.write.eq(1), self._done.eq(1)]
        with m.Else():
            self._refuse(m, ErrorCode.FIELD_RANGE)

    def _pool(self, m: Module) -> Signal:
        """Ask the pools, and refuse what they refuse; the result tells that they answer."""
        request, failed, answered = self.pool.request, Signal(name="failed"), Signal(name="answered")
        m.d.comb += [
            request.valid.eq(~self._asked),
            self._waits.eq(self.pool.blocked),
            failed.eq(self._answer.error != 0),
            answered.eq(self._answer.valid & ~failed),
        ]
        with m.If(request.valid & request.ready):
            m.d.sync += self._asked.eq(1)
        with m.If(self._answer.valid & failed):
            self._refuse(m, self._answer.error)
        return answered

    def _open(self, m: Module, operands: Operands, fields: Any) -> None:
        answered = self._pool(m)
        given = self.pool.request.p.open
        for item in BY_NAME["OPEN"].fields:
            value = operands.extents[0] if item.kind == "extent" else fields[item.name]
            m.d.comb += given[item.name].eq(value)
        m.d.comb += [
            self.pool.request.p.operation.eq(PoolOperation.OPEN),
            given.flag_static.eq(self._word.header.flags[0]),
            self._done.eq(answered),
        ]

    def _tile(self, m: Module, _operands: Operands, fields: Any) -> None:
        """Two registers are written, first the count, then, if there is a unit, the start."""
        answered = self._pool(m)
        answer = self._answer
        m.d.comb += [
            self.pool.request.p.operation.eq(PoolOperation.TILE),
            self.pool.request.p.open.pool.eq(fields.pool),
            self._target.eq(fields.target),
            self._jump.eq(answer.empty & self._word.header.flags[0] & ~self._second),
            self._write.valid.eq(Mux(self._second, fields.start != 0, answered & (fields.count != 0))),
            self._write.number.eq(Mux(self._second, fields.start, fields.count)),
            self._write.value.eq(Mux(self._second, self._first, Mux(answer.empty, 0, answer.rows))),
            self._done.eq(self._second | answered & answer.empty),
        ]
        m.d.sync += self._second.eq(answered & ~answer.empty)

    def _barrier(self, m: Module, _operands: Operands, fields: Any) -> None:
        m.d.comb += [
            self.barrier.valid.eq(self._quiet),
            self.barrier.cores.eq(fields.cores),
            self._waits.eq(~self.barrier.release),
            self._done.eq(self._quiet & self.barrier.release),
        ]

    def _mark(self, m: Module, _operands: Operands, fields: Any) -> None:
        m.d.sync += self._place.eq(Cat(fields.branch, fields.site, fields.layer))
        m.d.comb += self._done.eq(1)

    def _refuse(self, m: Module, code: Any, *, of_address: int = 0) -> None:
        m.d.comb += self._refused.eq(1)
        m.d.sync += [self._code.eq(code), self._of_address.eq(of_address)]

    def _read_code(self, m: Module, error: Any) -> Signal:
        """Code of a read that ended with an error."""
        code = Signal(5, name="read_code")
        with m.Switch(error):
            for answer, number in _READ_ERRORS.items():
                with m.Case(answer):
                    m.d.comb += code.eq(number)
        return code

    def _fields(self, name: str) -> Any:
        """Encoded fields of the word, as those of an operation."""
        layout = raw(BY_NAME[name])
        return data.View(layout, self._word.body[: layout.size])
