"""``flightvgm compile``: a program file from a checkpoint."""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

from flightvgm.cli.options import add_machine, positive
from flightvgm.cli.table import amount

HELP = "compile a checkpoint to a program file"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="program file")
    parser.add_argument("--steps", type=positive, help="denoising steps [the checkpoint's]")
    parser.add_argument("--frames", type=positive, help="frames of the videos [the checkpoint's]")
    add_machine(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of text")


def run(args: argparse.Namespace) -> int:
    """Compile, write, report."""
    from flightvgm.compiler.program import ENTRIES
    from flightvgm.media import check_folder
    from flightvgm.pipeline import Pipeline
    from flightvgm_arch.isa import WORD_BYTES

    check_folder(args.out)
    pipeline = Pipeline.from_pretrained(args.checkpoint, preset=args.preset, recipe=args.recipe)
    began = time.perf_counter()
    program = pipeline.compile(num_inference_steps=args.steps, num_frames=args.frames)
    seconds = time.perf_counter() - began
    program.save(args.out)
    instructions = {entry: len(program.code(entry)) // WORD_BYTES for entry in ENTRIES}
    report = {
        "output": str(args.out),
        "checkpoint": pipeline.checkpoint.name,
        "preset": program.preset,
        "recipe": program.recipe,
        "steps": program.steps,
        "digest": program.digest,
        "instructions": instructions,
        "image_bytes": program.image.size,
        "memory_bytes": program.size,
        "seconds": seconds,
    }
    if args.json:
        json.dump(report, sys.stdout)
        print()
        return 0
    counts = ", ".join(f"{count} in '{entry}'" for entry, count in instructions.items())
    print(f"wrote {args.out}: checkpoint {report['checkpoint']}, preset {program.preset}, recipe {program.recipe}")
    print(f"digest        {program.digest}")
    print(f"instructions  {counts}")
    print(f"memory        {amount(program.size)}B, of which {amount(program.image.size)}B are in the file")
    return 0
