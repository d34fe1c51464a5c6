"""How often the judge finds in a video what its caption says."""

from __future__ import annotations

from functools import partial

from flightvgm.bench.accuracy import PROMPTS, score, shared
from flightvgm.bench.registry import Figure, Report, case

CHECKPOINTS = ("pocket", "studio")


def judge_dense(checkpoint: str, report: Report) -> list[Figure]:
    """Judge the dense videos of the held-out prompts."""
    found = score(shared().videos(checkpoint, "dense", report), shared().scenes)
    return [
        Figure("colour right", found.colour, "%", least=98),
        Figure("shape right", found.shape, "%"),
        Figure("motion right", found.motion, "%", least=85),
        Figure("all three right", found.all, "%", least=80),
    ]


for _name in CHECKPOINTS:
    case(f"judge-{_name}", f"{PROMPTS} held-out prompts of '{_name}', dense, float sampling")(
        partial(judge_dense, _name)
    )
