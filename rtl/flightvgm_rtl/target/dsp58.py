"""DSP58: the vendor's primitive, or its portable twin."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from typing import Any

from amaranth.hdl import C, Cat, ClockSignal, Const, Instance, Module, Mux, Signal, Value, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from flightvgm_rtl.target import dsp58_attributes as attributes_
from flightvgm_rtl.target.dsp58_attributes import ENABLES, RESETS, Attributes

A_BITS, B_BITS, D_BITS, P_BITS = 34, 24, 27, 58
SHIFT = 23


class Dsp58(wiring.Component):
    """A DSP58, exact to bit and cycle for what :class:`Attributes` can say.

    ``P = Z +- (W + X + Y)`` (ALUMODE 0 and 3; 1 is ``~Z + W + X + Y``, 2 is ``~(Z + W + X + Y)``), modulo 2^58, where X
    and Y together may be the product ``M = (A or AD) * (B or AD)``, and ``AD = D +- (A or B)``, modulo 2^27. NEGATE[0]
    changes the sign of the product; in mode INT8 each bit that of a lane. INMODE: [0] A1 instead of A2, [1] no A (no B
    with PREADDINSEL B), [2] D enters the pre-adder, [3] it subtracts, [4] B1 instead of B2.

    Latency to P in clock edges: of A and B AREG or BREG + MREG + PREG, over the pre-adder ADREG more; D DREG + ADREG +
    MREG + PREG; C CREG + PREG; PCIN PREG; OPMODE and ALUMODE their register + PREG; NEGATE and INMODE INMODEREG + MREG
    + PREG. An enable that is not connected is one, any other input zero. Registers start at zero, and only the resets
    of the primitive reset them; a reset goes before an enable.

    Not modelled, and tied off in the instance: SIMD, carries, pattern detection, wide XOR, asynchronous reset.

    # Ref: AM004, DSP58 architecture

    Parameters
    ----------
    attributes : Attributes
        Static settings.

    Members
    -------
    a, b, c, d, acin, bcin, pcin : In
    opmode, alumode, inmode, negate : In
    cea1, cea2, ceb1, ceb2, cec, ced, cead, cem, cep, cectrl, cealumode, ceinmode : In(1)
    rsta, rstb, rstc, rstd, rstm, rstp, rstctrl, rstalumode, rstinmode : In(1)
    p, pcout, acout, bcout : Out
    """

    def __init__(self, attributes: Attributes) -> None:
        self.attributes = attributes
        super().__init__(
            {
                "a": In(A_BITS),
                "b": In(B_BITS),
                "c": In(P_BITS),
                "d": In(D_BITS),
                "acin": In(A_BITS),
                "bcin": In(B_BITS),
                "pcin": In(P_BITS),
                "opmode": In(9),
                "alumode": In(4),
                "inmode": In(5),
                "negate": In(3),
                **{name: In(1, init=1) for name in ENABLES},
                **{name: In(1) for name in RESETS},
                "p": Out(P_BITS),
                "pcout": Out(P_BITS),
                "acout": Out(A_BITS),
                "bcout": Out(B_BITS),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        """Place the primitive where the platform is the vendor's, else the twin."""
        m = Module()
        if getattr(platform, "vendor", False):
            m.submodules.dsp = self._instance()
            return m
        inmode = self._register(m, "inmode", self.inmode, self.attributes.inmodereg, "ceinmode", "rstinmode")
        negate = self._register(
            m, "negate", self._control("negate", 0), self.attributes.inmodereg, "ceinmode", "rstinmode"
        )
        a = self._operand(m, "a", self.a, self.acin, self.acout)
        b = self._operand(m, "b", self.b, self.bcin, self.bcout)
        product = self._product(m, a, b, inmode, negate)
        self._alu(m, Cat(b[1], a[1]), product)
        return m

    def _instance(self) -> Instance:
        used = self.attributes
        settings = {
            name.upper(): value
            for name, value in asdict(used).items()
            if name not in ("opmodes", "alumodes", "inmodes", "controls", "rnd")
        }
        parameters = {f"p_{name}": value for name, value in settings.items()}
        inputs = {
            f"i_{name.upper()}": getattr(self, name)
            for name, member in self.signature.members.items()
            if member.flow is In
        }
        outputs = {f"o_{name.upper()}": getattr(self, name) for name in ("p", "pcout", "acout", "bcout")}
        tied = {
            "CARRYIN": 1, "CARRYINSEL": 3, "CARRYCASCIN": 1, "MULTSIGNIN": 1, "ASYNC_RST": 1, "CECARRYIN": 1,
            "RSTALLCARRYIN": 1,
        }  # fmt: skip
        return Instance(
            "DSP58",
            **parameters,
            p_RND=C(used.rnd, P_BITS),
            p_USE_SIMD="ONE58",
            p_RESET_MODE="SYNC",
            i_CLK=ClockSignal(),
            **inputs,
            **outputs,
            **{f"i_{name}": C(0, width) for name, width in tied.items()},
        )

    def _control(self, name: str, idle: int) -> Value:
        """Give a control that is connected, otherwise what it stays at."""
        port: Value = getattr(self, name)
        return port if name in self.attributes.controls else C(idle, len(port))

    def _register(self, m: Module, name: str, value: Value, depth: int, enable: str, reset: str) -> Value:
        """One register with enable, and with a reset that goes before it; without depth the value itself."""
        held = Signal(value.shape(), name=f"{name}_register" if depth else f"{name}_direct", reset_less=True)
        controls = self.attributes.controls
        if not depth:
            m.d.comb += held.eq(value)
        elif not {enable, reset} & set(controls):
            m.d.sync += held.eq(value)
        else:
            with m.If(self._control(reset, 0)):
                m.d.sync += held.eq(0)
            with m.Elif(self._control(enable, 1)):
                m.d.sync += held.eq(value)
        return held

    def _operand(self, m: Module, port: str, direct: Value, cascade: Value, out: Value) -> tuple[Value, Value]:
        """Give the first and the second register of A or B; what is absent is bypassed."""
        used = self.attributes
        depth, cascade_depth = getattr(used, f"{port}reg"), getattr(used, f"{port}cascreg")
        reset = f"rst{port}"
        source = cascade if getattr(used, f"{port}_input") == "CASCADE" else direct
        first = self._register(m, f"{port}1", source, depth == 2, f"ce{port}1", reset)
        second = self._register(m, f"{port}2", first, depth >= 1, f"ce{port}2", reset)
        m.d.comb += out.eq(first if depth == 2 and cascade_depth == 1 else second)
        return first, second

    def _inmode(self, inmode: Value, bit: int, clear: Callable[[], Value], set_: Callable[[], Value]) -> Value:
        """Choose by a bit of INMODE; a bit that never changes chooses now."""
        values = {value >> bit & 1 for value in self.attributes.inmodes} or {0, 1}
        if len(values) == 1:
            return set_() if values == {1} else clear()
        return Mux(inmode[bit], set_(), clear())

    def _product(
        self, m: Module, a: tuple[Value, Value], b: tuple[Value, Value], inmode: Value, negate: Value
    ) -> Value:
        used = self.attributes
        product = Signal(signed(P_BITS))
        if used.use_mult == "NONE":
            return product
        left, right = Signal(signed(27)), Signal(signed(24))
        chosen_a, chosen_b = Signal(signed(27)), Signal(signed(24))
        m.d.comb += chosen_a.eq(self._inmode(inmode, 0, lambda: a[1], lambda: a[0])[:27].as_signed())
        m.d.comb += chosen_b.eq(self._inmode(inmode, 4, lambda: b[1], lambda: b[0])[:24].as_signed())
        gated = Signal(signed(27))
        source = chosen_a if used.preaddinsel == "A" else chosen_b
        m.d.comb += gated.eq(self._inmode(inmode, 1, lambda: source, lambda: Const(0)))
        plain_a: Value = gated if used.preaddinsel == "A" else chosen_a
        plain_b: Value = gated if used.preaddinsel == "B" else chosen_b
        total = self._pre_adder(m, gated, inmode) if used.pre_adder else plain_a
        m.d.comb += left.eq(total if used.amultsel == "AD" else plain_a)
        m.d.comb += right.eq(total if used.bmultsel == "AD" else plain_b)
        m.d.comb += product.eq(self._lanes(left, right, negate))
        return self._register(m, "m", product, used.mreg, "cem", "rstm")

    def _pre_adder(self, m: Module, operand: Value, inmode: Value) -> Value:
        used = self.attributes
        d = self._register(m, "d", self.d, used.dreg, "ced", "rstd")
        total, entering = Signal(signed(D_BITS)), Signal(signed(D_BITS))
        m.d.comb += entering.eq(self._inmode(inmode, 2, lambda: Const(0), d.as_signed))
        m.d.comb += total.eq(self._inmode(inmode, 3, lambda: entering + operand, lambda: entering - operand))
        return self._register(m, "ad", total, used.adreg, "cead", "rstd")

    def _lanes(self, left: Value, right: Value, negate: Value) -> Value:
        if self.attributes.dsp_mode == "INT24":
            return Mux(negate[0], -(left * right), left * right)
        parts = [
            (left[9 * lane : 9 * lane + 9].as_signed() * right[8 * lane : 8 * lane + 8].as_signed(), negate[lane])
            for lane in range(3)
        ]
        terms = [Mux(sign, -part, part) for part, sign in parts]
        return terms[0] + terms[1] + terms[2]

    def _alu(self, m: Module, joined: Value, product: Value) -> None:
        used, zero = self.attributes, Const(0, P_BITS)
        opmode = self._register(m, "opmode", self.opmode, used.opmodereg, "cectrl", "rstctrl")
        alumode = self._register(m, "alumode", self.alumode, used.alumodereg, "cealumode", "rstalumode")
        c = self._register(m, "c", self.c, used.creg, "cec", "rstc")
        result = Signal(P_BITS)
        p = self._register(m, "p", result, used.preg, "cep", "rstp")
        feedback = p if used.preg else zero
        values = used.opmodes or tuple(filter(attributes_.legal_opmode, range(attributes_.OPMODES)))
        tables: dict[str, tuple[int, int, Mapping[int, Value]]] = {
            "x": (0, 2, {0: zero, 1: product, 2: feedback, 3: joined}),
            "y": (2, 2, {0: zero, 1: zero, 2: C(-1, P_BITS), 3: c}),
            "z": (4, 3, {0: zero, 1: self.pcin, 2: feedback, 3: c, 4: feedback}),
            "w": (7, 2, {0: zero, 1: feedback, 2: C(used.rnd, P_BITS), 3: c}),
        }
        shifted = {
            attributes_.Z_PCIN_SHIFTED: self.pcin.as_signed() >> SHIFT,
            attributes_.Z_P_SHIFTED: feedback.as_signed() >> SHIFT,
        }
        tables["z"][2].update(shifted)  # type: ignore[attr-defined]
        w, x, y, z = (
            _select(
                m,
                f"{name}_selected",
                opmode[low : low + width],
                table,
                {value >> low & (1 << width) - 1 for value in values},
            )
            for name, (low, width, table) in sorted(tables.items())
        )
        addend = Signal(P_BITS)
        m.d.comb += addend.eq(w + x + y)
        sums = {0: z + addend, 1: ~z + addend, 2: ~(z + addend), 3: z - addend}
        chosen = _select(m, "sum", alumode[:2], sums, used.alumodes or attributes_.ALUMODES)
        m.d.comb += [result.eq(chosen), self.p.eq(p), self.pcout.eq(p)]


def _select(m: Module, name: str, selector: Value, table: Mapping[int, Value], used: Iterable[int]) -> Value:
    """Multiplex what of ``table`` is used; the highest choice is the default."""
    chosen = Signal(P_BITS, name=name)
    *cases, last = sorted(used)
    with m.Switch(selector):
        for case in cases:
            with m.Case(case):
                m.d.comb += chosen.eq(table[case])
        with m.Default():
            m.d.comb += chosen.eq(table[last])
    return chosen
