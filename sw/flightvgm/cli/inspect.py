"""``flightvgm inspect``: what a machine and a program are."""

from __future__ import annotations

import argparse
from pathlib import Path

HELP = "show instruction set, registers, presets, a program's disassembly or its memory map"
PAGES = {"isa": "isa.md", "registers": "registers.md", "presets": "presets.md"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("what", choices=(*PAGES, "disassembly", "memory"))
    parser.add_argument("program", nargs="?", type=Path, metavar="PROGRAM", help="file of flightvgm compile")


def run(args: argparse.Namespace) -> int:
    """Print what is asked for."""
    if args.what in PAGES:
        if args.program is not None:
            raise ValueError(f"'{args.what}' is that of the contract; leave '{args.program}' out")
        from flightvgm_arch.reference import pages

        print(pages()[PAGES[args.what]], end="")
        return 0
    if args.program is None:
        raise ValueError(f"'{args.what}' is that of a program; name a file of flightvgm compile")
    from flightvgm.compiler import Program

    program = Program.load(args.program)
    print(program.disassembly() if args.what == "disassembly" else program.memory_map())
    return 0
