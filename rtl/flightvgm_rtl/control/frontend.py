"""Front end of a core: control flow, site slots, pools, barriers, and issue to the queues."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal

from flightvgm_arch.errors import ErrorCode
from flightvgm_arch.isa import OPCODE_BITS
from flightvgm_arch.operations import BY_NAME
from flightvgm_rtl.control.actions import Actions
from flightvgm_rtl.control.decode import Decoder
from flightvgm_rtl.control.issue import ISSUED, Issue
from flightvgm_rtl.control.operands import Operands, RegisterWrite
from flightvgm_rtl.control.sites import SiteSlots

_JUMPS = ("END", "LOOP", "TILE")  # What follows them is known when they are executed.
_PIECES = 3  # Pieces of the word, each captured by a register of its own.


class FrontEnd(Actions):
    """Take one instruction after another: execute it, or substitute registers and site slots and issue it.

    An instruction of a queue takes six cycles and waits where its queue is full; one of the front end takes seven, and
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
        written = Signal(RegisterWrite)
        opened = self._capture(m, (decoder, operands, sites, issue))
        self._follow(m)
        m.d.sync += self._odd.eq(decoder.illegal | (self._error != 0))
        m.d.sync += written.eq(Mux(self.run, self._write, self.preset))
        m.d.comb += [
            operands.start.eq(self._start),
            operands.write.eq(written),
            sites.read.eq(self._start),
            sites.extents.eq(operands.extents),
            issue.addresses.eq(operands.addresses),
            issue.extents.eq(operands.extents),
            issue.pc.eq(self.pc),
            issue.place.eq(self._place),
            issue.site.eq(sites.site),
            *(getattr(self, f"to_{queue}").p.eq(getattr(issue, f"to_{queue}")) for queue in ISSUED),
            *(getattr(self, f"to_{queue}").valid.eq(self._to[place] & self.run) for place, queue in enumerate(ISSUED)),
            self.wait.events.eq(self._word.header.waits),
            self.signal.events.eq(self._word.header.signals),
            self.signal.pc.eq(self.pc),
            self.barrier.pc.eq(self.pc),
            self.fault.pc.eq(self.pc),
            self.fault.code.eq(self._code),
            self.fault.address.eq(Mux(self._of_address, operands.addresses[0], 0)),
        ]
        with m.If(self.number.valid & self.number.ready):
            m.d.sync += self.number.valid.eq(0)
        self._execute(m, operands, sites)
        with m.If(self.run), m.FSM():
            self._first_states(m, opened)
            self._dispatch(m, operands, issue, opened)
            with m.State("EXECUTE"):
                m.d.comb += self._works.eq(~self._waits)
                with m.If(self._refused):
                    m.next = "REFUSED"
                with m.Elif(self._done):
                    m.next = "FOLLOW"
            self._last_states(m, opened)
        return m

    def _capture(self, m: Module, parts: tuple[Any, ...]) -> Signal:
        """Take the word while a register for each piece of it is set; each part has an opcode of its own."""
        given, word = self.fetched.p.word, self._word.as_value()
        opened = Signal(_PIECES, attrs={"keep": "true"})
        size = -(-len(word) // _PIECES)
        for piece in range(_PIECES):
            with m.If(opened[piece]):
                m.d.sync += word[piece * size : (piece + 1) * size].eq(given[piece * size : (piece + 1) * size])
        for number, part in enumerate(parts):
            opcode = Signal(OPCODE_BITS, name=f"opcode_{number}", attrs={"keep": "true"}, reset_less=True)
            with m.If(opened[0]):
                m.d.sync += opcode.eq(given[:OPCODE_BITS])
            m.d.comb += part.word.eq(Cat(opcode, word[OPCODE_BITS:]))
        with m.If(opened[0]):
            codes = [BY_NAME[name].opcode for name in _JUMPS]
            m.d.sync += [
                self._error.eq(self.fetched.p.error),
                self._jumps.eq(Cat(given[:OPCODE_BITS] == code for code in codes).any()),
            ]
        m.d.comb += self.fetched.ready.eq(opened[0])
        return opened

    def _fetch(self, m: Module, opened: Signal) -> None:
        m.d.sync += opened.eq(~0)
        m.next = "FETCH"

    def _first_states(self, m: Module, opened: Signal) -> None:
        with m.State("IDLE"):
            m.d.sync += [self.number.valid.eq(1), self.number.p.eq(0), self.pc.eq(0)]
            self._fetch(m, opened)
        with m.State("FETCH"):
            m.d.comb += self._works.eq(1)
            with m.If(self.fetched.valid):
                m.d.sync += opened.eq(0)
                m.next = "DECODE"
        with m.State("DECODE"):
            m.d.comb += [self._start.eq(1), self._works.eq(1)]
            with m.If(~self._jumps):
                m.d.sync += [self.number.valid.eq(1), self.number.p.eq(self._after)]
            m.next = "LOW"
        with m.State("LOW"):
            m.d.comb += self._works.eq(1)
            m.next = "HIGH"
        with m.State("HIGH"):
            m.d.comb += self._works.eq(1)
            m.next = "DISPATCH"

    def _dispatch(self, m: Module, operands: Operands, issue: Issue, opened: Signal) -> None:
        """Refuse what is no instruction, issue what goes to a queue, and wait for the semaphores of the others."""
        ready, issues = Signal(), Signal()
        with m.State("DISPATCH"):
            m.d.comb += [issues.eq(issue.queue.any()), self._works.eq(1)]
            m.d.sync += self._to.eq(Mux(self._odd | operands.beyond, 0, issue.queue))
            with m.If(self._odd):
                self._refuse(m, self._odd_code)
                m.next = "REFUSED"
            with m.Elif(issues & operands.beyond):
                self._refuse(m, ErrorCode.FIELD_RANGE)
                m.next = "REFUSED"
            with m.Elif(issues):
                m.next = "ISSUE"
            with m.Elif(self._needs):
                m.next = "WAIT"
            with m.Else():
                self._enter(m, operands)
        with m.State("ISSUE"):
            readies = Cat(getattr(self, f"to_{queue}").ready for queue in ISSUED)
            m.d.comb += [ready.eq((readies & self._to).any()), self._waits.eq(~ready), self._works.eq(ready)]
            with m.If(ready):
                m.d.sync += [self.pc.eq(self._after), self._to.eq(0)]
                self._fetch(m, opened)
        with m.State("WAIT"):
            m.d.comb += [self.wait.valid.eq(1), self._waits.eq(1)]
            with m.If(self.granted):
                self._enter(m, operands)

    def _enter(self, m: Module, operands: Operands) -> None:
        """Begin to execute."""
        m.d.sync += [self._does[name].eq(kind & ~operands.beyond) for name, kind in self._kind.items()]
        m.d.sync += self._beyond.eq(operands.beyond)
        m.next = "EXECUTE"

    def _execute(self, m: Module, operands: Operands, sites: SiteSlots) -> None:
        """Execute the front end's instruction, until it is done or refused."""
        m.d.comb += self._write.value.eq(operands.addresses[0])
        with m.If(self._beyond):
            self._refuse(m, ErrorCode.FIELD_RANGE)
        for name, action in (
            ("END", self._end), ("SET", self._set), ("ADD", self._set), ("GET", self._get),
            ("LOOP", self._loop), ("OPEN", self._open), ("TILE", self._tile), ("BARRIER", self._barrier),
            ("MARK", self._mark),
        ):  # fmt: skip
            with m.If(self._does[name]):
                action(m, operands, self._fields(name))
        with m.If(self._does["SITE"]):
            self._site(m, sites)
        with m.If(self._done):
            m.d.sync += [self._asked.eq(0), self._next.eq(Mux(self._jump, self._target, self._after))]
        with m.If(self._done | self._refused):
            m.d.sync += [self._beyond.eq(0), *(does.eq(0) for does in self._does.values())]

    def _last_states(self, m: Module, opened: Signal) -> None:
        """Follow a jump, and give the instruction's signals."""
        with m.State("FOLLOW"):
            with m.If(self._kind["LOOP"] | self._kind["TILE"]):
                m.d.sync += [self.number.p.eq(self._next), self.number.valid.eq(1)]
            with m.If(self._gives):
                m.next = "SIGNAL"
            with m.Else():
                self._leave(m, opened)
        with m.State("SIGNAL"):
            m.d.comb += self.signal.valid.eq(1)
            with m.If(self.taken):
                self._leave(m, opened)
        with m.State("ENDED"):
            m.d.comb += self.ended.eq(1)
        with m.State("REFUSED"):
            pass

    def _leave(self, m: Module, opened: Signal) -> None:
        with m.If(self._kind["END"]):
            m.next = "ENDED"
        with m.Else():
            m.d.sync += self.pc.eq(self._next)
            self._fetch(m, opened)
