"""The parts of the network that the host computes, in float64: embeddings, modulation and the final layer."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from flightvgm.models.checkpoint import Checkpoint
from flightvgm.models.conditioning import with_frame_code
from flightvgm.models.text import Caption
from flightvgm_sim.reference.host import cast, embed_text, final_layer, modulation, unpatchify
from flightvgm_sim.reference.stdit3 import embed

Array = NDArray[Any]


class Host:
    """A checkpoint's host layers for videos of one size.

    Parameters
    ----------
    checkpoint : Checkpoint
        Weights and configuration.
    frames : int
        Frames of the videos.
    """

    def __init__(self, checkpoint: Checkpoint, frames: int) -> None:
        self.config = checkpoint.config
        self.shape = checkpoint.config.shape
        self.weights = cast(checkpoint.weights)
        self.size = (frames, self.config.size, self.config.size)
        self.grid = self.shape.grid(self.size)

    @property
    def video_shape(self) -> tuple[int, int, int, int]:
        """Shape of a video: channels, frames, rows, columns."""
        return (self.config.channels, *self.size)

    def tokens(self, video: Array) -> Array:
        """Tokens ``[N, C]`` that enter the first block, from a noisy video ``[channels, T, H, W]``."""
        embedded: Array = embed(self.weights, self.shape, with_frame_code(video))
        return embedded

    def text(self, caption: Caption) -> Array:
        """Valid text tokens ``[L, C]`` of a caption."""
        tokens: Array = embed_text(self.weights, caption.tokens[: caption.valid])
        return tokens

    def modulation(self, timestep: float) -> tuple[Array, Array]:
        """Embedding ``[C]`` and block tables ``[blocks, 6, C]`` of a timestep from 0 to 1000."""
        return modulation(self.weights, self.shape, timestep, self.config.fps)

    def prediction(self, tokens: Array, embedding: Array) -> Array:
        """What the network predicts, ``[..., channels, T, H, W]``, from the last block's tokens ``[..., N, C]``."""
        patches = final_layer(self.weights, self.shape, np.asarray(tokens, np.float64), embedding)
        video: Array = unpatchify(self.shape, patches, self.size)
        return video
