"""``flightvgm run``: a program file on the golden machine, with random inputs."""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import time
from pathlib import Path

from flightvgm.cli.options import positive, seed
from flightvgm.cli.progress import Progress
from flightvgm.cli.summary import ledger_json, ledger_table

HELP = "run a program file on the golden machine with random inputs; its digest tells machines apart"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("program", type=Path, metavar="PROGRAM", help="file of flightvgm compile")
    parser.add_argument("--preset", metavar="NAME|FILE", help="machine: preset or .toml file [the program's]")
    parser.add_argument("--seed", type=seed, default=0, help="of the inputs [0]")
    parser.add_argument("--steps", type=positive, default=1, help="denoising steps to run [1]")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of the table")


def run(args: argparse.Namespace) -> int:
    """Load the program, run it, and report what came out and what it took."""
    import numpy as np

    from flightvgm.compiler import Program
    from flightvgm.runtime import GoldenDevice, Session
    from flightvgm.runtime.backend import BRANCHES
    from flightvgm_arch.presets import by_name

    program = Program.load(args.program)
    if args.steps > program.steps:
        raise ValueError(f"'{args.program}' is compiled for {program.steps} steps; ask for at most so many")
    device = GoldenDevice(by_name(args.preset or program.preset))
    session = Session(device, program)
    network = program.network
    rng = np.random.default_rng(args.seed)
    texts = rng.standard_normal((BRANCHES, network.text, network.width))
    tables = 0.3 * rng.standard_normal((args.steps, network.layers, 6, network.width))
    tokens = rng.standard_normal((network.tokens, network.width))
    result = hashlib.sha256()
    began = time.perf_counter()
    with Progress("golden machine") as progress:
        session.prompt(texts, tables)
        for step in range(args.steps):
            out = session.step(tokens, step)
            progress(step + 1, args.steps)
            result.update(out.astype("<f2").tobytes())
            tokens = out[1]
    seconds = time.perf_counter() - began
    ledger, counters = session.ledger(), dict(device.counters())
    if args.json:
        report = {
            "program": program.digest,
            "preset": program.preset,
            "recipe": program.recipe,
            "seed": args.seed,
            "steps": args.steps,
            "seconds": seconds,
            "result": result.hexdigest(),
            "counters": counters,
            "ledger": ledger_json(ledger),
        }
        json.dump(report, sys.stdout)
        print()
        return 0
    print(f"program  {program.digest}")
    print(f"result   {result.hexdigest()}  (SHA-256 of the tokens behind the last block, all steps)")
    print(f"time     {seconds:.1f} s for {args.steps} steps\n")
    print(ledger_table(ledger) + "\n")
    print("\n".join(f"{name:<24}{value:>16,}" for name, value in counters.items()))
    return 0
