"""What a sparsity recipe saves, and what it costs."""

from __future__ import annotations

from functools import partial

import numpy as np

from flightvgm.bench.accuracy import PROMPTS, distances, reduction, score, shared
from flightvgm.bench.registry import Figure, Report, case

LEAST_REDUCTION = {"pocket": 2.0, "studio": 3.0}
MOST_LOSS = 5.0  # Points of the judge.
MOST_STEP = 0.7  # G INT8-equivalent MAC: what RTL simulation can afford.


def judge_recipe(checkpoint: str, recipe: str | None, report: Report) -> list[Figure]:
    """Compare a recipe's videos with the dense ones of the same seeds; the checkpoint's own recipe has bounds."""
    dense = shared().videos(checkpoint, "dense", report)
    sparse = shared().videos(checkpoint, recipe, report)
    before, after = score(dense, shared().scenes), score(sparse, shared().scenes)
    bound = recipe is None
    return [
        Figure(
            "linear MACs offered over done",
            reduction(sparse),
            "x",
            least=LEAST_REDUCTION[checkpoint] if bound else None,
        ),
        Figure("all three right, dense", before.all, "%"),
        Figure("all three right", after.all, "%"),
        Figure("points lost", before.all - after.all, "", most=MOST_LOSS if bound else None),
        Figure("PSNR against dense, median", float(np.median(distances(sparse, dense))), "dB"),
    ]


def dearest_step(report: Report) -> list[Figure]:
    """MACs of both branches in the dearest step under the pocket checkpoint's own recipe; FP16 counts twice.

    How much remains depends on the video; the bound is on the dearest step of any prompt.
    """
    videos = shared().videos("pocket", None, report)
    steps = np.array([[ledger.equivalent for ledger in video.ledgers] for video in videos]) / 1e9
    return [
        Figure("dearest step of any prompt", float(steps.max()), "G", most=MOST_STEP),
        Figure("dearest step, mean of prompts", float(steps.mean(axis=0).max()), "G"),
        Figure("mean step", float(steps.mean()), "G"),
        Figure("steps of all prompts within the bound", 100 * float((steps <= MOST_STEP).mean()), "%"),
    ]


for _name in LEAST_REDUCTION:
    case(f"recipe-{_name}", f"own recipe of '{_name}', {PROMPTS} held-out prompts")(partial(judge_recipe, _name, None))
    case(f"paper-recipe-{_name}", f"the paper's recipe on '{_name}', reported")(partial(judge_recipe, _name, "paper"))
case("step-macs", "INT8-equivalent MACs of a step of 'pocket', both branches, own recipe")(dearest_step)
