"""Sampling of one video, with the blocks on any backend."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from flightvgm.models import Checkpoint
from flightvgm.models.host import Host
from flightvgm.runtime.backend import Array, Backend
from flightvgm.runtime.ledger import Ledger
from flightvgm_sim.reference.sampler import sample, timesteps

Callback = Callable[[float, float, str], None]


class Run:
    """One prompt and noise, to be sampled on any backend.

    Parameters
    ----------
    host : Host
        What is computed beside the blocks, for videos of a size.
    checkpoint : Checkpoint
        Weights, and the encoder of the prompt.
    noise : Array
        What sampling begins with.
    steps, guidance : int, float
        Of the sampler.
    """

    def __init__(
        self, host: Host, checkpoint: Checkpoint, prompt: str, noise: Array, steps: int, guidance: float
    ) -> None:
        self.host = host
        self.noise = noise
        self.steps = steps
        self.guidance = guidance
        caption = checkpoint.text_encoder(prompt)
        captions = (checkpoint.null_caption(caption.valid), caption)
        self.texts = np.stack([host.text(text) for text in captions])
        self.schedule = [float(t) for t in timesteps(steps, host.config.shift)]
        self.embeddings, tables = zip(*(host.modulation(t) for t in self.schedule), strict=True)
        self.tables = np.stack(tables)

    def __call__(
        self, backend: Backend, callback: Callback | None, label: str
    ) -> tuple[NDArray[np.float64], tuple[Ledger, ...]]:
        """Sample; return frames ``[T, H, W, 3]`` and the ledger of each step."""
        backend.prompt(self.texts, self.tables)
        ledgers = [backend.ledger()]

        def denoise(video: Array, timestep: float) -> tuple[Array, Array]:
            index = self.schedule.index(timestep)

            def progress(share: float) -> None:
                if callback is not None:
                    callback(index + share, self.steps, label)

            progress(0.0)
            tokens = backend.step(self.host.tokens(video), index, progress)
            unconditional, conditional = self.host.prediction(tokens, self.embeddings[index])
            ledgers.append(backend.ledger())
            return conditional, unconditional

        video = sample(
            denoise,
            self.noise,
            steps=self.steps,
            guidance=self.guidance,
            shift=self.host.config.shift,
            prediction=self.host.config.prediction,
        )
        frames = np.clip((np.moveaxis(video, 0, -1) + 1) / 2, 0.0, 1.0)
        return frames, tuple(after - before for before, after in pairwise(ledgers))
