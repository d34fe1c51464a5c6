import numpy as np
import pytest

from flightvgm_sim.reference.shape import ModelShape


def random_weights(shape, seed=0):
    """Tensors of a shape, scaled so that activations stay near 1."""
    rng = np.random.default_rng(seed)
    return {name: rng.standard_normal(size) / np.sqrt(size[-1]) for name, size in shape.tensors().items()}


@pytest.fixture(scope="session")
def tiny():
    """A shape and its random weights."""
    shape = ModelShape(hidden_size=16, depth=2, num_heads=2, caption_channels=6, model_max_length=5, in_channels=3,
                       out_channels=2, patch=(1, 2, 3), position_scale=1.0)  # fmt: skip
    return shape, random_weights(shape)
