"""Division: how many rows the units of a pool have."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from flightvgm_arch.operations import BY_NAME
from flightvgm_rtl.control.commands import body

ROWS_BITS = 32
SIZE_BITS = 13
_WIDTHS = {name: field.width for name, field in body(BY_NAME["OPEN"])}


class Division(wiring.Component):
    """Size of units, by counting.

    ``number = cores * ceil(rows / (cores * largest))`` and ``size = granule * ceil(rows / (number * granule))``. It
    takes a cycle for each ``granule`` in ``largest``, for each ``cores * largest`` rows, for each ``size``, and about
    six more. Quotients of no rows are one.

    Parameters
    ----------
    cores : int
        Cores.

    Members
    -------
    start : In(1)
        A pulse; ``rows``, ``largest`` and ``granule`` stay, and have been there for a cycle.
    rows : In(32)
        Less than 2^30.
    largest : In(12), granule : In(8)
        A unit's rows are a multiple of ``granule``; those of all are ``largest`` or somewhat more.
    done : Out(1)
        A pulse.
    wrong : Out(1)
        With ``done``: one of them is zero, or ``granule`` does not divide ``largest``.
    size : Out(13)
        Stays until the next start.
    """

    def __init__(self, *, cores: int) -> None:
        self._cores = cores
        super().__init__(
            {
                "start": In(1),
                "rows": In(ROWS_BITS),
                "largest": In(_WIDTHS["largest"]),
                "granule": In(_WIDTHS["granule"]),
                "done": Out(1),
                "wrong": Out(1),
                "size": Out(SIZE_BITS),
            }
        )
        self._rest, self._part, self._step = (
            Signal(ROWS_BITS, name=name, reset_less=True) for name in ("rest", "part", "step")
        )
        self._all_largest, self._all_granules = (
            Signal(17, name=name, reset_less=True) for name in ("all_largest", "all_granules")
        )
        self._zero = Signal()

    def elaborate(self, _: Any) -> Module:
        """Subtract until the rest, which begins one too low, is negative: after as many parts as the quotient."""
        m = Module()
        difference = Signal(ROWS_BITS)
        ends = difference[-1]
        m.d.comb += difference.eq(self._rest - self._part)
        m.d.sync += [
            self._all_largest.eq(self.largest * self._cores),
            self._all_granules.eq(self.granule * self._cores),
            self._zero.eq((self.largest == 0) | (self.granule == 0)),
            self.done.eq(0),
        ]
        with m.FSM():
            with m.State("IDLE"):
                m.d.sync += [self._rest.eq(self.largest - 1), self._part.eq(self.granule), self.wrong.eq(self._zero)]
                with m.If(self.start):
                    m.next = "ZERO"
            with m.State("ZERO"):
                m.next = "REMAINDER"
                with m.If(self._zero):
                    self._end(m)
            with m.State("REMAINDER"):
                m.d.sync += self._rest.eq(difference)
                with m.If(ends):
                    m.next = "CHECK"
            with m.State("CHECK"):
                m.d.sync += [self.wrong.eq(~self._rest.all()), self._step.eq(0), self.size.eq(0)]
                self._begin(m, self._all_largest)
                m.next = "NUMBER"
                with m.If(~self._rest.all()):
                    self._end(m)
            with m.State("NUMBER"):
                m.d.sync += [self._rest.eq(difference), self._step.eq(self._step + self._all_granules)]
                with m.If(ends):
                    m.next = "AGAIN"
            with m.State("AGAIN"):
                self._begin(m, self._step)
                m.next = "SIZE"
            with m.State("SIZE"):
                m.d.sync += [self._rest.eq(difference), self.size.eq(self.size + self.granule)]
                with m.If(ends):
                    self._end(m)
        return m

    def _begin(self, m: Module, part: Signal) -> None:
        m.d.sync += [self._rest.eq(self.rows - 1), self._part.eq(part)]

    def _end(self, m: Module) -> None:
        m.d.sync += self.done.eq(1)
        m.next = "IDLE"
