from pathlib import Path

import numpy as np
import pytest

from flightvgm.models.safetensors import load_safetensors, save_safetensors
from flightvgm.runtime import GoldenDevice
from flightvgm.runtime.fixture import FixtureError, load_fixture, rms_error
from flightvgm.runtime.replay import replay
from flightvgm_arch.presets import SMALL
from flightvgm_sim.reference.metrics import relative_error

FILE = Path(__file__).parents[2] / "fixtures" / "stdit3_small.safetensors"


@pytest.fixture(scope="module")
def fixture():
    return load_fixture(FILE)


def test_the_reference_equals_the_original(fixture):
    found = fixture.reference()
    assert list(found) == list(fixture.recorded)
    for name, value in found.items():
        assert relative_error(value, fixture.recorded[name]) <= 1e-5, name


def test_the_golden_machine_is_near_the_original(fixture):
    seen = []
    found = replay(fixture, lambda: GoldenDevice(SMALL), lambda done, total: seen.append((done, total)))
    assert set(found) == set(fixture.recorded) - {"x_embedder"}
    for name, value in found.items():
        assert rms_error(value, fixture.recorded[name]) <= 0.02, name
    assert seen[0] == (0, 5)


@pytest.mark.parametrize("missing", ["input.x", "input.mask", "output"])
def test_a_missing_tensor_is_named(tmp_path, missing):
    tensors, metadata = load_safetensors(FILE)
    del tensors[missing]
    save_safetensors(tmp_path / "a.safetensors", tensors, metadata)
    with pytest.raises(FixtureError, match=missing):
        load_fixture(tmp_path / "a.safetensors")


def test_an_unknown_tensor_is_named(tmp_path):
    tensors, metadata = load_safetensors(FILE)
    save_safetensors(tmp_path / "a.safetensors", {**tensors, "extra.x": np.zeros(1)}, metadata)
    with pytest.raises(FixtureError, match=r"extra\.x"):
        load_fixture(tmp_path / "a.safetensors")
