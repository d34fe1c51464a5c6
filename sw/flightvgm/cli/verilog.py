"""``flightvgm verilog``: a machine as Verilog."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

HELP = "emit a machine as Verilog, with a manifest"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("--preset", default="SMALL", metavar="NAME|FILE", help="machine: preset or .toml file [SMALL]")
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="folder of flightvgm.v and manifest.json"
    )
    parser.add_argument(
        "--vendor", action="store_true", help="with the primitives of the device, for Vivado, not their portable twins"
    )
    parser.add_argument("--json", action="store_true", help="print the manifest instead of text")


def run(args: argparse.Namespace) -> int:
    """Emit, write, report."""
    from flightvgm.gateware import MANIFEST, VERILOG, GatewareError, emit
    from flightvgm_arch.presets import by_name

    if args.out.exists() and not args.out.is_dir():
        raise GatewareError(f"'{args.out}' is a file; name a folder for {VERILOG} and {MANIFEST}")
    gateware = emit(by_name(args.preset), vendor=args.vendor)
    gateware.save(args.out)
    manifest = gateware.manifest
    if args.json:
        json.dump(manifest, sys.stdout)
        print()
        return 0
    print(f"wrote {args.out / VERILOG} and {args.out / MANIFEST}: preset {manifest['preset']}")
    print(f"digest  {manifest['config_digest']}")
    print(f"ports   {len(manifest['ports'])}")
    print(f"units   {', '.join(manifest['units']) or 'none'}")
    return 0
