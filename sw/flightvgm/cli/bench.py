"""``flightvgm bench``: measure the project's figures against their bounds."""

from __future__ import annotations

import argparse
import json
import sys
import time
from typing import TYPE_CHECKING, Any

from flightvgm.cli.progress import Progress
from flightvgm.cli.table import table

if TYPE_CHECKING:
    from flightvgm.bench import Case

HELP = "measure figures against their bounds; status 1 where one falls short"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("names", nargs="*", metavar="NAME", help="cases [all]")
    parser.add_argument("--list", action="store_true", help="list the cases and leave")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of tables")


def run(args: argparse.Namespace) -> int:
    """Measure the chosen cases one after another; one that cannot be measured falls short."""
    from flightvgm.bench import chosen

    cases = chosen(args.names)
    if args.list:
        texts = {item.name: item.text for item in cases}
        width = max(map(len, texts))
        print(json.dumps(texts) if args.json else "\n".join(f"{name:<{width}}  {text}" for name, text in texts.items()))
        return 0
    results = [_measure(item, quiet=args.json) for item in cases]
    passed = all(result["passed"] for result in results)
    if args.json:
        json.dump({"passed": passed, "cases": results}, sys.stdout, allow_nan=False)
        print()
    return 0 if passed else 1


def _measure(item: Case, *, quiet: bool) -> dict[str, Any]:
    """Measure and, unless ``quiet``, print a case."""
    began = time.perf_counter()
    try:
        with Progress(item.name) as progress:
            figures = item.measure(progress)
    except ValueError as error:
        print(f"{item.name}: {error}", file=sys.stderr)
        return {"name": item.name, "passed": False, "error": str(error)}
    seconds = time.perf_counter() - began
    if not quiet:
        print(f"{item.name}: {item.text} ({seconds:.0f} s)")
        rows = [(f.text, f"{f.value:.4g} {f.unit}".strip(), f.bound or "-", f.verdict) for f in figures]
        print(table(("figure", "measured", "bound", "verdict"), rows) + "\n", flush=True)
    return {
        "name": item.name,
        "passed": all(figure.holds for figure in figures),
        "seconds": seconds,
        "figures": [figure.to_dict() for figure in figures],
    }
