"""Sizes of the shipped checkpoints."""

from __future__ import annotations

from flightvgm.bench.registry import Figure, Report, case
from flightvgm.models import find_checkpoint

MOST_MEGABYTES = {"pocket": 8.0, "studio": 16.0}


@case("checkpoint-size", "megabytes of the shipped checkpoints on disk")
def checkpoint_size(report: Report) -> list[Figure]:
    """Look at the files."""
    report(0, 1)
    return [
        Figure(name, find_checkpoint(name).stat().st_size / 1e6, "MB", most=most)
        for name, most in MOST_MEGABYTES.items()
    ]
