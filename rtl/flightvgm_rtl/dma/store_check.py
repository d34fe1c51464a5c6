"""Checks of STORE and FILL that need no data."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from flightvgm_arch.errors import ErrorCode
from flightvgm_arch.isa import BY_NAME, REGISTER_BITS
from flightvgm_rtl.control.commands import body

_LOW = 5  # Address bits within 32 bytes.
_PLACE = 19  # Bits of the number of a word in a buffer of at most 16 MiB.
_CYCLES = 6


class StoreCheck(wiring.Component):
    """Look at a command before its first access.

    The fields enter in the cycle behind ``start`` and hold; ``valid`` rises seven cycles behind ``start``, and falls
    with the next one. A row set ends at word ``result / 32 + (count - 1) * result_pitch / 32 + (outer - 1) *
    result_outer / 32 + ceil(row_bytes / 32)``.

    Parameters
    ----------
    result_bytes : int
        Size of the result buffer.

    Members
    -------
    start : In(1)
    filling, row, fill : In
        Which of the two it is, and its fields.
    valid : Out(1)
    nothing : Out(1)
        An extent is zero.
    code : Out(5)
        Error code; zero where all is well.
    address : Out(40)
        The destination.
    """

    def __init__(self, *, result_bytes: int) -> None:
        self._words = result_bytes // 32
        super().__init__(
            {
                "start": In(1),
                "filling": In(1),
                "row": In(body(BY_NAME["STORE"])),
                "fill": In(body(BY_NAME["FILL"])),
                "valid": Out(1),
                "nothing": Out(1),
                "code": Out(5),
                "address": Out(REGISTER_BITS),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        """Compare in a few cycles what does not move."""
        m = Module()
        row, fill = self.row, self.fill
        steps, askew, wide, nothing = Signal(_CYCLES), Signal(), Signal(), Signal()
        parts = (row.to, row.pitch, row.result, row.result_pitch, row.result_outer)
        low, list_low = Signal(_LOW), Signal(_LOW)
        m.d.comb += [
            low.eq(parts[0][:_LOW] | parts[1][:_LOW] | parts[2][:_LOW] | parts[3][:_LOW] | parts[4][:_LOW]),
            list_low.eq(row.list[:_LOW] & row.flag_scattered.replicate(_LOW)),
        ]
        many = Signal()
        m.d.sync += [
            steps.eq(Cat(self.start, steps[:-1])),
            askew.eq(((low | list_low) != 0) | row.row_bytes[0] | (row.row_bytes == 0)),
            many.eq((row.count != 1) | (row.outer != 1)),
            wide.eq(row.row_bytes > row.pitch),
            nothing.eq(Mux(self.filling, fill.count == 0, (row.count == 0) | (row.outer == 0))),
        ]
        beyond = self._beyond(m)
        with m.If(self.start):
            m.d.sync += self.valid.eq(0)
        with m.Elif(steps[-1]):
            m.d.sync += [
                self.valid.eq(1),
                self.nothing.eq(nothing),
                self.address.eq(Mux(self.filling, fill.to, row.to)),
                self.code.eq(0),
            ]
            with m.If(Mux(self.filling, fill.to[:_LOW] != 0, askew)):
                m.d.sync += self.code.eq(ErrorCode.MISALIGNED)
            with m.Elif(~self.filling & beyond):
                m.d.sync += self.code.eq(ErrorCode.BUFFER_OVERRUN)
            with m.Elif(~self.filling & wide & many):
                m.d.sync += self.code.eq(ErrorCode.FIELD_RANGE)
        return m

    def _beyond(self, m: Module) -> Signal:
        """Whether the last row ends beyond the buffer."""
        row = self.row
        inner, outer = (Signal(24, name=name, reset_less=True) for name in ("inner", "outer"))
        pitch, step = row.result_pitch[_LOW:], row.result_outer[_LOW:]
        by_inner = Signal(len(inner) + len(pitch), reset_less=True)
        by_outer = Signal(len(outer) + len(step), reset_less=True)
        far, loops, first, end = Signal(), Signal(_PLACE + 1), Signal(_PLACE + 1), Signal(_PLACE + 2)
        beyond = Signal()
        m.d.sync += [
            inner.eq(row.count - 1),
            outer.eq(row.outer - 1),
            by_inner.eq(inner * pitch),
            by_outer.eq(outer * step),
            far.eq((by_inner[_PLACE:] != 0) | (by_outer[_PLACE:] != 0)),
            loops.eq(by_inner[:_PLACE] + by_outer[:_PLACE]),
            first.eq(row.result[_LOW:] + ((row.row_bytes + 31) >> _LOW)),
            end.eq(loops + first),
            beyond.eq(far | (end > self._words)),
        ]
        return beyond
