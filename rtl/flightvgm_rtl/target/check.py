"""A bench that compares the portable twins of DSP58 and DSPFP32 with the vendor's simulation models.

``python -m flightvgm_rtl.target.check build/check`` writes ``check.v``: for every configuration the twin, an instance
of the primitive with the same ports, and a module that gives both the same random inputs and compares all outputs in
every cycle. ``constraints/check_dsp58.sh`` runs it where Vivado is. It prints ``PASS`` and the number of comparisons,
or ``FAIL`` and the number of differences, of which it shows the first of each configuration. ``+seed=N`` and
``+cycles=N`` change the inputs and their number.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from flightvgm_rtl.emit import component_verilog
from flightvgm_rtl.target.dsp58 import Dsp58
from flightvgm_rtl.target.dsp58_attributes import ENABLES, OPMODES, RESETS, Attributes, legal_opmode
from flightvgm_rtl.target.dspfp32 import DspFp32, FpAttributes

_ALL = (*ENABLES, *RESETS, "negate")
_TWO: dict[str, Any] = {"areg": 2, "breg": 2, "acascreg": 2, "bcascreg": 2}
_FEEDBACK_Z = (2, 4, 6)
_HALVES = "fp16"


@dataclass(frozen=True)
class Check:
    """A component whose twin and instance are compared; ``choices`` are the values of ports that do not take any."""

    name: str
    component: wiring.Component
    choices: dict[str, tuple[int, ...]]


def checks() -> Iterator[Check]:
    """Give the configurations: all modes of the primitives, and those of the array."""
    pre_adder: dict[str, Any] = {"amultsel": "AD", "controls": _ALL}
    yield _dsp58("pre_adder", Attributes(**pre_adder))
    yield _dsp58("two_registers", Attributes(**_TWO, **pre_adder))
    yield _dsp58("b_pre_adder", Attributes(**_TWO, bmultsel="AD", preaddinsel="B", controls=_ALL))
    yield _dsp58("square", Attributes(bmultsel="AD", **pre_adder))
    yield _dsp58("int8", Attributes(dsp_mode="INT8", controls=_ALL))
    yield _dsp58("constant", Attributes(rnd=0x123456789ABCDE, **pre_adder))
    yield _dsp58("no_multiplier", Attributes(use_mult="NONE", mreg=0, controls=_ALL))
    column: dict[str, Any] = {
        "breg": 2, "bcascreg": 2, "amultsel": "AD", "inmodereg": 0, "alumodereg": 0, "alumodes": (0,), "inmodes": (4,),
        "controls": ("cep",),
    }  # fmt: skip
    yield _dsp58("column_alone", Attributes(opmodes=(0x005, 0x085, 0x185), **column))
    yield _dsp58("column_last", Attributes(opmodes=(0x015, 0x095, 0x195), **column))
    rest = {"cefpa": (1,), "rstfpa": (0,)}
    yield Check("fp32", DspFp32(FpAttributes()), {**rest, "fpopmode": (0x01, 0x03, 0x19, 0x1B, 0x5B)})
    halves = FpAttributes(a_fptype="B16", b_d_fptype="B16")
    yield Check(_HALVES, DspFp32(halves), {**rest, "fpopmode": (0x01, 0x19, 0x1D)})


def _dsp58(name: str, attributes: Attributes) -> Check:
    opmodes = tuple(
        value
        for value in attributes.opmodes or filter(legal_opmode, range(OPMODES))
        if (attributes.use_mult != "NONE" or value & 3 != 1)
        and (attributes.preg or (value & 3 != 2 and value >> 7 != 1 and value >> 4 & 7 not in _FEEDBACK_Z))
    )
    inmodes = tuple(
        value
        for value in attributes.inmodes or range(32)
        if (attributes.areg == 2 or not value & 1) and (attributes.breg == 2 or not value & 16)
    )
    choices = {"opmode": opmodes, "alumode": attributes.alumodes or (0, 1, 2, 3), "inmode": inmodes}
    idle = dict.fromkeys(ENABLES, (1,)) | dict.fromkeys((*RESETS, "negate"), (0,))
    choices |= {name: value for name, value in idle.items() if name not in attributes.controls}
    return Check(name, Dsp58(attributes), choices)


def verilog(compared: Sequence[Check], *, vendor: bool = True) -> str:
    """Everything that is simulated: twins, instances, modules that compare, and the top ``check``."""
    parts = ["`timescale 1ns / 1ps"]
    for check in compared:
        parts.append(_renamed(component_verilog(check.component, "top"), f"twin_{check.name}"))
        parts.append(_renamed(component_verilog(check.component, "top", vendor=vendor), f"vendor_{check.name}"))
        parts.append(_compare(check))
    return "\n".join((*parts, _top([check.name for check in compared])))


def _renamed(text: str, name: str) -> str:
    """Give the module ``top`` another name, and leave out the memories.

    Simulators may miss the initial value by which Yosys makes each ``always @*`` run once; a change at 1 ns helps them.
    """
    text = re.split(r"^(//.*\n)*module flightvgm_ram", text, maxsplit=1, flags=re.MULTILINE)[0]
    text = re.sub(
        r"^  (reg (\\\$auto\$verilog_backend\S+) += 0;)", r"  \1 initial #1 \2 = 1;", text, flags=re.MULTILINE
    )
    return re.sub(r"\btop\b", name, text)


def _next_value(name: str, width: int, choices: tuple[int, ...] | None, kind: str) -> str:
    """Statement that gives an input its next value; ``kind`` is empty, B32 or B16."""
    if choices is not None:
        cases = "".join(f" {index}: {name} = {value};" for index, value in enumerate(choices))
        return f"case ($unsigned($random(seed)) % {len(choices)}){cases} endcase"
    if kind:
        exponent, fraction = {
            "B32": ("8'd100 + {3'd0, chance[4:0]} + {3'd0, chance[10:6]}", "chance[31:9]"),
            "B16": ("8'd1 + {3'd0, chance[4:0]} % 8'd30", "{chance[31:22], 13'd0}"),
        }[kind]
        return f"chance = $random(seed); {name} = {{chance[5], {exponent}, {fraction}}};"
    if name.startswith(("ce", "rst")):
        return f"chance = $random(seed); {name} = chance[4:0] {'!=' if name.startswith('ce') else '=='} 0;"
    top = f"{width}'d1 << {width - 1}"
    ends = f"0: {name} = 0; 1: {name} = ~0; 2: {name} = {top}; 3: {name} = ~({top}); 4: {name} = 1;"
    return (
        f"chance = $random(seed); case (chance[3:0]) {ends} default: {name} = {{$random(seed), $random(seed)}}; endcase"
    )


def _compare(check: Check) -> str:
    """One module that compares a twin with its primitive."""
    flat = list(check.component.signature.flatten(check.component))
    inputs = {str(path[0]): len(value) for path, member, value in flat if member.flow is In}
    outputs = {str(path[0]): len(value) for path, member, value in flat if member.flow is Out}
    floating = isinstance(check.component, DspFp32)
    ports = "input clk, input rst, input going, output reg [31:0] compared, output reg [31:0] differ"
    lines = [f"module compare_{check.name}({ports});"]
    lines += [f"  reg [{width - 1}:0] {name};" for name, width in inputs.items()]
    for side in ("twin", "vendor"):
        lines += [f"  wire [{width - 1}:0] {side}_{name};" for name, width in outputs.items()]
        wired = [f".{name}({name})" for name in inputs] + [f".{name}({side}_{name})" for name in outputs]
        lines.append(f"  {side}_{check.name} {side}(.clk(clk), .rst(rst), {', '.join(wired)});")
    lines += ["  integer seed; reg [31:0] chance;", "  initial begin"]
    lines += ['    if (!$value$plusargs("seed=%d", seed)) seed = 1;', "    compared = 0; differ = 0;"]
    lines += [f"    {name} = {_at_rest(name, check)};" for name in inputs]
    lines += ["  end", "  always @(negedge clk) if (going) begin"]
    for name, width in inputs.items():
        kind = ("B16" if check.name == _HALVES and name in "abd" else "B32") if floating else ""
        lines.append(f"    {_next_value(name, width, check.choices.get(name), kind)}")
    same = " && ".join(f"twin_{name} === vendor_{name}" for name in outputs)
    shown = ", ".join(f'" {name}=%h/%h", twin_{name}, vendor_{name}' for name in outputs)
    lines += ["    #1 compared = compared + 1;", f"    if (!({same})) begin"]
    lines += [f'      if (differ == 0) $display("{check.name}, cycle %0d, twin/primitive:", compared, {shown});']
    lines += ["      differ = differ + 1;", "    end", "  end", "endmodule", ""]
    return "\n".join(lines)


def _at_rest(name: str, check: Check) -> int:
    """Value of an input before the comparison begins: everything enabled, and held in reset."""
    if name in check.choices:
        return check.choices[name][0]
    return int(name.startswith(("ce", "rst")))


def _top(names: Sequence[str]) -> str:
    lines = ["module check;", "  reg clk, rst, going; integer cycles, number;"]
    for name in names:
        lines.append(f"  wire [31:0] compared_{name}, differ_{name};")
        lines.append(f"  compare_{name} {name}(clk, rst, going, compared_{name}, differ_{name});")
    total, wrong = (" + ".join(f"{what}_{name}" for name in names) for what in ("compared", "differ"))
    lines += [
        "  initial begin", '    if (!$value$plusargs("cycles=%d", cycles)) cycles = 100000;',
        "    clk = 0; rst = 0; going = 0;",
        "    #200;",  # The vendor's models hold everything in reset for the first 100 ns.
        "    for (number = 0; number < cycles + 20; number = number + 1) begin",
        "      going = number >= 20; #5 clk = 1; #5 clk = 0;", "    end", "    #5;",
        f'    if (({wrong}) == 0) $display("PASS %0d", {total});',
        f'    else $display("FAIL %0d of %0d", {wrong}, {total});',
        "    $finish;", "  end", "endmodule", "",
    ]  # fmt: skip
    return "\n".join(lines)


def main() -> None:
    """Write ``check.v`` into a folder."""
    parser = argparse.ArgumentParser(description="Write a bench that compares the twins with the vendor's models.")
    parser.add_argument("out", type=Path, help="folder for check.v")
    out: Path = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    (out / "check.v").write_text(verilog(list(checks())), encoding="utf-8")
    print(f"wrote {out / 'check.v'}; constraints/check_dsp58.sh simulates it")


if __name__ == "__main__":
    main()
