"""``flightvgm check``: replay a recording of an original network."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from flightvgm.cli.options import bound
from flightvgm.cli.progress import Progress
from flightvgm.cli.table import table

HELP = "compare a recording of an original network with the reference and the golden machine; status 1 beyond a bound"
REFERENCE_BOUND = 1e-5  # The originals round to FP32 in a few places.
GOLDEN_BOUND = 0.02  # INT8 linear layers: 0.4 % each, and they add up over the blocks.


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "file", type=Path, metavar="FILE", help=".safetensors file with weights, inputs, block outputs, output"
    )
    parser.add_argument("--preset", default="SMALL", metavar="NAME|FILE", help="machine: preset or .toml file [SMALL]")
    parser.add_argument(
        "--backend", choices=("both", "reference", "golden"), default="both", help="what to compare [both]"
    )
    parser.add_argument(
        "--reference-bound", type=bound, default=REFERENCE_BOUND, help=f"largest error [{REFERENCE_BOUND}]"
    )
    parser.add_argument("--golden-bound", type=bound, default=GOLDEN_BOUND, help=f"largest error [{GOLDEN_BOUND}]")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of tables")


def run(args: argparse.Namespace) -> int:
    """Replay and compare.

    An error is the root mean square of the difference over that of the recorded values, or, for the reference, the
    largest difference over the largest recorded value.
    """
    from flightvgm.runtime.fixture import load_fixture, rms_error
    from flightvgm.runtime.golden import GoldenDevice
    from flightvgm.runtime.replay import replay
    from flightvgm_arch.presets import by_name
    from flightvgm_sim.reference.metrics import relative_error

    fixture = load_fixture(args.file)
    config = by_name(args.preset)
    reports = []
    if args.backend != "golden":
        found = fixture.reference()
        errors = {name: relative_error(value, fixture.recorded[name]) for name, value in found.items()}
        reports.append(("reference", "largest", args.reference_bound, errors))
    if args.backend != "reference":
        with Progress("golden machine") as progress:
            found = replay(fixture, lambda: GoldenDevice(config), progress)
        errors = {name: rms_error(value, fixture.recorded[name]) for name, value in found.items()}
        reports.append(("golden", "root mean square", args.golden_bound, errors))
    passed = all(error <= most for _, _, most, errors in reports for error in errors.values())
    if args.json:
        result = {
            backend: {"measure": measure, "bound": most, "errors": errors} for backend, measure, most, errors in reports
        }
        json.dump(
            {"file": str(args.file), "preset": config.name, "passed": passed, **result}, sys.stdout, allow_nan=False
        )
        print()
        return 0 if passed else 1
    for backend, measure, most, errors in reports:
        rows = [
            (name, f"{error:.2e}", f"{most:.0e}", "ok" if error <= most else "BEYOND") for name, error in errors.items()
        ]
        print(table((backend, f"{measure} error", "bound", "verdict"), rows) + "\n")
    return 0 if passed else 1
