from operator import attrgetter

import numpy as np
import pytest

import flightvgm
from flightvgm.pipeline import Pipeline, PipelineError
from flightvgm.recipes.recipe import Override, Recipe, RecipeError, SiteRecipe, Theta
from flightvgm_arch.grid import Grid
from flightvgm_arch.sites import SITE_NAMES
from flightvgm_sim.reference.metrics import psnr

PROMPT = "a red circle moving right"
ALIKE = Recipe("alike", {
    site: SiteRecipe(Grid("t / h / w", 3, (2, 2)), {"theta_group": Theta(0.7), "theta_chunk": Theta(0.7)})
    for site in SITE_NAMES
})  # fmt: skip


def pipeline(path, recipe="dense", backend="golden", preset="SMALL"):
    return Pipeline.from_pretrained(path, recipe=recipe, backend=backend, preset=preset)


def test_golden_is_near_float64(tiny_checkpoint):
    output = pipeline(tiny_checkpoint)(PROMPT, compare=True)
    assert output.frames.shape == (3, 16, 16, 3)
    assert 0 <= output.frames.min() <= output.frames.max() <= 1
    assert output.psnr_db > 40
    assert output.psnr_db == psnr(output.frames, output.reference)
    assert output.saturations == 0


def test_float64_dense_is_its_own_reference(tiny_checkpoint):
    output = pipeline(tiny_checkpoint, backend="reference")(PROMPT, compare=True)
    assert output.reference is output.frames
    assert output.psnr_db == float("inf")
    assert output.ssim == 1


def test_both_backends_count_the_same_dense_work(tiny_checkpoint):
    golden, exact = (pipeline(tiny_checkpoint, backend=backend)(PROMPT).ledger for backend in ("golden", "reference"))
    golden.check()
    assert golden.total.offered == exact.total.offered == golden.total.done
    assert golden.total.attention == exact.total.attention
    assert {site: work.done for site, work in golden.by_site().items()} == {
        site: work.done for site, work in exact.by_site().items()
    }


def test_a_recipe_skips_work_and_the_ledger_adds_up(tiny_checkpoint):
    golden, exact = (pipeline(tiny_checkpoint, ALIKE, backend)(PROMPT) for backend in ("golden", "reference"))
    for output in (golden, exact):
        output.ledger.check()
        assert output.ledger.total.skipped > 0
        steps = sum((ledger.total.skipped for ledger in output.steps_ledger), 0)
        assert steps == output.ledger.total.skipped
    shares = [output.ledger.total.skipped / output.ledger.total.offered for output in (golden, exact)]
    assert shares[0] == pytest.approx(shares[1], abs=0.05)


@pytest.mark.parametrize("preset", ["TINY", "SMALL4"])
def test_the_machine_does_not_change_the_video(tiny_checkpoint, preset):
    small, other = (pipeline(tiny_checkpoint, ALIKE, preset=name)(PROMPT, seed=3) for name in ("SMALL", preset))
    np.testing.assert_array_equal(small.frames, other.frames)


def test_a_seed_repeats_and_another_one_does_not(tiny_checkpoint):
    pipe = pipeline(tiny_checkpoint, backend="reference")
    first = pipe(PROMPT, seed=1).frames
    np.testing.assert_array_equal(first, pipe(PROMPT, seed=1).frames)
    np.testing.assert_array_equal(first, pipe(PROMPT, generator=np.random.default_rng(1)).frames)
    assert (first != pipe(PROMPT, seed=2).frames).any()


def test_other_frames_and_steps(tiny_checkpoint):
    seen = []
    output = pipeline(tiny_checkpoint)(
        PROMPT,
        num_frames=5,
        num_inference_steps=3,
        callback=lambda done, total, label: seen.append((done, total, label)),
    )
    assert output.frames.shape[0] == 5
    assert len(output.steps_ledger) == output.steps == 3
    assert seen[0] == (0.0, 3, "golden")
    assert [done for done, _, _ in seen] == sorted(done for done, _, _ in seen)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"num_inference_steps": 0}, "steps 0"),
        ({"num_frames": 0}, "frames 0"),
        ({"guidance_scale": float("nan")}, "guidance nan"),
        ({"seed": 1, "generator": np.random.default_rng(0)}, "not both"),
        ({"seed": -1}, "seed -1"),
    ],
)
def test_impossible_arguments_are_refused(tiny_checkpoint, arguments, words):
    with pytest.raises(PipelineError, match=words):
        pipeline(tiny_checkpoint, backend="reference")(PROMPT, **arguments)


@pytest.mark.parametrize("backend", ["golden", "reference"])
def test_a_recipe_for_steps_that_are_not_taken_is_refused(tiny_checkpoint, backend):
    late = Recipe("late", {"spatial.mlp": SiteRecipe(overrides=(Override({}, steps=(20, 29)),))})
    with pytest.raises(RecipeError, match=r"steps 20 to 29, but there are 2"):
        pipeline(tiny_checkpoint, late, backend)(PROMPT, num_inference_steps=2)


def test_unknown_names_are_refused(tiny_checkpoint):
    for arguments in ({"backend": "chip"}, {"preset": "HUGE"}, {"recipe": "none"}):
        with pytest.raises(ValueError, match=next(iter(arguments.values()))):
            pipeline(tiny_checkpoint, **arguments)


def test_the_package_offers_its_public_names():
    assert flightvgm.Pipeline is Pipeline
    for name in flightvgm.__all__:
        assert getattr(flightvgm, name) is not None
    with pytest.raises(AttributeError, match="nothing"):
        attrgetter("nothing")(flightvgm)
