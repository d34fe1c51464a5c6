"""``flightvgm bench``: measure the project's figures against their bounds."""

from __future__ import annotations

import argparse
import json
import sys
import time
from typing import Any

from flightvgm.cli.progress import Progress
from flightvgm.cli.table import table

HELP = "measure figures against their bounds; status 1 where one falls short"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("names", nargs="*", metavar="NAME", help="cases [all]")
    parser.add_argument("--list", action="store_true", help="list the cases and leave")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of tables")


def run(args: argparse.Namespace) -> int:
    """Measure the chosen cases one after another."""
    from flightvgm.bench import chosen

    cases = chosen(args.names)
    if args.list:
        print(json.dumps({item.name: item.text for item in cases}) if args.json else "\n".join(
            f"{item.name:<{max(len(other.name) for other in cases)}}  {item.text}" for item in cases
        ))  # fmt: skip
        return 0
    results: list[dict[str, Any]] = []
    passed = True
    for item in cases:
        began = time.perf_counter()
        with Progress(item.name) as progress:
            figures = item.measure(progress)
        seconds = time.perf_counter() - began
        passed &= all(figure.holds for figure in figures)
        results.append({"name": item.name, "seconds": seconds, "figures": [figure.to_dict() for figure in figures]})
        if not args.json:
            print(f"{item.name}: {item.text} ({seconds:.0f} s)")
            rows = [(f.text, f"{f.value:.4g} {f.unit}".strip(), f.bound or "-", f.verdict) for f in figures]
            print(table(("figure", "measured", "bound", "verdict"), rows) + "\n", flush=True)
    if args.json:
        json.dump({"passed": passed, "cases": results}, sys.stdout, allow_nan=False)
        print()
    return 0 if passed else 1
