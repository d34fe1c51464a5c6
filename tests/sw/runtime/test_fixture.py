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


@pytest.mark.parametrize(
    "config", ["3", "[]", "NaN", '{"mlp_ratio": Infinity}', '{"depth": 1000000000000}', "[" * 100000]
)
def test_a_malformed_configuration_is_refused(tmp_path, config):
    tensors, _ = load_safetensors(FILE)
    save_safetensors(tmp_path / "a.safetensors", tensors, {"config": config})
    with pytest.raises(FixtureError, match="record it again"):
        load_fixture(tmp_path / "a.safetensors")


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("x", lambda a: a * 1e300), ("x", lambda a: a[:, 0]), ("x", lambda a: a[:0]), ("y", lambda a: a * 1e300),
        ("mask", lambda a: a[:, :-1]), ("timestep", lambda a: a[:1]), ("fps", lambda a: a[:0]),
        ("height", lambda a: a * 0), ("width", lambda a: -a),
    ],
)  # fmt: skip
def test_an_impossible_input_is_named(tmp_path, name, change):
    tensors, metadata = load_safetensors(FILE)
    tensors[f"input.{name}"] = np.ascontiguousarray(change(tensors[f"input.{name}"].astype(np.float64)))
    save_safetensors(tmp_path / "a.safetensors", tensors, metadata)
    with pytest.raises(FixtureError, match=f"input.{name}"):
        load_fixture(tmp_path / "a.safetensors")
