"""Front end of a core: control flow, site slots, pools, barriers, and issue to the queues."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal

from flightvgm_arch.errors import ErrorCode
from flightvgm_arch.operations import BY_NAME
from flightvgm_rtl.control.actions import Actions
from flightvgm_rtl.control.commands import PC_BITS
from flightvgm_rtl.control.decode import Decoder
from flightvgm_rtl.control.issue import ISSUED, Issue
from flightvgm_rtl.control.operands import Operands
from flightvgm_rtl.control.sites import SiteSlots

_JUMPS = ("END", "LOOP", "TILE")  # What follows them is known when they are executed.


class FrontEnd(Actions):
    """Take one instruction after another: execute it, or substitute registers and site slots and issue it.

    An instruction of a queue takes five cycles and waits where its queue is full; one of the front end takes six, and
    waits for its semaphores before it is executed. The next one is fetched meanwhile. The front end stops at END, at
    its first fault, and where ``run`` falls; then it must be reset.

    Members
    -------
    As those of :class:`flightvgm_rtl.control.actions.Actions`.
    """

    def elaborate(self, _: Any) -> Module:
        """Fetch, decode and substitute, then issue or execute."""
        m = Module()
        m.submodules.decoder = decoder = Decoder()
        m.submodules.operands = operands = Operands()
        m.submodules.sites = sites = SiteSlots()
        m.submodules.issue = issue = Issue()
        for part in (decoder, operands, sites, issue):
            m.d.comb += part.word.eq(self._word)
        m.d.comb += [
            decoder.start.eq(self._start),
            operands.start.eq(self._start),
            operands.write.eq(Mux(self.run, self._write, self.preset)),
            sites.read.eq(self._start),
            sites.extents.eq(operands.extents),
            issue.addresses.eq(operands.addresses),
            issue.extents.eq(operands.extents),
            issue.pc.eq(self.pc),
            issue.place.eq(self._place),
            issue.site.eq(sites.site),
            *(getattr(self, f"to_{queue}").p.eq(getattr(issue, f"to_{queue}")) for queue in ISSUED),
            self.wait.events.eq(self._word.header.waits),
            self.signal.events.eq(self._word.header.signals),
            self.signal.pc.eq(self.pc),
        ]
        with m.If(self.number.valid & self.number.ready):
            m.d.sync += self.number.valid.eq(0)
        with m.If(self.run), m.FSM():
            self._first_states(m)
            self._dispatch(m, decoder, operands, issue)
            with m.State("EXECUTE"):
                self._execute(m, operands, sites)
            self._last_states(m)
        return m

    def _first_states(self, m: Module) -> None:
        with m.State("IDLE"):
            m.d.sync += [self.number.valid.eq(1), self.number.p.eq(0), self.pc.eq(0)]
            m.next = "FETCH"
        with m.State("FETCH"):
            m.d.comb += [self.fetched.ready.eq(1), self.busy.eq(1)]
            with m.If(self.fetched.valid):
                m.d.sync += [self._word.eq(self.fetched.p.word), self._error.eq(self.fetched.p.error)]
                m.next = "DECODE"
        with m.State("DECODE"):
            m.d.comb += [self._start.eq(1), self.busy.eq(1)]
            with m.If(~self._is(*_JUMPS)):
                m.d.sync += [self.number.valid.eq(1), self.number.p.eq(self.pc + 1)]
            m.next = "LOW"
        with m.State("LOW"):
            m.d.comb += self.busy.eq(1)
            m.next = "HIGH"
        with m.State("HIGH"):
            m.d.comb += self.busy.eq(1)
            m.next = "DISPATCH"

    def _dispatch(self, m: Module, decoder: Decoder, operands: Operands, issue: Issue) -> None:
        """Refuse what is no instruction, issue what goes to a queue, and wait for the semaphores of the others."""
        header, ready = self._word.header, Signal()
        waits = (header.waits.first.count | header.waits.second.count) != 0
        readies = Cat(getattr(self, f"to_{queue}").ready for queue in ISSUED)
        m.d.comb += ready.eq((readies & issue.queue).any())
        with m.State("DISPATCH"):
            with m.If(self._error != 0):
                self._refuse_read(m, self._error, 0)
            with m.Elif(decoder.illegal):
                self._refuse(m, ErrorCode.ILLEGAL_INSTRUCTION)
            with m.Elif(issue.queue != 0):
                m.d.comb += [self.busy.eq(ready), self.waiting.eq(~ready)]
                with m.If(operands.beyond & ready):
                    self._refuse(m, ErrorCode.FIELD_RANGE)
                with m.Elif(~operands.beyond):
                    for place, queue in enumerate(ISSUED):
                        m.d.comb += getattr(self, f"to_{queue}").valid.eq(issue.queue[place])
                    with m.If(ready):
                        m.d.sync += self.pc.eq(self.pc + 1)
                        m.next = "FETCH"
            with m.Elif(waits):
                m.next = "WAIT"
            with m.Else():
                m.next = "EXECUTE"
        with m.State("WAIT"):
            m.d.comb += [self.wait.valid.eq(1), self.waiting.eq(1)]
            with m.If(self.granted):
                m.next = "EXECUTE"

    def _execute(self, m: Module, operands: Operands, sites: SiteSlots) -> None:
        """Execute the front end's instruction; afterwards follow its jump and give its signals."""
        signals = self._word.header.signals
        m.d.comb += [self.busy.eq(~self.waiting), self._write.value.eq(operands.addresses[0])]
        with m.If(operands.beyond):
            self._refuse(m, ErrorCode.FIELD_RANGE)
        with m.Else(), m.Switch(self._word.header.opcode):
            for name, action in (
                ("END", self._end), ("SET", self._set), ("ADD", self._set), ("GET", self._get),
                ("LOOP", self._loop), ("OPEN", self._open), ("TILE", self._tile), ("BARRIER", self._barrier),
                ("MARK", self._mark),
            ):  # fmt: skip
                with m.Case(BY_NAME[name].opcode):
                    action(m, operands, self._fields(name))
            with m.Case(BY_NAME["SITE"].opcode):
                self._site(m, sites)
        following = Signal(PC_BITS)
        m.d.comb += following.eq(Mux(self._jump, self._target, self.pc + 1))
        with m.If(self._done):
            m.d.sync += [self._next.eq(following), self._asked.eq(0)]
            with m.If(self._is("LOOP", "TILE")):
                m.d.sync += [self.number.p.eq(following), self.number.valid.eq(1)]
            with m.If((signals.first.count | signals.second.count) != 0):
                m.next = "SIGNAL"
            with m.Elif(self._is("END")):
                m.next = "ENDED"
            with m.Else():
                m.d.sync += self.pc.eq(following)
                m.next = "FETCH"

    def _last_states(self, m: Module) -> None:
        with m.State("SIGNAL"):
            m.d.comb += self.signal.valid.eq(1)
            with m.If(self.taken):
                with m.If(self._is("END")):
                    m.next = "ENDED"
                with m.Else():
                    m.d.sync += self.pc.eq(self._next)
                    m.next = "FETCH"
        with m.State("ENDED"):
            m.d.comb += self.ended.eq(1)
        with m.State("REFUSED"):
            pass
