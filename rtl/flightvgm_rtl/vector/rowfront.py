"""The first half of the row unit: rows from memory, residual, and back to memory."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from flightvgm_arch.errors import ErrorCode
from flightvgm_rtl.buffers.ports import ResultRead, parameter_write
from flightvgm_rtl.dma.ports import ADDRESS_BITS, Answer, ReadPort, WritePort
from flightvgm_rtl.lib.fifo import Fifo
from flightvgm_rtl.lib.pipeline import register
from flightvgm_rtl.lib.reset import add_with_own_reset
from flightvgm_rtl.sparsifier.ports import TOKEN_BITS, Token
from flightvgm_rtl.vector.flow import group, history
from flightvgm_rtl.vector.maplookup import MapLookup
from flightvgm_rtl.vector.residual import Residual, residual_job
from flightvgm_rtl.vector.rowlocate import LINE_BITS, PITCH_BITS, Place, RowLocate
from flightvgm_rtl.vector.rowread import RowRead
from flightvgm_rtl.vector.rowresult import RowResult
from flightvgm_rtl.vector.rowunpack import GROUPS_BITS
from flightvgm_rtl.vector.writeback import WriteBack

_ROWS = 64  # Rows inside the row unit.

Trouble = data.StructLayout({"valid": 1, "code": 5, "address": ADDRESS_BITS})
"""What went wrong in a cycle, if anything: an error code and an address."""


def front_job(words: int, lanes: int) -> data.StructLayout:
    """What the first half needs of an instruction; addresses, pitches and rows are in units of 32 bytes."""
    return data.StructLayout(
        {
            "x": LINE_BITS,
            "y": LINE_BITS,
            "map": LINE_BITS,
            "result": 19,
            "result_pitch": 16,
            "beats": PITCH_BITS,
            "groups": GROUPS_BITS,
            "from_result": 1,
            "write_back": 1,
            "quantise": 1,
            "residual": residual_job(words, lanes),
        }
    )


class RowFront(wiring.Component):
    """Read rows of x and, through the map, of y; add; write back; hand on.

    Parameters
    ----------
    lanes : int
        Values a cycle: 4, 8 or 16.
    words, result_words : int
        Words of 32 bytes of the parameter buffer and of the result buffer.

    Members
    -------
    parameters : In(parameter_write(words))
    job : In(front_job(words, lanes))
        It must stay as it is from ``begin`` until ``finished``.
    begin : In(1)
        Pulse, while nothing is inside.
    finished : Out(1)
        The last row has left, and all writes are answered.
    stop : In(1)
        No access begins any more.
    i_token : In(stream.Signature(Token))
        Rows, from ``begin`` on.
    o_token : Out(stream.Signature(Token))
        The same tokens, where rows are quantised.
    o : Out(stream.Signature(group(lanes)))
        Rows, where they are quantised.
    x, y, map : Out(ReadPort())
    result : Out(ResultRead(result_words))
    write_back : Out(WritePort())
    saturated : Out(range(lanes + 1))
        Values that saturated in some cycle before.
    trouble : Out(Trouble)
    moving : Out(1)
        Data moved in the cycle before.
    """

    def __init__(self, *, lanes: int, words: int, result_words: int) -> None:
        self._lanes, self._words, self._result_words = lanes, words, result_words
        super().__init__(
            {
                "parameters": In(parameter_write(words)),
                "job": In(front_job(words, lanes)),
                "begin": In(1),
                "finished": Out(1),
                "stop": In(1),
                "i_token": In(stream.Signature(Token)),
                "o_token": Out(stream.Signature(Token)),
                "o": Out(stream.Signature(group(lanes))),
                "x": Out(ReadPort()),
                "y": Out(ReadPort()),
                "map": Out(ReadPort()),
                "result": Out(ResultRead(result_words)),
                "write_back": Out(WritePort()),
                "saturated": Out(range(lanes + 1)),
                "trouble": Out(Trouble),
                "moving": Out(1),
            }
        )

    def elaborate(self, _platform: Any) -> Module:
        """Tokens fan out to addresses; rows join in the residual and fan out to memory and to the second half."""
        m = Module()
        lanes = self._lanes
        residual = Residual(lanes=lanes, words=self._words)
        add_with_own_reset(m, "residual", residual)
        back = WriteBack(lanes=lanes)
        add_with_own_reset(m, "back", back)
        memory = RowRead(lanes=lanes)
        add_with_own_reset(m, "memory", memory)
        branch = RowRead(lanes=lanes)
        add_with_own_reset(m, "branch", branch)
        result = RowResult(lanes=lanes, words=self._result_words)
        add_with_own_reset(m, "result_rows", result)
        lookup = MapLookup()
        add_with_own_reset(m, "lookup", lookup)
        wiring.connect(m, memory.read, wiring.flipped(self.x))
        wiring.connect(m, branch.read, wiring.flipped(self.y))
        wiring.connect(m, lookup.read, wiring.flipped(self.map))
        wiring.connect(m, result.result, wiring.flipped(self.result))
        wiring.connect(m, back.write, wiring.flipped(self.write_back))
        job = self.job
        for part in (memory, branch, result, back):
            m.d.comb += [part.beats.eq(job.beats), part.tail.eq(job.residual.tail), part.stop.eq(self.stop)]
        for part in (memory, branch, result):
            m.d.comb += part.groups.eq(job.groups)
        m.d.comb += [
            lookup.base.eq(job.map),
            lookup.begin.eq(self.begin),
            lookup.stop.eq(self.stop),
            result.begin.eq(self.begin),
            result.first.eq(job.result),
            result.pitch.eq(job.result_pitch),
            residual.job.eq(job.residual),
            residual.parameters.eq(self.parameters),
            self.saturated.eq(residual.saturated),
        ]
        taken = self._tokens(m, lookup, result, memory, back, branch)
        self._rows(m, residual, memory, result, branch)
        left = self._leave(m, residual, back)
        self._count(m, taken, left, back)
        self._trouble(m, memory, branch, lookup, result, back, residual)
        return m

    def _tokens(
        self, m: Module, lookup: MapLookup, result: RowResult, memory: RowRead, back: WriteBack, branch: RowRead
    ) -> Signal:
        """Each token goes to all who need it at once; returns whether one does."""
        job, token = self.job, self.i_token.p
        m.submodules.own = own = Fifo(Token, depth=_ROWS, style="distributed")
        m.submodules.numbers = numbers = Fifo(TOKEN_BITS, depth=4, style="distributed")
        m.submodules.own_place = own_place = RowLocate()
        m.submodules.branch_place = branch_place = RowLocate()
        m.submodules.reads = reads = Fifo(Place, depth=4, style="distributed")
        m.submodules.writes = writes = Fifo(Place, depth=_ROWS, style="distributed")
        wiring.connect(m, own.o, wiring.flipped(self.o_token))
        taken = _fork(
            m,
            self.i_token,
            [
                (own.i, job.quantise, token),
                (numbers.i, ~job.from_result | job.write_back, token.token),
                (result.i, job.from_result, Const(0, 1)),
                (lookup.i, job.residual.add, token.token),
            ],
            "tokens",
        )
        wiring.connect(m, lookup.o, branch_place.i)
        wiring.connect(m, branch_place.o, branch.i)
        m.d.comb += [
            own_place.base.eq(job.x),
            own_place.pitch.eq(job.beats),
            branch_place.base.eq(job.y),
            branch_place.pitch.eq(job.beats),
            own_place.i.valid.eq(numbers.o.valid),
            own_place.i.payload.eq(numbers.o.payload),
            numbers.o.ready.eq(own_place.i.ready),
        ]
        place = own_place.o.p
        _fork(m, own_place.o, [(reads.i, ~job.from_result, place), (writes.i, job.write_back, place)], "places")
        wiring.connect(m, reads.o, memory.i)
        wiring.connect(m, writes.o, back.i_place)
        return taken

    def _rows(self, m: Module, residual: Residual, memory: RowRead, result: RowResult, branch: RowRead) -> None:
        """Rows of x come from one of two sources."""
        choice = self.job.from_result
        wiring.connect(m, branch.o, residual.i_y)
        m.d.comb += [
            residual.i_x.valid.eq(Mux(choice, result.o.valid, memory.o.valid)),
            residual.i_x.p.eq(Mux(choice, result.o.p, memory.o.p)),
            result.o.ready.eq(choice & residual.i_x.ready),
            memory.o.ready.eq(~choice & residual.i_x.ready),
        ]

    def _leave(self, m: Module, residual: Residual, back: WriteBack) -> Signal:
        """Rows go back to memory, on, or both; returns whether the last group of one goes."""
        job, out = self.job, residual.o
        gone = _fork(m, out, [(self.o, job.quantise, out.p), (back.i, job.write_back, out.p)], "rows")
        m.d.sync += self.moving.eq(gone | residual.i_x.valid & residual.i_x.ready)
        left = Signal()
        m.d.comb += left.eq(gone & out.p.last)
        return left

    def _count(self, m: Module, taken: Signal, left: Signal, back: WriteBack) -> None:
        """Rows inside, writes that are not answered, and whether the last token has come."""
        rows, writes = Signal(range(1 << 12)), Signal(range(1 << 12))
        came, gone, ended = history(m, taken, 1, "came"), history(m, left, 1, "gone"), Signal()
        quiet = Signal()  # A cycle before it counts: so a fault of the last answer is told before the end.
        m.d.sync += [
            rows.eq(rows + came - gone),
            writes.eq(writes + (came & self.job.write_back) - back.done),
            quiet.eq(ended & ~rows.any() & ~writes.any() & ~self.begin),
            self.finished.eq(quiet & ~self.begin),
        ]
        last = register(m, self.i_token.p.last, "last_came")
        with m.If(came):
            m.d.sync += ended.eq(last)
        with m.If(self.begin):
            m.d.sync += ended.eq(0)

    def _trouble(
        self,
        m: Module,
        memory: RowRead,
        branch: RowRead,
        lookup: MapLookup,
        result: RowResult,
        back: WriteBack,
        residual: Residual,
    ) -> None:
        """The first one of what may be wrong in a cycle, two cycles later."""
        found, trouble = Signal(Trouble), Signal(Trouble, reset_less=True)
        causes: list[tuple[Value, Value, Value]] = []
        for number, part in enumerate((memory, branch, lookup, back)):
            error = Signal(2, name=f"error_{number}")
            m.d.sync += error.eq(part.error)
            causes.append((error != Answer.OK, _code(error), register(m, part.address, f"address_{number}")))
        overrun = history(m, result.overrun, 1, "overrun")
        refused = history(m, residual.infinite | residual.beyond, 1, "refused")
        causes.append((overrun, Const(ErrorCode.BUFFER_OVERRUN, 5), Const(0, 1)))
        causes.append((refused, Const(ErrorCode.FIELD_RANGE, 5), Const(0, 1)))
        for number, (cause, code, address) in enumerate(causes):
            with m.If(cause) if not number else m.Elif(cause):
                m.d.comb += [found.valid.eq(1), found.code.eq(code), found.address.eq(address)]
        valid = Signal()
        m.d.sync += [valid.eq(found.valid), trouble.eq(found)]
        m.d.comb += [self.trouble.eq(trouble), self.trouble.valid.eq(valid)]


def _code(error: Value) -> Value:
    """Error code of an answer that is not good."""
    other = Mux(error == Answer.SLVERR, ErrorCode.AXI_SLVERR, ErrorCode.AXI_DECERR)
    return Mux(error == Answer.WINDOW, ErrorCode.ADDRESS_WINDOW, other)


def _fork(m: Module, source: Any, targets: list[tuple[Any, Value, Value]], name: str) -> Signal:
    """A transfer goes to all streams that are wanted at once; returns whether one goes.

    A target is a stream, whether it is wanted, and what it takes.
    """
    ready = Signal(len(targets), name=f"{name}_ready")
    gone = Signal(name=f"{name}_gone")
    m.d.comb += [
        ready.eq(Cat(*(target.ready | ~wanted for target, wanted, _ in targets))),
        source.ready.eq(ready.all()),
        gone.eq(source.valid & ready.all()),
    ]
    for number, (target, wanted, payload) in enumerate(targets):
        others = [ready[other] for other in range(len(targets)) if other != number]
        m.d.comb += [target.valid.eq(source.valid & wanted & Cat(*others).all()), target.payload.eq(payload)]
    return gone
