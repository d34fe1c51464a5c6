"""Windows: the ranges of memory that the host has opened."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from flightvgm_arch.registers import WINDOWS
from flightvgm_rtl.dma.ports import ADDRESS_BITS, Request
from flightvgm_rtl.lib.vector import Vector

Window = data.StructLayout({"base": ADDRESS_BITS, "limit": ADDRESS_BITS})
"""A window's first byte, a multiple of 32, and the first one beyond it; equal ones open nothing."""
Windows = Vector(Window, WINDOWS)
_HALF = 18  # Bits of the lower part of a sum or comparison.
_LOW = 5  # Address bits within a beat.


class WindowCheck(wiring.Component):
    """Say whether a request lies in one window.

    ``refused`` is 0 where a window holds all bytes from ``address`` up to ``address + 32 * beats``. One request a
    cycle; the answer comes ``latency`` cycles later. Windows may change only while no answer is under way.

    Members
    -------
    windows : In(Windows)
    request : In(Request)
    refused : Out(1)
    """

    latency = 5

    def __init__(self) -> None:
        super().__init__({"windows": In(Windows), "request": In(Request), "refused": Out(1)})

    def elaborate(self, platform: Any) -> Module:
        """Add in two steps, compare in two halves, then join."""
        m = Module()
        first, end = (Signal(ADDRESS_BITS - _LOW + carry, reset_less=True) for carry in range(2))
        self._end(m, first, end)
        inside = Signal(WINDOWS, reset_less=True)
        for number in range(WINDOWS):
            window = self.windows[number]
            above, below = Signal(name=f"above_{number}"), Signal(name=f"below_{number}")
            self._not_less(m, above, first, window.base[_LOW:], f"above_{number}")
            self._not_less(m, below, window.limit[_LOW:], end, f"below_{number}")
            m.d.sync += inside[number].eq(above & below)
        m.d.sync += self.refused.eq(inside == 0)
        return m

    def _end(self, m: Module, first: Signal, end: Signal) -> None:
        """First beat, and the first one behind the request, two cycles later."""
        start = self.request.address[_LOW:]
        first_1 = Signal(len(start), reset_less=True)
        beats_1 = Signal(len(self.request.beats) - _HALF, reset_less=True)
        low_1 = Signal(_HALF + 1, reset_less=True)
        m.d.sync += [
            first_1.eq(start),
            beats_1.eq(self.request.beats[_HALF:]),
            low_1.eq(start[:_HALF] + self.request.beats[:_HALF]),
            first.eq(first_1),
            end[:_HALF].eq(low_1[:_HALF]),
            end[_HALF:].eq(first_1[_HALF:] + beats_1 + low_1[_HALF]),
        ]

    def _not_less(self, m: Module, result: Signal, left: Value, right: Value, name: str) -> None:
        """Say a cycle later whether ``left >= right``."""
        greater, equal, low = (Signal(name=f"{name}_{part}", reset_less=True) for part in ("greater", "equal", "low"))
        m.d.sync += [
            greater.eq(left[_HALF:] > right[_HALF:]),
            equal.eq(left[_HALF:] == right[_HALF:]),
            low.eq(left[:_HALF] >= right[:_HALF]),
        ]
        m.d.comb += result.eq(greater | equal & low)
