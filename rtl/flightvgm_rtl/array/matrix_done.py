"""The end of instructions of the matrix unit."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from flightvgm_rtl.array.sequencer_account import Sum
from flightvgm_rtl.control.commands import Increment

_WAITING = 15


class MatrixDone(wiring.Component):
    """Say that an instruction is done when its last result is in the result buffer and its increment has been taken.

    Members
    -------
    written : In(1)
        Pulse: the last block of an instruction was written; up to 15 may wait.
    sum : In(stream.Signature(Sum))
        Increments of the instructions, in order.
    post : Out(stream.Signature(Increment))
    done : Out(1)
        Pulse.
    busy : Out(1)
        Something waits.
    """

    def __init__(self) -> None:
        super().__init__(
            {
                "written": In(1),
                "sum": In(stream.Signature(Sum)),
                "post": Out(stream.Signature(Increment)),
                "done": Out(1),
                "busy": Out(1),
            }
        )

    def elaborate(self, _platform: Any) -> Module:
        """Count what was written, post, and say so."""
        m = Module()
        waiting = Signal(range(_WAITING + 1))
        ready = Signal()
        m.d.comb += [
            ready.eq((waiting != 0) & self.sum.valid),
            self.post.valid.eq(ready & self.sum.p.counts),
            self.post.p.eq(self.sum.p.increment),
            self.sum.ready.eq((waiting != 0) & (self.post.ready | ~self.sum.p.counts)),
            self.done.eq(self.sum.valid & self.sum.ready),
            self.busy.eq(waiting != 0),
        ]
        m.d.sync += waiting.eq(waiting + self.written - self.done)
        return m
