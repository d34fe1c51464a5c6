"""Many videos at once in floating point, for figures that need hundreds of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from flightvgm.models import Checkpoint
from flightvgm.models.host import Host
from flightvgm.recipes import Recipe
from flightvgm.runtime.backend import BRANCHES, Array
from flightvgm.runtime.ledger import Ledger
from flightvgm.runtime.sparsity import CountedSites, ledger_of, rules_of
from flightvgm.world import Scene
from flightvgm.world import sample as draw_scene
from flightvgm_sim.reference.host import cast
from flightvgm_sim.reference.hooks import Hooks
from flightvgm_sim.reference.sampler import noise, sample, timesteps
from flightvgm_sim.reference.stdit3 import run_blocks

BATCH = 8
PROMPT_SEED = 2024


def held_out_scenes(count: int) -> list[Scene]:
    """Scenes whose captions training has never seen; the same ones in every run."""
    rng = np.random.default_rng(PROMPT_SEED)
    return [draw_scene(rng, held=True) for _ in range(count)]


@dataclass(frozen=True)
class Video:
    """A sampled video: frames ``[T, H, W, 3]`` in 0..1 and the ledger of each step."""

    number: int
    frames: Array
    ledgers: tuple[Ledger, ...]

    @property
    def ledger(self) -> Ledger:
        """Work of all steps."""
        return sum(self.ledgers, Ledger())


def sample_videos(
    checkpoint: Checkpoint, prompts: Sequence[str], recipe: Recipe, *, hooks: Hooks | None = None, dtype: type[np.floating] = np.float32
) -> Iterator[Video]:
    """Sample a video of each prompt, with the number of the prompt as seed and the checkpoint's own settings.

    Prompts of one length share batches, so videos come in another order than the prompts.

    Parameters
    ----------
    hooks : Hooks, optional
        Variants of linear layers and attention.
    dtype : type
        Precision of the blocks.
    """
    encoder = checkpoint.text_encoder
    lengths = [len(encoder.numbers(prompt)) for prompt in prompts]
    host = Host(checkpoint, checkpoint.config.frames)
    weights = cast(checkpoint.weights, dtype)
    for length in sorted(set(lengths)):
        alike = [number for number, other in enumerate(lengths) if other == length]
        for start in range(0, len(alike), BATCH):
            numbers = alike[start : start + BATCH]
            batch = _Batch(checkpoint, host, weights, recipe, hooks or Hooks())
            yield from batch.run(numbers, [prompts[number] for number in numbers])


class _Batch:
    """Prompts of one length, sampled together."""

    def __init__(self, checkpoint: Checkpoint, host: Host, weights: dict[str, Array], recipe: Recipe, hooks: Hooks) -> None:
        self.checkpoint = checkpoint
        self.host = host
        self.weights = weights
        self.recipe = recipe
        self.hooks = hooks

    def run(self, numbers: Sequence[int], prompts: Sequence[str]) -> Iterator[Video]:
        host, settings = self.host, self.checkpoint.config
        captions = [self.checkpoint.text_encoder(prompt) for prompt in prompts]
        valid = captions[0].valid
        null = host.text(self.checkpoint.null_caption(valid))
        dtype = next(iter(self.weights.values())).dtype
        texts = np.stack([np.stack([null, host.text(caption)]) for caption in captions]).astype(dtype)
        schedule = [float(t) for t in timesteps(settings.steps, settings.shift)]
        ledgers: list[list[Ledger]] = [[] for _ in numbers]

        def denoise(videos: Array, timestep: float) -> tuple[Array, Array]:
            embedding, tables = host.modulation(timestep)
            tokens = np.stack([host.tokens(video) for video in videos])[:, None]
            pair = np.repeat(tokens, BRANCHES, axis=1).astype(dtype)
            sites = CountedSites(rules_of(self.recipe, host.shape, schedule.index(timestep)), host.grid)
            hooks = Hooks(linear=self.hooks.linear, attention=self.hooks.attention, site=sites)
            out = run_blocks(self.weights, host.shape, pair, texts, tables, frames=host.grid[0], hooks=hooks)
            for row, ledger in enumerate(ledgers):
                ledger.append(
                    sum(
                        (
                            ledger_of(sites.kept, host.shape, host.grid, sample=(row, branch), branch=branch, text=valid)
                            for branch in range(BRANCHES)
                        ),
                        Ledger(),
                    )
                )
            predicted = host.prediction(out, embedding)
            return predicted[:, 1], predicted[:, 0]

        start = np.stack([noise(number, host.video_shape) for number in numbers])
        videos = sample(
            denoise,
            start,
            steps=settings.steps,
            guidance=settings.guidance,
            shift=settings.shift,
            prediction=settings.prediction,
            channel_axis=1,
        )
        for number, video, ledger in zip(numbers, videos, ledgers, strict=True):
            frames = np.clip((np.moveaxis(video, 0, -1) + 1) / 2, 0.0, 1.0)
            yield Video(number, frames, tuple(ledger))
