"""The reference equals Open-Sora's own code, whose tensors the fixture holds."""

import json
from pathlib import Path

import numpy as np
import pytest

from flightvgm.models.safetensors import load_safetensors
from flightvgm_sim.reference.fakequant import all_int8, hybrid, int8_attention
from flightvgm_sim.reference.hooks import Hooks
from flightvgm_sim.reference.host import cast
from flightvgm_sim.reference.metrics import relative_error
from flightvgm_sim.reference.shape import ModelShape
from flightvgm_sim.reference.stdit3 import forward

FILE = Path(__file__).parents[2] / "fixtures" / "stdit3_small.safetensors"


@pytest.fixture(scope="module")
def recorded():
    tensors, metadata = load_safetensors(FILE)
    weights = {name.removeprefix("model."): value for name, value in tensors.items() if name.startswith("model.")}
    shape = ModelShape.from_metadata(json.loads(metadata["config"]), weights)
    shape.check(weights)
    return tensors, shape, weights


def predict(recorded, sample, hooks, dtype=np.float64):
    tensors, shape, weights = recorded
    return forward(
        cast(weights, dtype),
        shape,
        tensors["input.x"][sample].astype(dtype),
        tensors["input.timestep"][sample],
        tensors["input.y"][sample, 0][tensors["input.mask"][sample] > 0],
        fps=tensors["input.fps"][0],
        pixels=(tensors["input.height"][0], tensors["input.width"][0]),
        hooks=hooks,
    )


@pytest.mark.parametrize("sample", [0, 1])
def test_blocks_and_output_equal_the_original(recorded, sample):
    tensors, shape, _ = recorded
    errors = {}

    def observe(name, x):
        errors[name] = relative_error(x, tensors[f"intermediate.{name}"][sample])

    output = predict(recorded, sample, Hooks(observe=observe))
    assert set(errors) == {"x_embedder", *shape.blocks}
    assert max(errors.values()) < 1e-5
    assert relative_error(output, tensors["output"][sample]) < 1e-5


def test_float32_stays_float32_and_close(recorded):
    output = predict(recorded, 0, Hooks(), np.float32)
    assert output.dtype == np.float32
    assert relative_error(output, recorded[0]["output"][0]) < 2e-5


@pytest.mark.parametrize("hooks", [hybrid(), all_int8(), Hooks(attention=int8_attention)])
def test_int8_costs_about_a_percent(recorded, hooks):
    assert 1e-3 < relative_error(predict(recorded, 0, hooks), recorded[0]["output"][0]) < 0.015


def test_shape_is_read_from_the_metadata_and_completed_from_the_weights(recorded):
    _, shape, weights = recorded
    assert (shape.out_channels, shape.head_dim, shape.patch, shape.qk_norm) == (8, 16, (1, 2, 2), True)
    assert ModelShape.from_metadata({}, weights) == shape
