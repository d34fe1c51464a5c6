"""``python -m flightvgm.study FOLDER``: sweep thresholds, write pictures and their numbers."""

from __future__ import annotations

import argparse
import json
import math
import sys
from pathlib import Path

from flightvgm.cli.progress import Progress
from flightvgm.media.atomic import replacing
from flightvgm.models import load_checkpoint
from flightvgm.study.plots import draw
from flightvgm.study.sweep import COSINES, measure
from flightvgm.study.variants import CURVES


def main(arguments: list[str] | None = None) -> int:
    """Run the study; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m flightvgm.study", description=__doc__)
    parser.add_argument("folder", type=Path, help="where pictures and numbers go")
    parser.add_argument("--checkpoint", default="pocket")
    parser.add_argument("--prompts", type=int, default=32, help="held-out prompts of each point")
    args = parser.parse_args(arguments)
    checkpoint = load_checkpoint(args.checkpoint)
    args.folder.mkdir(parents=True, exist_ok=True)
    total = 1 + len(CURVES) * len(COSINES)
    points = []
    with Progress("study") as progress:
        for point in measure(checkpoint, args.prompts):
            points.append(point)
            progress(len(points), total)
    with replacing(args.folder / f"sparsity-{checkpoint.name}.json") as path:
        rows = [
            {key: None if value == math.inf else value for key, value in point.to_dict().items()} for point in points
        ]
        path.write_text(json.dumps(rows, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    for path in draw(points, args.folder, checkpoint.name):
        print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
