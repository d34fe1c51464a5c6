"""Answers to writes that are not complete yet."""

from typing import Any

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from flightvgm_arch.errors import ErrorCode
from flightvgm_rtl.dma.ports import Answer, Done
from flightvgm_rtl.lib.pipeline import register

_CODES = {
    Answer.WINDOW: ErrorCode.ADDRESS_WINDOW,
    Answer.SLVERR: ErrorCode.AXI_SLVERR,
    Answer.DECERR: ErrorCode.AXI_DECERR,
}
_BITS = 16


class Answers(wiring.Component):
    """Count the requests of a write port that are not answered.

    Members
    -------
    asked : In(1)
        The port took a request.
    done : In(Done)
        What the port answers.
    none : Out(1)
        All requests were answered before the last cycle.
    code : Out(5)
        An error in the answer of the cycle before, or zero.
    """

    asked: In(1)
    done: In(Done)
    none: Out(1)
    code: Out(5)

    def elaborate(self, _platform: Any) -> Module:
        """Count up and down."""
        m = Module()
        waiting, answered = Signal(_BITS), Signal()
        error = register(m, self.done.error, "error")
        m.d.sync += [answered.eq(self.done.valid), waiting.eq(waiting + self.asked - answered)]
        m.d.comb += self.none.eq(waiting == 0)
        for answer, code in _CODES.items():
            with m.If(answered & (error == answer)):
                m.d.comb += self.code.eq(code)
        return m
