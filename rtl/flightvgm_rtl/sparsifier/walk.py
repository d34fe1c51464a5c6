"""The order in which the row unit takes tokens."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from flightvgm_arch.errors import ErrorCode
from flightvgm_arch.operations import EXTENT_BITS
from flightvgm_rtl.control.commands import command
from flightvgm_rtl.lib.fault import Fault
from flightvgm_rtl.lib.fifo import Fifo
from flightvgm_rtl.lib.hold import hold
from flightvgm_rtl.lib.pipeline import delay, register
from flightvgm_rtl.sparsifier.odometer import Odometer
from flightvgm_rtl.sparsifier.plane import PlaneWalk
from flightvgm_rtl.sparsifier.ports import TOKEN_BITS, Token
from flightvgm_rtl.sparsifier.site import SiteCheck
from flightvgm_rtl.target.ram import Ram

_FLIGHT = 5  # Tokens that may be on their way to the FIFO, and one more.
_DEPTH = 16


class TokenWalk(wiring.Component):
    """Give the tokens of a ROWS instruction, in the order of :meth:`flightvgm_arch.grid.Grid.order` or linearly.

    With flag ``compare``: the bands ``first`` to ``first + count`` of the site; else the rows ``first + i``. Bands
    before ``first`` are passed by counting, in about ``chunk_rows + 2`` cycles each. A chunk of n tokens takes at most
    n + 1 cycles, a plane four more, a band ``chunk_rows`` more and a group as many as it has planes; an instruction
    begins some 30 cycles after it was taken. Nothing comes of a count of zero.

    A site that is malformed or too large, and bands that the site does not have, are faults (FIELD_RANGE).

    Parameters
    ----------
    reference_bytes : int
        Bytes of the reference memory.

    Members
    -------
    i : In(stream.Signature(command("rows")))
        Instructions; the next one is taken when all tokens of the last one are on their way.
    o : Out(stream.Signature(Token))
        Tokens.
    fault : Out(Fault)
    """

    def __init__(self, *, reference_bytes: int) -> None:
        super().__init__(
            {
                "i": In(stream.Signature(command("rows"))),
                "o": Out(stream.Signature(Token)),
                "fault": Out(Fault),
            }
        )
        self._check = SiteCheck(reference_words=reference_bytes // 32)
        self._odometer, self._plane = Odometer(), PlaneWalk()
        self._issued = Signal(command("rows"), reset_less=True)
        self._linear, self._left = (Signal(EXTENT_BITS, reset_less=True) for _ in range(2))
        self._skip = Signal(EXTENT_BITS, reset_less=True)  # Bands to pass.
        self._last, self._skips = Signal(), Signal()  # One row or band is left; bands are left to pass.
        self._members, self._height = Signal(6), Signal(4)  # Planes of the group, rows of the band.
        self._groups_end, self._rows_end = Signal(), Signal()  # No group, no band of the group follows.
        self._reference = Signal()  # The plane is its group's reference plane.
        self._following, self._others = Signal(6), Signal(6)  # Next plane that is not the reference; those left.
        self._fill_group, self._fill_band, self._choose = Signal(), Signal(), Signal()
        self._count, self._counted, self._ended = Signal(), Signal(), Signal()

    def elaborate(self, _platform: Any) -> Module:
        """Take an instruction, check its site; then groups, bands and planes."""
        m = Module()
        m.submodules.check, m.submodules.odometer, m.submodules.plane = self._check, self._odometer, self._plane
        site, body = self._issued.site, self._issued.body.rows
        odometer, plane = self._odometer, self._plane
        m.d.comb += [
            self._check.site.eq(site),
            self._check.width.eq(body.width),
            odometer.axes.eq(self._check.axes),
            odometer.clear.eq(self._check.done),
            odometer.step.eq(Cat(self._fill_group, self._fill_band, plane.step)),
            plane.clear.eq(self._check.done),
            plane.start.eq(self._choose),
            plane.height.eq(self._height),
            plane.columns.eq(site.chunk_columns),
            plane.value.eq(odometer.value[2]),
            plane.end.eq(odometer.end[2]),
        ]
        self._deliver(m, *self._tables(m))
        hold(m, self.i.p, self._issued.as_value(), taken=self.i.valid & self.i.ready, left=self._ended)
        with m.FSM():
            self._begin(m)
            self._fill(m)
            self._planes(m)
            with m.State("STOPPED"):
                m.d.sync += self.fault.valid.eq(1)
        m.d.comb += [self.fault.code.eq(ErrorCode.FIELD_RANGE), self.fault.pc.eq(self._issued.pc)]
        return m

    def _tables(self, m: Module) -> tuple[Value, Value]:
        """Shares of the group's planes and of the band's rows, looked up for a plane and for a cell."""
        m.submodules.planes = planes = Ram(width=TOKEN_BITS, depth=64, style="distributed")
        m.submodules.rows = rows = Ram(width=TOKEN_BITS, depth=16, style="distributed")
        m.d.comb += [
            planes.write_enable.eq(self._fill_group),
            planes.write_address.eq(self._members),
            planes.write_data.eq(self._odometer.value[0]),
            planes.read_enable.eq(self._choose),
            planes.read_address.eq(Mux(self._reference, self._members >> 1, self._following)),
            rows.write_enable.eq(self._fill_band),
            rows.write_address.eq(self._height),
            rows.write_data.eq(self._odometer.value[1]),
            rows.read_enable.eq(self._plane.issue),
            rows.read_address.eq(self._plane.row),
        ]
        return planes.read_data, rows.read_data

    def _deliver(self, m: Module, plane: Value, row: Value) -> None:
        """Three stages behind an issue: tables and two sums; then a FIFO, which has room for all that is on its way."""
        m.submodules.fifo = fifo = Fifo(Token, depth=_DEPTH, style="distributed")
        room, issue, last, valid = Signal(), Signal(), Signal(), Signal(3)
        final = Signal()  # The plane is the instruction's last one.
        linear, grid = self._count & room, self._plane
        hold = self._reference & (self._members > 1)
        info = Mux(self._count, 0, Cat(grid.middle, self._reference, hold, grid.slot))
        m.d.comb += [
            grid.room.eq(room),
            issue.eq(linear | grid.issue),
            last.eq(Mux(self._count, self._last, grid.last & final)),
            self._counted.eq(linear & self._last),
        ]
        m.d.sync += [room.eq(fifo.room > _FLIGHT), final.eq(self._last & (self._others == 0))]
        with m.If(linear):
            m.d.sync += self._linear.eq(self._linear + 1)
            self._pass(m)
        number = register(m, Mux(self._count, self._linear, 0), "number")
        counted = register(m, self._count, "counted")
        upper = register(m, Mux(counted, number, (plane + row)[:TOKEN_BITS]), "upper")
        lower = register(m, Mux(counted, 0, grid.data), "lower")
        total = register(m, (upper + lower)[:TOKEN_BITS], "total")
        m.d.sync += valid.eq(Cat(issue, valid[:2]))
        m.d.comb += [
            fifo.i.valid.eq(valid[2]),
            fifo.i.p.token.eq(total),
            fifo.i.p.last.eq(delay(m, last, 3, "last_token")),
            fifo.i.p.info.eq(delay(m, info, 3, "info")),
            self.o.valid.eq(fifo.o.valid),
            self.o.p.eq(fifo.o.p),
            fifo.o.ready.eq(self.o.ready),
        ]

    def _begin(self, m: Module) -> None:
        """Take an instruction; count rows, or check the site."""
        body, some = self._issued.body.rows, Signal()
        with m.State("IDLE"):
            m.d.comb += self.i.ready.eq(1)
            with m.If(self.i.valid):
                m.next = "BEGIN"
        with m.State("BEGIN"):
            m.d.sync += [self._linear.eq(body.first), self._skip.eq(body.first), self._left.eq(body.count)]
            m.d.sync += [self._skips.eq(body.first != 0), self._last.eq(body.count == 1)]
            m.d.sync += some.eq(body.count != 0)
            m.next = "CHOOSE"
        with m.State("CHOOSE"):
            m.d.comb += [self._check.start.eq(body.flag_compare & some), self._ended.eq(~some)]
            m.next = "IDLE"
            with m.If(some):
                m.next = "COUNT"
                with m.If(body.flag_compare):
                    m.next = "CHECK"
        with m.State("COUNT"):
            m.d.comb += self._count.eq(1)
            with m.If(self._counted):
                m.d.comb += self._ended.eq(1)
                m.next = "IDLE"
        with m.State("CHECK"), m.If(self._check.done):
            m.d.sync += [self._members.eq(0), self._height.eq(0)]
            m.next = "GROUP"
            with m.If(self._check.refused):
                m.next = "STOPPED"

    def _pass(self, m: Module) -> None:
        """One row or band less."""
        m.d.sync += [self._left.eq(self._left - 1), self._last.eq(self._left == 2)]

    def _fill(self, m: Module) -> None:
        """Fill the tables of a group's planes and of a band's rows."""
        site, end = self._issued.site, self._odometer.end
        with m.State("GROUP"):
            m.d.comb += self._fill_group.eq(1)
            m.d.sync += [self._members.eq(self._members + 1), self._groups_end.eq(end[0])]
            with m.If(end[0] | (self._members + 1 == site.group)):
                m.next = "BAND"
        with m.State("BAND"):
            m.d.comb += self._fill_band.eq(1)
            m.d.sync += [
                self._height.eq(self._height + 1),
                self._rows_end.eq(end[1]),
                self._reference.eq(1),
                self._following.eq(0),
                self._others.eq(self._members - 1),
            ]
            with m.If(end[1] | (self._height + 1 == site.chunk_rows)):
                m.next = "NEXT"
                with m.If(~self._skips):
                    m.next = "PLANE"

    def _planes(self, m: Module) -> None:
        """The reference plane, then the others; then the next band or group."""
        following = self._following + 1
        with m.State("PLANE"):
            m.d.comb += self._choose.eq(1)
            with m.If(~self._reference):
                m.d.sync += self._following.eq(Mux(following == self._members >> 1, self._following + 2, following))
            m.next = "CELLS"
        ended = Signal()
        m.d.sync += ended.eq(self._plane.last)
        with m.State("CELLS"), m.If(ended):
            m.d.sync += [self._reference.eq(0), self._others.eq(self._others - 1)]
            m.next = "PLANE"
            with m.If(self._others == 0):
                m.next = "NEXT"
        with m.State("NEXT"):
            m.d.sync += [
                self._height.eq(0),
                self._skip.eq(self._skip - 1),
                self._skips.eq(self._skips & (self._skip != 1)),
            ]
            with m.If(~self._skips):
                self._pass(m)
            m.next = "BAND"
            with m.If(~self._skips & self._last):
                m.d.comb += self._ended.eq(1)
                m.next = "IDLE"
            with m.Elif(self._rows_end):
                m.d.sync += self._members.eq(0)
                m.next = "GROUP"
                with m.If(self._groups_end):
                    m.next = "STOPPED"
