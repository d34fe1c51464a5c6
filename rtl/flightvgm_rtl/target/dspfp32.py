"""DSPFP32: the vendor's floating-point primitive, or its portable twin."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from amaranth.hdl import C, ClockSignal, Instance, Module, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from flightvgm_rtl.target.float32 import BITS, FRACTION, add, multiply, widen_half

MULTIPLY = 0b0000001
ACCUMULATE = 0b0010001
MULTIPLY_ADD = 0b0011001
_MOST = {"areg": 2, "fpcreg": 3, "fpopmreg": 3}
_TYPES = ("B32", "B16")
_TIED_HIGH = ("FPINMODE", "CEA1", "CEA2", "CEB", "CEC", "CED", "CEFPINMODE", "CEFPM", "CEFPMPIPE", "CEFPOPMODE")
_TIED_LOW = (
    "ASYNC_RST", "RSTA", "RSTB", "RSTC", "RSTD", "RSTFPINMODE", "RSTFPM", "RSTFPMPIPE", "RSTFPOPMODE",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class FpAttributes:
    """Static settings of a DSPFP32, under the vendor's names in lower case.

    Parameters
    ----------
    areg, fpbreg, fpcreg, fpdreg, fpopmreg : int
        Registers behind A (0 to 2), B (0, 1), C (0 to 3), D (0, 1) and FPOPMODE (0 to 3).
    fpmpipereg, fpm_preg, fpa_preg : int
        0 or 1: inside the multiplier, behind it, behind the adder.
    a_fptype, b_d_fptype : str
        B32 for FP32, B16 for FP16.
    pcoutsel : str
        FPA or FPM: what leaves at PCOUT.

    Raises
    ------
    ValueError
        The primitive has no such setting.
    """

    areg: int = 1
    fpbreg: int = 1
    fpcreg: int = 1
    fpdreg: int = 1
    fpmpipereg: int = 1
    fpm_preg: int = 1
    fpa_preg: int = 1
    fpopmreg: int = 1
    a_fptype: str = "B32"
    b_d_fptype: str = "B32"
    pcoutsel: str = "FPA"

    def __post_init__(self) -> None:
        for field in fields(self):
            value, most = getattr(self, field.name), _MOST.get(field.name, 1)
            if field.name.endswith("reg") and value not in range(most + 1):
                raise ValueError(f"{field.name.upper()} is {value}; it must be 0 to {most}")
            if field.name.endswith("fptype") and value not in _TYPES:
                raise ValueError(f"{field.name.upper()} is '{value}'; use one of {_TYPES}")
        if self.pcoutsel not in ("FPA", "FPM"):
            raise ValueError(f"PCOUTSEL is '{self.pcoutsel}'; use FPA or FPM")


class DspFp32(wiring.Component):
    """A DSPFP32: ``M = fp32(A * B)``, ``P = fp32(+-P0 +-P1)``, both rounded to nearest even, subnormals flushed.

    FPOPMODE: [1:0] chooses P0 of 0, M, PCIN and D; [4:2] P1 of 0 (0xx), P (10x), C (110) and PCIN (111); [5] negates
    P0, [6] P1. An FP16 operand lies in the fields of FP32: exponent ``{000, e5}``, fraction ``{m10, 13 zeros}``.
    Operands and results are finite.

    Latency in clock edges: A to M AREG + FPMPIPEREG + FPM_PREG (B with FPBREG), M to P FPA_PREG; C FPCREG + FPA_PREG; D
    FPDREG + FPA_PREG; PCIN FPA_PREG; FPOPMODE FPOPMREG + FPA_PREG. One operation a cycle. Registers start at zero.

    Not modelled, and tied off in the instance: D as a factor, input cascades, flags, asynchronous reset, enables and
    resets but those of P.

    # Ref: AM004, DSPFP32

    Parameters
    ----------
    attributes : FpAttributes
        Static settings.

    Members
    -------
    a, b, c, d, pcin : In(32)
    fpopmode : In(7)
    cefpa, rstfpa : In(1)
        Enable and reset of P; the reset goes before the enable.
    fpm_out, fpa_out, pcout : Out(32)
    """

    def __init__(self, attributes: FpAttributes) -> None:
        self.attributes = attributes
        super().__init__(
            {
                **{name: In(BITS) for name in ("a", "b", "c", "d", "pcin")},
                "fpopmode": In(7),
                "cefpa": In(1, init=1),
                "rstfpa": In(1),
                **{name: Out(BITS) for name in ("fpm_out", "fpa_out", "pcout")},
            }
        )

    def elaborate(self, platform: Any) -> Module:
        """Place the primitive where the platform is the vendor's, else the twin."""
        m = Module()
        if getattr(platform, "vendor", False):
            m.submodules.dsp = self._instance()
            return m
        used = self.attributes
        a = _delayed(m, "a", self.a, used.areg)
        b = _delayed(m, "b", self.b, used.fpbreg)
        factors = [
            widen_half(value) if kind == "B16" else value for value, kind in ((a, used.a_fptype), (b, used.b_d_fptype))
        ]
        product = _delayed(m, "product", multiply(m, *factors), used.fpmpipereg + used.fpm_preg)
        total = self._adder(m, product)
        m.d.comb += [
            self.fpm_out.eq(product),
            self.fpa_out.eq(total),
            self.pcout.eq(total if used.pcoutsel == "FPA" else product),
        ]
        return m

    def _adder(self, m: Module, product: Value) -> Value:
        used = self.attributes
        opmode = _delayed(m, "fpopmode", self.fpopmode, used.fpopmreg)
        c, d = _delayed(m, "c", self.c, used.fpcreg), _delayed(m, "d", self.d, used.fpdreg)
        p, first, second = Signal(BITS, reset_less=True), Signal(BITS), Signal(BITS)
        with m.Switch(opmode[:2]):
            for choice, value in ((1, product), (2, self.pcin), (3, d)):
                with m.Case(choice):
                    m.d.comb += first.eq(value)
        with m.Switch(opmode[2:5]):
            for choice, value in (("10-", p if used.fpa_preg else C(0, BITS)), ("110", c), ("111", self.pcin)):
                with m.Case(choice):
                    m.d.comb += second.eq(value)
        terms = [Signal(BITS, name=f"term_{index}") for index in range(2)]
        for index, value in enumerate((first, second)):
            m.d.comb += terms[index].eq(value ^ (opmode[5 + index] << BITS - 1))
        total = add(m, *terms)
        if not used.fpa_preg:
            return total
        with m.If(self.rstfpa):
            m.d.sync += p.eq(0)
        with m.Elif(self.cefpa):
            m.d.sync += p.eq(total)
        return p

    def _instance(self) -> Instance:
        used = self.attributes
        ports: dict[str, Any] = {}
        for name in ("a", "b", "d"):
            value: Value = getattr(self, name)
            ports[f"i_{name.upper()}_SIGN"] = value[31]
            ports[f"i_{name.upper()}_EXP"] = value[FRACTION:31]
            ports[f"i_{name.upper()}_MAN"] = value[:FRACTION]
        for name in ("c", "pcin", "fpopmode", "cefpa", "rstfpa"):
            ports[f"i_{name.upper()}"] = getattr(self, name)
        for name in ("fpm_out", "fpa_out", "pcout"):
            ports[f"o_{name.upper()}"] = getattr(self, name)
        for name in ("ACIN", "BCIN"):
            ports |= {f"i_{name}_SIGN": C(0, 1), f"i_{name}_EXP": C(0, 8), f"i_{name}_MAN": C(0, FRACTION)}
        ports |= {f"i_{name}": C(1, 1) for name in _TIED_HIGH} | {f"i_{name}": C(0, 1) for name in _TIED_LOW}
        settings = {f"p_{field.name.upper()}": getattr(used, field.name) for field in fields(used)}
        return Instance(
            "DSPFP32",
            **settings,
            p_ACASCREG=used.areg,
            p_INMODEREG=0,
            p_USE_MULT="MULTIPLY",
            p_RESET_MODE="SYNC",
            i_CLK=ClockSignal(),
            **ports,
        )


def _delayed(m: Module, name: str, value: Value, cycles: int) -> Value:
    """Delay by registers that nothing resets."""
    for age in range(cycles):
        held = Signal(value.shape(), name=f"{name}_{age}", reset_less=True)
        m.d.sync += held.eq(value)
        value = held
    return value
