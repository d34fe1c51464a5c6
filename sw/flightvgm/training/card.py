"""Draw the loss curve of a model card: ``python -m flightvgm.training.card STAGES.json --out curve.png``.

The JSON file lists stages, each with a ``text``, its ``batch`` and the ``history`` that training has printed. Needs the
extra ``plot``.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from flightvgm.media.atomic import replacing


def draw_curve(stages: list[dict[str, Any]], path: Path) -> None:
    """Write a picture of loss against videos seen, a line for each stage."""
    from matplotlib.figure import Figure

    picture = Figure(figsize=(8, 4), layout="constrained")
    axes = picture.subplots()
    seen = 0.0
    for stage in stages:
        videos = [seen + stage["batch"] * line["step"] for line in stage["history"]]
        axes.plot([v / 1000 for v in videos], [line["loss"] for line in stage["history"]], label=stage["text"])
        seen = videos[-1]
    axes.set(xlabel="videos seen (thousands)", ylabel="loss of the stage", yscale="log")
    axes.grid(alpha=0.3, which="both")
    axes.legend(fontsize="small")
    with replacing(path) as temporary:
        picture.savefig(temporary, dpi=100, metadata={"Software": None})


def main() -> None:
    """Read stages and draw them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("stages", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    draw_curve(json.loads(args.stages.read_text(encoding="utf-8")), args.out)


if __name__ == "__main__":
    main()
