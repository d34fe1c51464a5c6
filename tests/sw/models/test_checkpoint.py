import dataclasses
import json

import numpy as np
import pytest

from flightvgm.models import CheckpointError, load_checkpoint, save_checkpoint
from flightvgm.models.safetensors import load_safetensors, save_safetensors
from flightvgm_sim.reference.shape import ModelError


def test_a_saved_checkpoint_loads(tiny_checkpoint, tiny_config):
    loaded = load_checkpoint(tiny_checkpoint)
    assert loaded.name == "tiny"
    assert loaded.config == tiny_config
    assert set(loaded.weights) == set(tiny_config.shape.tensors())


def test_weights_are_fp16_on_disk_but_angles_are_not(tiny_checkpoint):
    tensors, _ = load_safetensors(tiny_checkpoint)
    assert {name for name, value in tensors.items() if value.dtype != np.float16} == {"rope.freqs"}


def test_an_unknown_name_is_refused():
    with pytest.raises(CheckpointError, match="there is no checkpoint 'nothing'"):
        load_checkpoint("nothing")


@pytest.mark.parametrize(
    ("change", "words"),
    [({"prediction": "noise"}, "velocity or sample"), ({"frames": 0}, "frames"), ({"words": ("one",)}, "one for each")],
)
def test_values_out_of_range_are_refused(tiny_config, change, words):
    with pytest.raises(CheckpointError, match=words):
        dataclasses.replace(tiny_config, **change)


def rewrite(source, target, *, drop=None, config=None):
    tensors, metadata = load_safetensors(source)
    tensors.pop(drop, None)
    save_safetensors(target, tensors, metadata if config is None else {"config": config})
    return target


def test_a_missing_tensor_is_named(tiny_checkpoint, tmp_path):
    broken = rewrite(tiny_checkpoint, tmp_path / "a.safetensors", drop="spatial_blocks.0.attn.qkv.bias")
    with pytest.raises(ModelError, match="spatial_blocks.0.attn.qkv.bias"):
        load_checkpoint(broken)


@pytest.mark.parametrize("config", ["", "{", json.dumps({"frames": 3})])
def test_metadata_that_do_not_suffice_are_refused(tiny_checkpoint, tmp_path, config):
    broken = rewrite(tiny_checkpoint, tmp_path / "a.safetensors", config=config)
    with pytest.raises(CheckpointError, match="config"):
        load_checkpoint(broken)


def test_a_malformed_value_is_refused(tiny_checkpoint, tiny_config, tmp_path):
    config = json.dumps({**tiny_config.to_dict(), "steps": "many"})
    with pytest.raises(CheckpointError, match="malformed"):
        load_checkpoint(rewrite(tiny_checkpoint, tmp_path / "a.safetensors", config=config))


def test_weights_beyond_fp16_are_refused(tiny_checkpoint, tiny_config, tmp_path):
    weights = dict(load_checkpoint(tiny_checkpoint).weights)
    weights["t_block.1.bias"] = np.full_like(weights["t_block.1.bias"], 1e6)
    with pytest.raises(CheckpointError, match=r"t_block\.1\.bias"):
        save_checkpoint(tmp_path / "a.safetensors", tiny_config, weights)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "change",
    [
        {"depth": 10**30}, {"frames": 10**30}, {"frames": float("inf")}, {"size": -1}, {"steps": 0}, {"steps": 1001},
        {"guidance": float("nan")}, {"guidance": 1e6}, {"shift": 0.0}, {"shift": float("inf")}, {"fps": -8.0},
        {"frames": 1.5}, {"steps": True}, {"recipe": None}, {"words": "a"},
        {"position_scale": float("inf")}, {"mlp_ratio": float("inf")},
    ],
    ids=str,
)  # fmt: skip
def test_metadata_out_of_range_are_refused(tiny_checkpoint, tiny_config, tmp_path, change):
    config = json.dumps({**tiny_config.to_dict(), **change})
    with pytest.raises(ValueError, match=r"export it again|must be|must lie"):
        load_checkpoint(rewrite(tiny_checkpoint, tmp_path / "a.safetensors", config=config))


@pytest.mark.parametrize("config", ["3", "[]", "NaN", "[" * 100000])
def test_metadata_that_are_no_object_are_refused(tiny_checkpoint, tmp_path, config):
    with pytest.raises(CheckpointError, match="config"):
        load_checkpoint(rewrite(tiny_checkpoint, tmp_path / "a.safetensors", config=config))


@pytest.mark.parametrize(
    "change",
    [lambda a: a.astype(np.int32), lambda a: np.float32(1).reshape(()), lambda a: np.full(a.shape, 1e300)],
    ids=["whole numbers", "scalar", "beyond FP32"],
)
@pytest.mark.parametrize("name", ["text_encoder.words.weight", "spatial_blocks.0.mlp.fc1.weight"])
def test_tensors_of_another_kind_are_refused(tiny_checkpoint, tmp_path, name, change):
    tensors, metadata = load_safetensors(tiny_checkpoint)
    tensors[name] = change(tensors[name])
    save_safetensors(tmp_path / "a.safetensors", tensors, metadata)
    with pytest.raises(CheckpointError, match=name):
        load_checkpoint(tmp_path / "a.safetensors")
