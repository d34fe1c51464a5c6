import numpy as np
import pytest

from flightvgm.models import CheckpointConfig, save_checkpoint
from flightvgm.world.grammar import WORDS
from flightvgm_sim.reference.shape import ModelShape


def random_weights(shape, seed=0):
    """Weights that keep activations of order one, and every branch of a block alive."""
    rng = np.random.default_rng(seed)
    weights = {}
    for name, extents in shape.tensors().items():
        spread = 0.3 if len(extents) == 1 else float(np.prod(extents[1:])) ** -0.5
        weights[name] = (spread * rng.standard_normal(extents)).astype(np.float32)
        if name.endswith("norm.weight"):
            weights[name] += 1
    weights["rope.freqs"] = (10000.0 ** (-np.arange(0, shape.head_dim, 2) / shape.head_dim)).astype(np.float32)
    return weights


@pytest.fixture(scope="session")
def tiny_config():
    shape = ModelShape(
        hidden_size=32, depth=1, num_heads=2, caption_channels=8, model_max_length=16, in_channels=6, out_channels=3,
        patch=(1, 4, 4), position_scale=1.0, vocabulary=len(WORDS),
    )  # fmt: skip
    return CheckpointConfig(
        shape=shape, frames=3, size=16, prediction="sample", shift=4.0, steps=2, guidance=3.0, recipe="dense", fps=8.0,
        words=WORDS,
    )  # fmt: skip


@pytest.fixture(scope="session")
def tiny_checkpoint(tiny_config, tmp_path_factory):
    """Path of a checkpoint of random weights, small enough for any test."""
    path = tmp_path_factory.mktemp("checkpoint") / "tiny.safetensors"
    save_checkpoint(path, tiny_config, random_weights(tiny_config.shape))
    return path
