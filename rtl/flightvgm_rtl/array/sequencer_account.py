"""What an instruction of the matrix unit adds to the ledger."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Array, Cat, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from flightvgm_arch.operations import BY_NAME
from flightvgm_rtl.array.sequencer_multiply import SerialMultiply
from flightvgm_rtl.array.sequencer_ports import Shape
from flightvgm_rtl.control.commands import Increment, command
from flightvgm_rtl.lib.fifo import Fifo
from flightvgm_rtl.lib.pipeline import register

_BITS = 24
_QUOTIENT_BITS = 22  # Counts that are rounded up to multiples of an odd number have no more.
_FACTORS = 5
_SETTLE = 5  # Cycles until a factor has been chosen and rounded up.
_HALF = 32

Sum = data.StructLayout({"increment": Increment, "counts": 1})
"""Increment of an instruction; without ``counts`` it is not posted."""


class Account(wiring.Component):
    """Count MACs of instructions, and those that the array spends on padding, as the golden machine does.

    INT8: ``rows batch0 batch1`` rows are one problem. Every product of counts is made bit by bit, in about 100
    cycles for an instruction.

    Parameters
    ----------
    shape : Shape

    Members
    -------
    i : In(stream.Signature(command("matrix")))
        Instructions as they begin.
    o : Out(stream.Signature(Sum))
        Their increments, in order.
    """

    def __init__(self, *, shape: Shape) -> None:
        self._shape = shape
        self._multiply = SerialMultiply()
        self._sums = Fifo(Sum, depth=4, style="distributed")
        super().__init__({"i": In(stream.Signature(command("matrix"))), "o": Out(stream.Signature(Sum))})

    def elaborate(self, _platform: Any) -> Module:
        """Walk the factors of the MACs and of what the array spends."""
        m = Module()
        multiply, sums = self._multiply, self._sums
        m.submodules.multiply, m.submodules.sums = multiply, sums
        wiring.connect(m, sums.o, wiring.flipped(self.o))
        now = Signal(command("matrix"), reset_less=True)
        is_mm = now.opcode == BY_NAME["MM"].opcode
        mm, attn = now.body.mm, now.body.attn
        int8 = is_mm & ~mm.flag_fp16
        number, part = Signal(range(_FACTORS)), Signal(range(3))
        total_rows = Signal(_BITS, reset_less=True)
        macs, spent, padding = (Signal(2 * _HALF, name=name, reset_less=True) for name in ("macs", "spent", "padding"))
        factor = self._factor(m, now, is_mm, int8, part, number, total_rows)
        counts = Mux(
            is_mm,
            mm.rows.any() & mm.batch0.any() & mm.batch1.any(),
            attn.rows.any() & attn.batch.any() & attn.keys.any(),
        )
        m.d.comb += [
            multiply.factor.eq(factor),
            sums.i.p.counts.eq(counts),
            sums.i.p.increment.place.eq(now.place),
            sums.i.p.increment.macs_done.eq(Mux(int8, macs, 0)),
            sums.i.p.increment.attention_macs.eq(Mux(int8, 0, macs)),
            sums.i.p.increment.padding_macs.eq(padding),
        ]
        self._walk(m, {"now": now, "number": number, "part": part, "rows": total_rows}, (macs, spent, padding), is_mm)
        return m

    def _walk(self, m: Module, state: dict[str, Any], results: tuple[Signal, Signal, Signal], is_mm: Value) -> None:
        """Multiply factor by factor; add up what the array spends, and subtract the MACs, in halves of 32 bits."""
        multiply, sums = self._multiply, self._sums
        now, number, part, total_rows = (state[name] for name in ("now", "number", "part", "rows"))
        macs, spent, padding = results
        carry, ends = Signal(), Signal()
        settle = Signal(range(_SETTLE + 1))
        with m.FSM():
            with m.State("IDLE"):
                m.d.comb += self.i.ready.eq(1)
                m.d.sync += [now.eq(self.i.p), part.eq(0)]
                with m.If(self.i.valid):
                    m.next = "CLEAR"
            with m.State("CLEAR"):
                m.d.comb += multiply.clear.eq(1)
                m.d.sync += number.eq(0)
                m.next = "SETTLE"
            with m.State("SETTLE"):
                m.d.sync += settle.eq(Mux(settle == _SETTLE, 0, settle + 1))
                with m.If(settle == _SETTLE):
                    m.next = "START"
            with m.State("START"):
                m.d.comb += multiply.start.eq(1)
                m.next = "MULTIPLY"
            with m.State("MULTIPLY"), m.If(~multiply.busy):
                with m.If(number == 2):
                    m.d.sync += total_rows.eq(multiply.o[:_BITS])
                m.d.sync += number.eq(number + 1)
                m.next = "SETTLE"
                with m.If(number == _FACTORS - 1):
                    m.next = "KEEP"
            with m.State("KEEP"):
                m.d.sync += [part.eq(part + 1), ends.eq((part == 2) | is_mm)]
                m.next = "CLEAR"
                with m.If(part == 0):
                    m.d.sync += [macs.eq(Mux(is_mm, multiply.o, multiply.o << 1)), spent.eq(0)]
                with m.Else():
                    m.d.sync += Cat(spent[:_HALF], carry).eq(spent[:_HALF] + multiply.o[:_HALF])
                    m.next = "ADD"
            with m.State("ADD"):
                m.d.sync += spent[_HALF:].eq(spent[_HALF:] + multiply.o[_HALF:] + carry)
                m.next = "CLEAR"
                with m.If(ends):
                    m.next = "SUBTRACT"
            with m.State("SUBTRACT"):
                m.d.sync += Cat(padding[:_HALF], carry).eq(spent[:_HALF] - macs[:_HALF])
                m.next = "BORROW"
            with m.State("BORROW"):
                m.d.sync += padding[_HALF:].eq(spent[_HALF:] - macs[_HALF:] - carry)
                m.next = "GIVE"
            with m.State("GIVE"):
                m.d.comb += sums.i.valid.eq(1)
                with m.If(sums.i.ready):
                    m.next = "IDLE"

    def _factor(
        self, m: Module, now: Any, is_mm: Value, int8: Value, part: Signal, number: Signal, total_rows: Signal
    ) -> Signal:
        """Factor of a number: two of problems, then rows, columns and K; the parts behind the first one are rounded up.

        It is valid five cycles later.
        """
        shape = self._shape
        mm, attn = now.body.mm, now.body.attn
        swap = (part == 2) & attn.flag_transposed
        padded = part != 0
        one = int8 & padded  # All rows are one problem.
        rows = Mux(is_mm, Mux(one, total_rows, mm.rows), Mux(swap, attn.head_dim, attn.rows))
        wide = Mux(is_mm, mm.columns, Mux(part == 2, Mux(swap, attn.rows, attn.head_dim), attn.keys))
        inner = Mux(is_mm, mm.k, Mux(part == 2, attn.keys, attn.head_dim))
        numbers = [
            Mux(one, 1, Mux(is_mm, mm.batch0, attn.batch)),
            Mux(one, 1, Mux(is_mm, mm.batch1, attn.heads)),
            rows,
            wide,
            inner,
        ]
        chosen = Signal(_BITS, reset_less=True)
        m.d.sync += chosen.eq(Array(numbers)[number])
        lanes = Mux(int8, 4 * shape.depth, 2 * shape.depth)
        up = Signal(_BITS)
        with m.Switch(number):
            with m.Case(2):
                m.d.comb += up.eq(_round_up(m, chosen, shape.rows, "rows"))
            with m.Case(3):
                m.d.comb += up.eq(_round_up(m, chosen, shape.columns, "columns"))
            with m.Case(4):
                m.d.comb += up.eq((chosen + lanes - 1) & ~(lanes - 1))
            with m.Default():
                m.d.comb += up.eq(chosen)
        factor = Signal(_BITS, reset_less=True)
        m.d.sync += factor.eq(Mux(padded, up, chosen))
        return factor


def _round_up(m: Module, value: Signal, unit: int, name: str) -> Signal:
    """Smallest multiple of ``unit`` that is at least ``value``, three cycles later.

    An odd factor of the unit divides by a product with its reciprocal, whose error is too small to reach the next
    integer.
    """
    shift = (unit & -unit).bit_length() - 1
    odd = unit >> shift
    groups = register(m, ((value + (unit - 1)) >> shift)[:_QUOTIENT_BITS], f"{name}_groups")
    places = _QUOTIENT_BITS + odd.bit_length()
    product = groups if odd == 1 else groups * -(-(1 << places) // odd) >> places
    quotient = register(m, product[:_QUOTIENT_BITS], f"{name}_quotient")
    return register(m, (quotient * unit)[:_BITS], f"{name}_rounded")
