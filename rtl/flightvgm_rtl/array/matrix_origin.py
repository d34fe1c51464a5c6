"""Which instruction the results of the array belong to."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from flightvgm_arch.operations import BY_NAME
from flightvgm_rtl.array.ports import TileKind, drained
from flightvgm_rtl.control.commands import PC_BITS, command
from flightvgm_rtl.lib.fifo import Fifo
from flightvgm_rtl.vector.flow import history

_DEPTH = 16  # More than begin before the results of the first one are out.


class MatrixOrigin(wiring.Component):
    """Tell the number of the instruction whose results left the drain.

    Parameters
    ----------
    segments : int
        Of a row.
    late : int
        Cycles since then, at least two.

    Members
    -------
    begins : In(1)
        An instruction begins in this cycle; those that feed no tile count for nothing.
    command : In(command("matrix"))
        The instruction.
    i : In(drained()) of each segment of row 0
    pc : Out(24)
        That of the results of row 0 of ``late`` cycles ago.
    """

    def __init__(self, *, segments: int, late: int) -> None:
        self._late = late
        super().__init__(
            {
                "begins": In(1),
                "command": In(command("matrix")),
                "i": In(drained()).array(segments),
                "pc": Out(PC_BITS),
            }
        )

    def elaborate(self, _platform: Any) -> Module:
        """Numbers wait in a FIFO until the last result of their instruction has come."""
        m = Module()
        m.submodules.numbers = numbers = Fifo(PC_BITS, depth=_DEPTH, style="distributed")
        mm, attn = self.command.body.mm, self.command.body.attn
        feeds = Mux(
            self.command.opcode == BY_NAME["MM"].opcode,
            mm.rows.any() & mm.batch0.any() & mm.batch1.any(),
            attn.rows.any() & attn.batch.any() & attn.keys.any(),
        )
        ends = Signal()
        m.d.sync += ends.eq(0)
        for segment in self.i:
            with m.If(segment.valid & segment.last & segment.tag.last & (segment.tag.kind != TileKind.SCORE)):
                m.d.sync += ends.eq(1)
        m.d.comb += [
            numbers.i.valid.eq(self.begins & feeds),
            numbers.i.payload.eq(self.command.pc),
            numbers.o.ready.eq(history(m, ends, self._late - 1, "ended")),
            self.pc.eq(numbers.o.payload),
        ]
        return m
