"""The sequencer: instructions of the matrix unit to tiles."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal
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
from flightvgm_rtl.control.commands import PC_BITS, command
from flightvgm_rtl.lib.fault import Fault
from flightvgm_rtl.lib.fifo import Fifo
from flightvgm_rtl.lib.pipeline import register

_QUOTIENTS = 6
_CHOICES = 8  # The quotients, rounded up to a power of two.
_SETTLE = 3  # Cycles until checks of the registered instruction have settled.
_PLANS = 4  # Tiles that wait for what they need.
_TAKERS = 2  # Registers that let an instruction in: one would drive too much.

Stop = data.StructLayout({"valid": 1, "code": 5, "pc": PC_BITS})
Checks = data.StructLayout({"nothing": 1, "wrong_range": 1, "misaligned": 1})
"""An instruction has a zero extent, a field out of range, or a misaligned address."""


class Sequencer(wiring.Component):
    """Take instructions, check them, and plan their tiles.

    An instruction takes about 16 cycles before its first tile; the next one is taken when the last tile of this one
    has been planned, and four plans wait at most. One with a zero extent plans a block without rows, so that it is
    done in its turn. Checks need no data; a walk that leaves a buffer is seen at the tile that does. After a fault
    nothing more is planned.

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
        An instruction is planned, or a plan waits.
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
        """Register an instruction, divide its addresses, check, start a walk, and let its plans wait."""
        m = Module()
        m.submodules.plans = plans = Fifo(plan(self._shape), depth=_PLANS, style="distributed")
        wiring.connect(m, plans.o, wiring.flipped(self.o))
        m.submodules.products = products = ProductWalk(shape=self._shape)
        m.submodules.attention = attended = AttentionWalk(shape=self._shape)
        now = Signal(command("matrix"), reset_less=True)
        count = Signal(range(_QUOTIENTS + _SETTLE + 1))
        checks = self._jobs(m, now, count, products, attended)
        void, begins = Signal(), Signal()  # An instruction without tiles; the walk of one with tiles begins.
        over = Signal()  # Both walks are at their end.
        m.d.comb += [self.account.p.eq(now), over.eq(products.i.ready & attended.i.ready)]
        idle = self._take(m, now)
        m.d.comb += self.busy.eq(~idle[0] | (plans.level != 0))
        self._control(m, idle, count, checks, now.pc, begins, {"over": over, "void": void, "room": plans.i.ready})
        is_mm = register(m, now.opcode == BY_NAME["MM"].opcode, "is_mm")
        m.d.comb += [products.i.valid.eq(begins & is_mm), attended.i.valid.eq(begins & ~is_mm)]
        self._merge(m, products, attended, is_mm, void, plans.i)
        m.d.comb += plans.i.p.pc.eq(now.pc)
        with m.If(~self.fault.valid & (self.stop.valid | products.overrun | attended.overrun)):
            m.d.sync += [
                self.fault.valid.eq(1),
                self.fault.code.eq(Mux(self.stop.valid, self.stop.code, ErrorCode.BUFFER_OVERRUN)),
                self.fault.pc.eq(Mux(self.stop.valid, self.stop.pc, now.pc)),
            ]
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

    def _take(self, m: Module, now: Any) -> list[Signal]:
        """Let an instruction in; gives registers that are all set while none is in work."""
        idle = [Signal(name=f"idle_{part}", init=1, attrs={"keep": "true"}) for part in range(_TAKERS)]
        m.d.comb += self.command.ready.eq(idle[0] & ~self.fault.valid)
        bits, came = now.as_value(), self.command.p.as_value()
        size = -(-len(bits) // _TAKERS)
        for part, own in enumerate(idle):
            with m.If(own):
                m.d.sync += bits.word_select(part, size).eq(came.word_select(part, size))
        return idle

    def _control(
        self, m: Module, idle: list[Signal], count: Signal, checks: Any, pc: Any, begins: Signal, steps: dict[str, Any]
    ) -> None:
        """Wait until the checks of an instruction have settled, begin its walk, and wait for the end of it.

        Without tiles give a block without rows.
        """
        m.d.sync += begins.eq(0)
        wrong = Signal()
        m.d.comb += wrong.eq(~checks.nothing & (checks.wrong_range | checks.misaligned))
        with m.FSM() as states:
            m.d.comb += self.account.valid.eq(states.ongoing("CHECK") & ~wrong)
            with m.State("IDLE"):
                m.d.sync += count.eq(0)
                with m.If(self.command.valid & self.command.ready):
                    m.d.sync += [own.eq(0) for own in idle]
                    m.next = "PREPARE"
            with m.State("PREPARE"):
                m.d.sync += count.eq(count + 1)
                with m.If(count == _QUOTIENTS + _SETTLE):
                    m.next = "CHECK"
            with m.State("CHECK"):
                with m.If(wrong):
                    code = Mux(checks.wrong_range, ErrorCode.FIELD_RANGE, ErrorCode.MISALIGNED)
                    m.d.sync += [self.fault.valid.eq(1), self.fault.code.eq(code), self.fault.pc.eq(pc)]
                    m.next = "STOPPED"
                with m.Elif(self.account.ready):
                    m.d.sync += begins.eq(~checks.nothing)
                    m.next = "BEGIN"
                    with m.If(checks.nothing):
                        m.next = "SKIP"
            with m.State("BEGIN"):
                m.next = "WALK"
            with m.State("WALK"), m.If(steps["over"]):
                m.d.sync += [own.eq(1) for own in idle]
                m.next = "IDLE"
            with m.State("SKIP"):
                m.d.comb += steps["void"].eq(1)
                with m.If(steps["room"]):
                    m.next = "WALK"
            with m.State("STOPPED"):
                pass

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
        # A power of two of numbers, so that the choice is a tree of multiplexers.
        unused = [Const(0, len(divide.i))] * (_CHOICES - _QUOTIENTS)
        choices = Cat(*(one for one, _ in numbers), *unused, *(two for _, two in numbers), *unused)
        chosen = choices.word_select(Cat(count[:3], ~is_mm), len(divide.i))
        m.d.comb += [
            divide.i.eq(register(m, chosen, "chosen")),
            divide.i_columns.eq(register(m, Mux(is_mm, count >= 3, count >= 2), "of_columns")),
        ]
        quotients, exact = [], []
        for number in range(_QUOTIENTS):
            quotient = Signal(len(divide.o), name=f"quotient_{number}", reset_less=True)
            whole = Signal(name=f"exact_{number}", reset_less=True)
            with m.If(count == number + 1 + divide.latency):
                m.d.sync += [quotient.eq(divide.o), whole.eq(divide.exact)]
            quotients.append(quotient)
            exact.append(whole)
        return quotients, exact

    @staticmethod
    def _merge(
        m: Module, products: ProductWalk, attended: AttentionWalk, is_mm: Signal, void: Signal, plans: Any
    ) -> None:
        """Give the tiles of the walk that is at work, or a block without rows."""
        m.d.comb += [
            products.o.ready.eq(plans.ready),
            attended.o.ready.eq(plans.ready),
            plans.valid.eq(products.o.valid | attended.o.valid | void),
            plans.p.eq(Mux(is_mm, products.o.p, attended.o.p)),
        ]
        with m.If(void):
            nothing = {"kind": TileKind.MM16, "gelu": 0, "rows": 0, "last": 1}
            m.d.comb += fill(plans.p, {"empty": 1, "tile": {"tag": nothing}})
