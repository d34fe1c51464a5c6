"""The front of the load unit: takes instructions, checks them and asks for their rows."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data, enum, stream, wiring
from amaranth.lib.wiring import In, Out

from flightvgm_arch.isa import REGISTER_BITS
from flightvgm_rtl.control.commands import command
from flightvgm_rtl.dma.load_fields import LoadFields, plan
from flightvgm_rtl.dma.ports import Answer, ReadPort, Request
from flightvgm_rtl.dma.walker import RowWalker
from flightvgm_rtl.lib.hold import hold
from flightvgm_rtl.lib.reset import add_with_own_reset

_COPIED = ("pitch", "start", "count", "stride", "outer", "outer_stride", "map")


class _State(enum.Enum, shape=2):
    """What becomes of the instruction that was taken."""

    EMPTY = 0
    CHECK = 1
    ASK = 2
    WAIT = 3


def checked(words: int) -> data.StructLayout:
    """An instruction, what follows from its fields, its error code, and whether it has no rows."""
    return data.StructLayout({"command": command("load"), "plan": plan(words), "code": 5, "empty": 1})


class LoadFront(wiring.Component):
    """Check instructions, and ask for their rows while the one before is in work.

    An instruction leaves through ``o`` once the walker has its loops, or it has no rows or a code. So rows of
    at most two instructions are asked for: that which left last, and the next one.

    Parameters
    ----------
    rows, columns, a_words, b_words, p_words : int
        As :class:`LoadFields` takes them.

    Members
    -------
    command : In(stream.Signature(command("load")))
    map : Out(ReadPort())
    request : Out(stream.Signature(Request))
        Rows, in order.
    o : Out(stream.Signature(checked(words)))
    stop : In(1)
        Nothing more is asked for.
    lost : Out(2)
        An ``Answer``: no address could be made for a row of the instruction that left last; nothing more is asked for.
    lost_address : Out(40)
        Where that arose.
    busy : Out(1)
    """

    def __init__(self, *, rows: int, columns: int, a_words: int, b_words: int, p_words: int) -> None:
        self._sizes = {"rows": rows, "columns": columns, "a_words": a_words, "b_words": b_words, "p_words": p_words}
        super().__init__(
            {
                "command": In(stream.Signature(command("load"))),
                "map": Out(ReadPort()),
                "request": Out(stream.Signature(Request)),
                "o": Out(stream.Signature(checked(max(a_words, b_words, p_words)))),
                "stop": In(1),
                "lost": Out(2),
                "lost_address": Out(REGISTER_BITS),
                "busy": Out(1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        """Take, check, ask, and hand over."""
        m = Module()
        m.submodules.fields = fields = LoadFields(**self._sizes)
        walker = RowWalker()
        add_with_own_reset(m, "walker", walker)
        wiring.connect(m, wiring.flipped(self.map), walker.read)
        taken, state, waited = Signal(command("load"), reset_less=True), Signal(_State), Signal(range(8))
        load, job = taken.body.loada, walker.job.p
        empty, given = Signal(), Signal()
        m.d.comb += [
            fields.fields.eq(load),
            empty.eq(~load.count.any() | ~load.outer.any()),
            given.eq(self.o.valid & self.o.ready),
            self.command.ready.eq((state == _State.EMPTY) & ~self.stop),
            self.busy.eq(state != _State.EMPTY),
            self.o.valid.eq(state == _State.WAIT),
            self.o.p.command.eq(taken),
            self.o.p.plan.eq(fields.plan),
            self.o.p.code.eq(Mux(empty, 0, fields.code)),
            self.o.p.empty.eq(empty),
            walker.job.valid.eq((state == _State.ASK) & ~self.stop),
            job.base.eq(load.source),
            job.mapped.eq(load.flag_mapped),
        ]
        m.d.comb += [job[name].eq(load[name]) for name in _COPIED]
        with m.Switch(state):
            with m.Case(_State.EMPTY), m.If(self.command.valid & self.command.ready):
                m.d.sync += [state.eq(_State.CHECK), waited.eq(0)]
            with m.Case(_State.CHECK):
                m.d.sync += waited.eq(waited + 1)
                with m.If(waited == LoadFields.latency + 1):
                    m.d.sync += state.eq(Mux(empty | fields.code.any(), _State.WAIT, _State.ASK))
            with m.Case(_State.ASK), m.If(walker.job.valid & walker.job.ready):
                m.d.sync += state.eq(_State.WAIT)
            with m.Case(_State.WAIT), m.If(given):
                m.d.sync += state.eq(_State.EMPTY)
        hold(m, self.command.p, taken.as_value(), taken=self.command.valid & self.command.ready, left=given)
        self._ask(m, walker, fields.plan.row_beats, given & ~self.o.p.empty)
        return m

    def _ask(self, m: Module, walker: RowWalker, beats: Any, given: Any) -> None:
        """Requests of rows: of the instruction that left last, then of the one that is here."""
        row, good, last = walker.o.p, Signal(), Signal()
        asked, ahead = Signal(init=1), Signal()  # All rows of that which left last; all rows of the next one.
        beats_asked = Signal(len(beats), reset_less=True)
        m.d.comb += [
            good.eq((row.error == Answer.OK) & ~self.stop),
            self.request.valid.eq(walker.o.valid & good),
            self.request.p.address.eq(row.address),
            self.request.p.beats.eq(Mux(asked, beats, beats_asked)),
            walker.o.ready.eq(self.request.ready & good),
            last.eq(self.request.valid & self.request.ready & row.flags.inner_last & row.flags.outer_last),
            self.lost.eq(Mux(walker.o.valid & ~asked, row.error, Answer.OK)),
            self.lost_address.eq(row.address),
        ]
        with m.If(given):
            m.d.sync += [asked.eq(ahead | last), ahead.eq(0), beats_asked.eq(beats)]
        with m.Elif(last):
            m.d.sync += [asked.eq(1), ahead.eq(asked)]
