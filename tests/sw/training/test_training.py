"""Training, where PyTorch is installed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")


@pytest.fixture
def recipe():
    from flightvgm.training.model import ModelShape
    from flightvgm.training.train import RECIPES

    shape = ModelShape(hidden_size=32, depth=1, num_heads=2, vocabulary=RECIPES["pocket"].shape.vocabulary, frames=2)
    return replace(RECIPES["pocket"], shape=shape, group=2, batch=4, steps=40, warmup=5)


def test_equal_seeds_give_equal_weights_and_the_loss_falls(recipe):
    from flightvgm.training.train import Training

    runs = []
    for _ in range(2):
        training = Training(recipe, seed=3)
        losses = [training.step(number) for number in range(12)]
        runs.append((losses, training.state()["average"]))
    assert np.mean(runs[0][0][-3:]) < 0.8 * np.mean(runs[0][0][:3])
    assert runs[0][0] == runs[1][0]
    assert all(torch.equal(runs[0][1][name], runs[1][1][name]) for name in runs[0][1])


def test_rates_warm_up_and_fall_to_almost_zero(recipe):
    scales = [recipe.scale(step) for step in range(recipe.steps)]
    assert scales[0] == pytest.approx(0.2)
    assert max(scales) == 1.0
    assert scales[-1] < 0.1


def test_muon_orthogonalises():
    from flightvgm.training.muon import orthogonal

    for shape in ((6, 20), (20, 6)):
        singular = torch.linalg.svdvals(orthogonal(torch.randn(shape, generator=torch.Generator().manual_seed(0))))
        assert 0.6 < float(singular.min()) <= float(singular.max()) < 1.3


def test_thresholds_vary_and_some_batches_are_dense():
    from flightvgm.training.sparsity import OFF, Anywhere

    rng = np.random.default_rng(0)
    drawn = [Anywhere(3).draw(rng) for _ in range(200)]
    dense = [all(pair == (OFF, OFF) for pair in batch.values()) for batch in drawn]
    assert 0.25 < np.mean(dense) < 0.55
    cosines = [value for batch in drawn for pair in batch.values() for value in pair if value != OFF]
    assert 0.3 <= min(cosines) < 0.6
    assert 0.97 < max(cosines) <= 0.995


def test_a_batch_holds_no_held_out_caption():
    from flightvgm.training.batches import make_batch
    from flightvgm.training.model import ModelShape
    from flightvgm.world import held_out
    from flightvgm.world.grammar import WORDS

    videos, tokens = make_batch(ModelShape(), 32, np.random.default_rng(0))
    assert videos.shape == (32, 3, 6, 32, 32)
    assert -1.0 <= float(videos.min()) < float(videos.max()) <= 1.0
    captions = [" ".join(WORDS[word] for word in row if word) for row in tokens.tolist()]
    assert not any(held_out(caption) for caption in captions)


def test_thresholds_stay_near_a_recipe():
    from flightvgm.recipes import load_recipe
    from flightvgm.training.sparsity import OFF, Around

    around, rng = Around(load_recipe("paper")), np.random.default_rng(0)
    drawn = [around.draw(rng)["temporal.attn.proj"] for _ in range(200)]
    assert around.grids["temporal.attn.proj"].slots == "- / t / hw"
    assert {group for group, _ in drawn} == {OFF}
    sparse = [chunk for _, chunk in drawn if chunk != OFF]
    assert 120 < len(sparse) < 180
    assert np.mean(sparse) == pytest.approx(0.9, abs=0.02)
