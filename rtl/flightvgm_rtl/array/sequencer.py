"""The sequencer: instructions of the matrix unit to tiles."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Array, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from flightvgm_arch.errors import ErrorCode
from flightvgm_arch.operations import BY_NAME
from flightvgm_rtl.array.attention import AttentionWalk
from flightvgm_rtl.array.mm import ProductWalk
from flightvgm_rtl.array.ports import TileKind
from flightvgm_rtl.array.sequencer_attention import attention_job, attention_misaligned, attention_range
from flightvgm_rtl.array.sequencer_divide import BankDivide
from flightvgm_rtl.array.sequencer_ports import Shape, attention, fill, plan, product
from flightvgm_rtl.array.sequencer_product import product_job, product_misaligned, product_range
from flightvgm_rtl.control.commands import command
from flightvgm_rtl.lib.fault import Fault

_QUOTIENTS = 6
_SETTLE = 4  # Cycles until checks of the registered instruction have settled.

Stop = data.StructLayout({"valid": 1, "code": 5})
Checks = data.StructLayout({"nothing": 1, "wrong_range": 1, "misaligned": 1})
"""An instruction has a zero extent, a field out of range, or a misaligned address."""


class Sequencer(wiring.Component):
    """Take instructions, check them, and plan their tiles.

    An instruction takes about 14 cycles before its first tile; the next one is taken when the last tile of this one
    has been planned. One with a zero extent plans a block without rows, so that it is done in its turn. Checks need
    no data; a walk that leaves a buffer is seen at the tile that does. After a fault nothing more is planned.

    Parameters
    ----------
    shape : Shape

    Members
    -------
    command : In(stream.Signature(command("matrix")))
    o : Out(stream.Signature(plan(shape)))
    account : Out(stream.Signature(command("matrix")))
        Each instruction that was begun, for the ledger.
    stop : In(Stop)
        A fault found by others.
    fault : Out(Fault)
    busy : Out(1)
        An instruction is planned.
    """

    def __init__(self, *, shape: Shape) -> None:
        self._shape = shape
        super().__init__(
            {
                "command": In(stream.Signature(command("matrix"))),
                "o": Out(stream.Signature(plan(shape))),
                "account": Out(stream.Signature(command("matrix"))),
                "stop": In(Stop),
                "fault": Out(Fault),
                "busy": Out(1),
            }
        )

    def elaborate(self, _platform: Any) -> Module:
        """Register an instruction, divide its addresses, check, and start a walk."""
        m = Module()
        m.submodules.products = products = ProductWalk(shape=self._shape)
        m.submodules.attention = attended = AttentionWalk(shape=self._shape)
        now = Signal(command("matrix"), reset_less=True)
        count = Signal(range(_QUOTIENTS + _SETTLE + 1))
        checks = self._jobs(m, now, count, products, attended)
        void = Signal()
        idle, working = Signal(), Signal()
        m.d.comb += [
            self.account.p.eq(now),
            idle.eq(products.i.ready & attended.i.ready),
            self.command.ready.eq(idle & ~working & ~self.fault.valid),
            self.busy.eq(~idle | working),
        ]
        start = self._control(m, now, count, checks, working, void)
        is_mm = now.opcode == BY_NAME["MM"].opcode
        m.d.comb += [products.i.valid.eq(start & is_mm), attended.i.valid.eq(start & ~is_mm)]
        self._merge(m, products, attended, void)
        with m.If(~self.fault.valid & (self.stop.valid | products.overrun | attended.overrun)):
            code = Mux(self.stop.valid, self.stop.code, ErrorCode.BUFFER_OVERRUN)
            m.d.sync += [self.fault.valid.eq(1), self.fault.code.eq(code), self.fault.pc.eq(now.pc)]
        return m

    def _jobs(self, m: Module, now: Any, count: Signal, products: ProductWalk, attended: AttentionWalk) -> Any:
        """What the walks need of the instruction, and what is wrong with it, some cycles after it came."""
        quotients, exact = self._divide(m, now, count)
        product_now, attention_now = Signal(product(), reset_less=True), Signal(attention(), reset_less=True)
        mm, attn = now.body.mm, now.body.attn
        product_job(m, product_now, mm, quotients, self._shape)
        attention_job(m, attention_now, attn, quotients, self._shape)
        checks = Signal(Checks, reset_less=True)
        with m.If(now.opcode == BY_NAME["MM"].opcode):
            m.d.sync += [
                checks.nothing.eq(~(mm.rows.any() & mm.batch0.any() & mm.batch1.any())),
                checks.wrong_range.eq(product_range(mm)),
                checks.misaligned.eq(product_misaligned(mm, exact)),
            ]
        with m.Else():
            m.d.sync += [
                checks.nothing.eq(~(attn.rows.any() & attn.batch.any())),
                checks.wrong_range.eq(attention_range(attn, attention_now, self._shape)),
                checks.misaligned.eq(attention_misaligned(attn, exact)),
            ]
        m.d.comb += [products.i.p.eq(product_now), attended.i.p.eq(attention_now)]
        return checks

    def _control(self, m: Module, now: Any, count: Signal, checks: Any, working: Signal, void: Signal) -> Signal:
        """Take an instruction, wait until its checks have settled, and begin it; gives the pulse that starts a walk."""
        start = Signal()
        m.d.comb += working.eq(1)
        with m.FSM():
            with m.State("IDLE"):
                m.d.comb += working.eq(0)
                with m.If(self.command.valid & self.command.ready):
                    m.d.sync += [count.eq(0), now.eq(self.command.p)]
                    m.next = "PREPARE"
            with m.State("PREPARE"):
                m.d.sync += count.eq(count + 1)
                with m.If(count == _QUOTIENTS + _SETTLE):
                    m.next = "CHECK"
            with m.State("CHECK"):
                m.next = "ACCOUNT"
                with m.If(~checks.nothing & (checks.wrong_range | checks.misaligned)):
                    code = Mux(checks.wrong_range, ErrorCode.FIELD_RANGE, ErrorCode.MISALIGNED)
                    m.d.sync += [self.fault.valid.eq(1), self.fault.code.eq(code), self.fault.pc.eq(now.pc)]
                    m.next = "STOPPED"
            with m.State("ACCOUNT"):
                m.d.comb += self.account.valid.eq(1)
                with m.If(self.account.ready):
                    m.d.comb += start.eq(~checks.nothing)
                    m.next = "IDLE"
                    with m.If(checks.nothing):
                        m.next = "SKIP"
            with m.State("SKIP"):
                m.d.comb += void.eq(1)
                with m.If(self.o.ready):
                    m.next = "IDLE"
            with m.State("STOPPED"):
                pass
        return start

    def _divide(self, m: Module, now: Any, count: Signal) -> tuple[list[Signal], list[Signal]]:
        """Addresses and steps of the operands in words, one after another, and whether they are whole."""
        m.submodules.divide = divide = BankDivide(rows=self._shape.rows, columns=self._shape.columns)
        mm, attn = now.body.mm, now.body.attn
        numbers = [
            (mm.a, attn.q),
            (mm.da0, attn.dq),
            (mm.da1, attn.k),
            (mm.b, attn.dk),
            (mm.db0, attn.v),
            (mm.db1, attn.dv),
        ]
        is_mm = now.opcode == BY_NAME["MM"].opcode
        m.d.comb += [
            divide.i.eq(Mux(is_mm, Array(one for one, _ in numbers)[count], Array(two for _, two in numbers)[count])),
            divide.i_columns.eq(Mux(is_mm, count >= 3, count >= 2)),
        ]
        quotients, exact = [], []
        for number in range(_QUOTIENTS):
            quotient = Signal(len(divide.o), name=f"quotient_{number}", reset_less=True)
            whole = Signal(name=f"exact_{number}", reset_less=True)
            with m.If(count == number + divide.latency):
                m.d.sync += [quotient.eq(divide.o), whole.eq(divide.exact)]
            quotients.append(quotient)
            exact.append(whole)
        return quotients, exact

    def _merge(self, m: Module, products: ProductWalk, attended: AttentionWalk, void: Signal) -> None:
        """Give the tiles of the walk that is at work, or a block without rows."""
        m.d.comb += [
            products.o.ready.eq(self.o.ready),
            attended.o.ready.eq(self.o.ready),
            self.o.valid.eq(products.o.valid | attended.o.valid | void),
        ]
        with m.If(void):
            m.d.comb += fill(self.o.p, {"empty": 1, "tile": {"tag": {"kind": TileKind.MM16, "last": 1}}})
        with m.Elif(products.o.valid):
            m.d.comb += self.o.p.eq(products.o.p)
        with m.Else():
            m.d.comb += self.o.p.eq(attended.o.p)
