"""Addresses of operands in words of a bank."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from flightvgm_rtl.array.sequencer_ports import BANK_WORD_BITS
from flightvgm_rtl.lib.pipeline import delay, register

_ADDRESS_BITS = 24
_LINE_BITS = 5


class BankDivide(wiring.Component):
    """``i / (32 banks)`` of an address or step of an operand, and whether it is a whole number; one a cycle.

    A multiple of an odd number is divided by multiplying with the inverse modulo a power of two; what is no
    multiple gives a quotient that is too large.

    Parameters
    ----------
    rows, columns : int
        Banks of A and of B.

    Members
    -------
    i : In(24)
    i_columns : In(1)
        Divide by the banks of B.
    o : Out(19)
        Quotient, ``latency`` cycles later.
    exact : Out(1)
        There is no remainder.
    """

    latency = 2

    def __init__(self, *, rows: int, columns: int) -> None:
        self._banks = (rows, columns)
        super().__init__({"i": In(_ADDRESS_BITS), "i_columns": In(1), "o": Out(BANK_WORD_BITS), "exact": Out(1)})

    def elaborate(self, _platform: Any) -> Module:
        """Divide by both numbers of banks."""
        m = Module()
        results = [self._divide(m, banks, name) for banks, name in zip(self._banks, ("rows", "columns"), strict=True)]
        columns = delay(m, self.i_columns, self.latency, "columns")
        m.d.comb += [
            self.o.eq(Mux(columns, results[1][0], results[0][0])),
            self.exact.eq(Mux(columns, results[1][1], results[0][1])),
        ]
        return m

    def _divide(self, m: Module, banks: int, name: str) -> tuple[Signal, Signal]:
        """Quotient and whether it is exact."""
        shift = (banks & -banks).bit_length() - 1
        odd = banks >> shift
        bits = BANK_WORD_BITS - shift
        low = register(m, ~self.i[: _LINE_BITS + shift].any(), f"{name}_low")
        upper = register(m, self.i[_LINE_BITS + shift :], f"{name}_upper")
        product = register(m, (upper * pow(odd, -1, 1 << bits))[:bits], f"{name}_product")
        exact = Signal(name=f"{name}_exact")
        m.d.comb += exact.eq(delay(m, low, 1, f"{name}_low_late") & (product <= ((1 << bits) - 1) // odd))
        return product, exact
