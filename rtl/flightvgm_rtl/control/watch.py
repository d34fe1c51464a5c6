"""Watch: finds that a program does not go on."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

_HALF = 32


class Watch(wiring.Component):
    """Tell that cores wait for each other or themselves, or that nothing moved for too long.

    Parameters
    ----------
    patience : int
        Cycles for which everything must wait until it is a deadlock; a power of two.
    ring_patience : int
        The same, where units that wait for weight tiles have instructions.

    Members
    -------
    run : In(1)
    limit : In(64)
        Cycles without progress; zero for any number.
    progress : In(1)
        Something moved.
    stuck, starved : In(1)
        All cores wait; all cores wait, some of them in units that wait for weight tiles.
    deadlock, watchdog : Out(1)
        Held until ``run`` falls.
    """

    def __init__(self, *, patience: int = 64, ring_patience: int = 1 << 16) -> None:
        self._patience, self._ring_patience = patience, ring_patience
        super().__init__(
            {
                "run": In(1),
                "limit": In(2 * _HALF),
                "progress": In(1),
                "stuck": In(1),
                "starved": In(1),
                "deadlock": Out(1),
                "watchdog": Out(1),
            }
        )

    def elaborate(self, _: Any) -> Module:
        """Count how long nothing moved."""
        m = Module()
        for name, waits, patience in (
            ("stuck", self.stuck, self._patience),
            ("starved", self.starved | self.stuck, self._ring_patience),
        ):
            count = Signal(range(patience), name=f"{name}_cycles")
            with m.If(self.run & waits & ~self.progress):
                m.d.sync += count.eq(count + 1)
                with m.If(count.all()):
                    m.d.sync += self.deadlock.eq(1)
            with m.Else():
                m.d.sync += count.eq(0)
        self._dog(m)
        with m.If(~self.run):
            m.d.sync += [self.deadlock.eq(0), self.watchdog.eq(0)]
        return m

    def _dog(self, m: Module) -> None:
        """Count down in two halves."""
        low, high, empty, armed = Signal(_HALF), Signal(_HALF), Signal(), Signal()
        m.d.sync += [empty.eq(~high.any()), armed.eq(self.limit.any())]
        with m.If(~self.run | self.progress):
            m.d.sync += [low.eq(self.limit[:_HALF]), high.eq(self.limit[_HALF:])]
        with m.Elif(low.any()):
            m.d.sync += low.eq(low - 1)
        with m.Elif(~empty):
            m.d.sync += [low.eq(~0), high.eq(high - 1), empty.eq(0)]
        with m.Elif(armed):
            m.d.sync += self.watchdog.eq(1)
