"""What hybrid precision costs: golden machine, dense, against float64."""

from __future__ import annotations

import numpy as np

from flightvgm.bench.registry import Figure, Report, case
from flightvgm.bench.sampling import held_out_scenes, sample_videos
from flightvgm.models import DEFAULT_CHECKPOINT, load_checkpoint
from flightvgm.pipeline import Pipeline
from flightvgm.recipes import load_recipe
from flightvgm_sim.reference.fakequant import all_int8
from flightvgm_sim.reference.metrics import psnr

PROMPTS = 20


@case("precision", f"PSNR of hybrid precision, dense, against float64 over {PROMPTS} prompts; all INT8 beside it")
def precision(report: Report) -> list[Figure]:
    """Make each video three times from the same noise."""
    prompts = [scene.caption for scene in held_out_scenes(PROMPTS)]
    checkpoint, dense = load_checkpoint(DEFAULT_CHECKPOINT), load_recipe("dense")
    exact = sample_videos(checkpoint, prompts, dense, precision="float64")
    narrow = sample_videos(checkpoint, prompts, dense, hooks=all_int8())
    pipeline = Pipeline.from_pretrained(DEFAULT_CHECKPOINT, recipe=dense, backend="golden")
    golden = []
    for seed, prompt in enumerate(prompts):
        report(seed, PROMPTS)
        golden.append(pipeline(prompt, seed=seed).frames)
    hybrid = [psnr(frames, video.frames) for frames, video in zip(golden, exact, strict=True)]
    int8 = [psnr(video.frames, other.frames) for video, other in zip(narrow, exact, strict=True)]
    return [
        Figure("hybrid, median", float(np.median(hybrid)), "dB", least=40),
        Figure("hybrid, worst", min(hybrid), "dB", least=30),
        Figure("all INT8 (simulated), median", float(np.median(int8)), "dB"),
        Figure("all INT8 (simulated), worst", min(int8), "dB"),
    ]
