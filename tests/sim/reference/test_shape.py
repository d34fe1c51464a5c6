from dataclasses import asdict, replace

import numpy as np
import pytest

from flightvgm_sim.reference.shape import ModelError, ModelShape


def test_check_accepts_exactly_its_own_tensors(tiny):
    shape, weights = tiny
    shape.check(weights)


def test_check_names_what_is_missing_misshaped_and_unknown(tiny):
    shape, weights = tiny
    wrong = {**weights, "extra": np.zeros(3), "t_block.1.bias": np.zeros(7)}
    del wrong["rope.freqs"]
    sentence = (
        r"missing: rope.freqs; misshaped: t_block.1.bias \(is \(7,\), must be \(96,\)\); unknown: extra; correct .*"
    )
    with pytest.raises(ModelError, match=sentence):
        shape.check(wrong)


def test_check_stays_short(tiny):
    shape, _ = tiny
    with pytest.raises(ModelError, match=r"and \d+ more; correct") as error:
        shape.check({})
    assert len(str(error.value)) < 300


def test_metadata_carry_a_shape(tiny):
    shape, weights = tiny
    assert ModelShape.from_metadata(asdict(shape), weights) == shape
    assert ModelShape.from_metadata({"patch": 4, "num_heads": 4, "model": "other"}, weights).patch == (1, 4, 4)
    assert ModelShape.from_metadata({"in_channels": 3, "pred_sigma": True}, weights).out_channels == 6


@pytest.mark.parametrize(
    ("config", "sentence"),
    [
        ({"hidden_size": "16"}, "hidden_size is '16' in the configuration; it must be a whole number"),
        ({"hidden_size": True}, "hidden_size is True"),
        ({"qk_norm": 1}, "qk_norm is 1 in the configuration; it must be true or false"),
        ({"mlp_ratio": "4"}, "mlp_ratio is '4' in the configuration; it must be a finite number"),
        ({"patch_size": [1, 2]}, "patch"),
        ({"patch_size": [2, 2, 2]}, "must be one frame"),
        ({"patch_size": "1"}, "patch_size is '1'"),
        ({"depth": 0}, "depth is 0; it must be at least 1"),
        ({"num_heads": 3}, "hidden_size 16 must be num_heads 3 times an even width"),
        ({"hidden_size": 18, "num_heads": 3}, "multiple of 4"),
        ({"mlp_ratio": 0}, "must be positive"),
        ({"vocabulary": -1}, "vocabulary is -1"),
        ({"depth": 65}, "depth is 65; it must be at most 64"),
        ({"depth": 10**12}, "depth is 1000000000000; it must be at most 64"),
        ({"depth": 2.0}, "depth is 2.0 in the configuration; it must be a whole number"),
        ({"in_channels": 1 << 24}, "in_channels is 16777216; it must be at most 16777215"),
        ({"vocabulary": 1 << 24}, "vocabulary is 16777216; it must be 0 to 16777215 words"),
        ({"mlp_ratio": float("inf")}, "mlp_ratio is inf in the configuration; it must be a finite number"),
        ({"mlp_ratio": 10**400}, "mlp_ratio is 1.* in the configuration; it must be a finite number"),
        ({"mlp_ratio": 1e300}, "mlp_ratio is 1e\\+300; it must give the MLP 1 to 16777215 channels"),
        ({"position_scale": float("nan")}, "position_scale is nan in the configuration; it must be a finite number"),
        ({"position_scale": []}, r"position_scale is \[\] in the configuration; it must be a finite number"),
        ({"patch_size": [1, 2, 1 << 24]}, "patch .* must be one frame"),
        ({"pred_sigma": {}}, "pred_sigma is {} in the configuration; it must be true or false"),
    ],
)
def test_bad_configurations_are_refused(tiny, config, sentence):
    with pytest.raises(ModelError, match=sentence):
        ModelShape.from_metadata(config, tiny[1])


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"depth": "2"}, "depth is '2'; it must be a whole number"),
        ({"depth": True}, "depth is True; it must be a whole number"),
        ({"hidden_size": None}, "hidden_size is None; it must be a whole number"),
        ({"mlp_ratio": float("nan")}, "mlp_ratio is nan; it must be a finite number"),
        ({"position_scale": float("inf")}, "position_scale is inf; it must be a finite number"),
        ({"patch": (1, 2.0, 2)}, r"patch is \(1, 2.0, 2\); it must be three whole numbers"),
        ({"patch": 2}, "patch is 2; it must be three whole numbers"),
        ({"qk_norm": None}, "qk_norm is None; it must be true or false"),
    ],
)
def test_a_shape_of_bad_values_is_refused(tiny, change, sentence):
    with pytest.raises(ModelError, match=sentence):
        replace(tiny[0], **change)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("x_embedder.proj.weight", np.zeros((16, 3, 1, 0, 2))),
        ("text_encoder.words.weight", np.float32(1)),
        (f"spatial_blocks.{'9' * 5000}.mlp.fc1.bias", np.zeros(3)),
        ("spatial_blocks.9999.mlp.fc1.bias", np.zeros(3)),
    ],
)
def test_odd_tensors_are_refused(tiny, name, value):
    weights = {**tiny[1], name: value}
    with pytest.raises(ModelError, match=r"patch|depth is 10000|unknown: (text_encoder|spatial_blocks)"):
        ModelShape.from_metadata({"patch": None}, weights).check(weights)


def test_a_configuration_must_say_enough():
    with pytest.raises(ModelError, match="lacks hidden_size"):
        ModelShape.from_metadata({}, {})


def test_position_scale_follows_the_pixels_unless_it_is_stated(tiny):
    stated = tiny[0]
    free = ModelShape(**{**asdict(stated), "position_scale": None})
    assert stated.scale(None) == 1
    assert free.scale((256, 1024)) == 1
    with pytest.raises(ModelError, match="rows and columns in pixels"):
        free.scale(None)
