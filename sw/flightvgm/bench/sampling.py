"""Many videos at once in floating point, for figures that need hundreds of them."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass

import numpy as np

from flightvgm.bench.registry import Report
from flightvgm.models import Checkpoint
from flightvgm.models.host import Host
from flightvgm.recipes import Recipe
from flightvgm.runtime.backend import BRANCHES, Array
from flightvgm.runtime.ledger import Ledger
from flightvgm.runtime.sparsity import CountedSites, ledger_of, rules_of
from flightvgm.world import Scene
from flightvgm.world import sample as draw_scene
from flightvgm_sim.reference.hooks import Hooks
from flightvgm_sim.reference.host import cast
from flightvgm_sim.reference.sampler import noise, sample, timesteps
from flightvgm_sim.reference.stdit3 import run_blocks

BATCH = 4
PROMPT_SEED = 2024


def held_out_scenes(count: int) -> list[Scene]:
    """Scenes whose captions training has never seen; the same ones in every run."""
    rng = np.random.default_rng(PROMPT_SEED)
    return [draw_scene(rng, held=True) for _ in range(count)]


@dataclass(frozen=True)
class Video:
    """A sampled video: number of its prompt, frames ``[T, H, W, 3]`` in 0..1 and the ledger of each step."""

    number: int
    frames: Array
    ledgers: tuple[Ledger, ...]

    @property
    def ledger(self) -> Ledger:
        """Work of all steps."""
        return sum(self.ledgers, Ledger())


@dataclass(frozen=True)
class Job:
    """How videos are sampled; see :func:`sample_videos`."""

    checkpoint: Checkpoint
    recipe: Recipe
    everywhere: bool
    hooks: Hooks
    precision: str


def sample_videos(
    checkpoint: Checkpoint,
    prompts: Sequence[str],
    recipe: Recipe,
    *,
    everywhere: bool = False,
    hooks: Hooks | None = None,
    precision: str = "float32",
    report: Report | None = None,
    workers: int | None = None,
) -> list[Video]:
    """Sample a video of each prompt, with the number of the prompt as seed and the checkpoint's own settings.

    Prompts of one length share batches, and batches are spread over processes.

    Parameters
    ----------
    everywhere : bool
        Match tokens with all references of a plane, not with their own chunk's alone.
    hooks : Hooks, optional
        Variants of linear layers and attention.
    precision : str
        ``float32`` or ``float64``, of the blocks.
    report : callable, optional
        Called with ``(videos done, videos)``.
    workers : int, optional
        Processes; one for each processor unless given, and none of their own for 1.
    """
    job = Job(checkpoint, recipe, everywhere, hooks or Hooks(), precision)
    lengths = [len(checkpoint.text_encoder.numbers(prompt)) for prompt in prompts]
    batches = []
    for length in sorted(set(lengths)):
        alike = [number for number, other in enumerate(lengths) if other == length]
        batches += [alike[start : start + BATCH] for start in range(0, len(alike), BATCH)]
    videos: list[Video] = []
    for found in _spread(job, batches, prompts, workers or os.cpu_count() or 1):
        videos += found
        if report is not None:
            report(len(videos), len(prompts))
    return sorted(videos, key=lambda video: video.number)


def _spread(job: Job, batches: Sequence[list[int]], prompts: Sequence[str], workers: int) -> Iterator[list[Video]]:
    chosen = [(job, numbers, [prompts[number] for number in numbers]) for numbers in batches]
    if workers == 1:
        yield from (sample_batch(*arguments) for arguments in chosen)
        return
    with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn")) as pool:
        for future in as_completed([pool.submit(sample_batch, *arguments) for arguments in chosen]):
            yield future.result()


def sample_batch(job: Job, numbers: Sequence[int], prompts: Sequence[str]) -> list[Video]:
    """Sample prompts of one length together; their numbers are the seeds."""
    settings, recipe = job.checkpoint.config, job.recipe
    host = Host(job.checkpoint, settings.frames)
    weights = cast(job.checkpoint.weights, np.dtype(job.precision).type)
    captions = [job.checkpoint.text_encoder(prompt) for prompt in prompts]
    valid = captions[0].valid
    null = host.text(job.checkpoint.null_caption(valid))
    texts = np.stack([np.stack([null, host.text(caption)]) for caption in captions]).astype(job.precision)
    schedule = [float(t) for t in timesteps(settings.steps, settings.shift)]
    ledgers: list[list[Ledger]] = [[] for _ in numbers]

    def denoise(videos: Array, timestep: float) -> tuple[Array, Array]:
        embedding, tables = host.modulation(timestep)
        tokens = np.stack([host.tokens(video) for video in videos])[:, None]
        pairs = np.repeat(tokens, BRANCHES, axis=1).astype(job.precision)
        sites = CountedSites(
            rules_of(recipe, host.shape, schedule.index(timestep), everywhere=job.everywhere), host.grid
        )
        hooks = Hooks(linear=job.hooks.linear, attention=job.hooks.attention, site=sites)
        out = run_blocks(weights, host.shape, pairs, texts, tables, frames=host.grid[0], hooks=hooks)
        for row, ledger in enumerate(ledgers):
            both = [
                ledger_of(sites.kept, host.shape, host.grid, sample=(row, branch), branch=branch, text=valid)
                for branch in range(BRANCHES)
            ]
            ledger.append(sum(both, Ledger()))
        predicted = host.prediction(out, embedding)
        return predicted[:, 1], predicted[:, 0]

    videos = sample(
        denoise,
        np.stack([noise(number, host.video_shape) for number in numbers]),
        steps=settings.steps,
        guidance=settings.guidance,
        shift=settings.shift,
        prediction=settings.prediction,
        channel_axis=1,
    )
    frames = np.clip((np.moveaxis(videos, 1, -1) + 1) / 2, 0.0, 1.0)
    rows = zip(numbers, frames, ledgers, strict=True)
    return [Video(number, video, tuple(steps)) for number, video, steps in rows]
