"""Error codes of memory's answers."""

from __future__ import annotations

from amaranth.hdl import Mux, Value

from flightvgm_arch.errors import ErrorCode
from flightvgm_rtl.dma.ports import Answer


def error_code(answer: Value) -> Value:
    """Error code of an answer that is not OK."""
    bus = Mux(answer == Answer.SLVERR, ErrorCode.AXI_SLVERR, ErrorCode.AXI_DECERR)
    return Mux(answer == Answer.WINDOW, ErrorCode.ADDRESS_WINDOW, bus)
