"""The drawn world: grammar, drawing and judge."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flightvgm.world import Item, Scene, draw, held_out, judge, parse, sample
from flightvgm.world.draw import background, coverage
from flightvgm.world.grammar import COLOURS, LONGEST_CAPTION, MOTIONS, SHAPES, tokenize


@given(st.integers(0, 2**32 - 1))
def test_a_caption_parses_to_its_scene(seed: int) -> None:
    scene = sample(np.random.default_rng(seed))
    assert parse(scene.caption) == scene
    assert len(tokenize(scene.caption)) <= LONGEST_CAPTION


@pytest.mark.parametrize(
    ("caption", "culprit"),
    [
        ("a red dog moving right", "dog"),
        ("a red circle", "a red circle"),
        ("a red circle moving right on a striped background", "background"),
        ("a red circle resting and a blue circle resting and a white circle resting", "3 shapes"),
        ("", "0 words"),
    ],
)
def test_a_bad_caption_is_named(caption: str, culprit: str) -> None:
    with pytest.raises(ValueError, match=culprit):
        parse(caption)


def test_held_out_captions_are_an_eighth_and_never_sampled_for_training() -> None:
    rng = np.random.default_rng(0)
    captions = {sample(rng).caption for _ in range(3000)}
    share = np.mean([held_out(caption) for caption in captions])
    assert 0.09 < share < 0.16
    assert not any(held_out(sample(rng, held=False).caption) for _ in range(300))
    assert all(held_out(sample(rng, held=True).caption) for _ in range(100))


@pytest.mark.parametrize("shape", SHAPES)
def test_shapes_of_one_radius_have_one_area(shape: str) -> None:
    area = coverage(shape, 64, 32.0, 32.0, 12.0).sum()
    assert area == pytest.approx(np.pi * 144, rel=0.03)


def test_drawing_is_in_range_and_repeatable() -> None:
    scene = parse("a red circle moving right and a blue square bouncing on a checkered navy background")
    first = draw(scene, frames=6, size=32, rng=np.random.default_rng(3))
    again = draw(scene, frames=6, size=32, rng=np.random.default_rng(3))
    assert first.shape == (6, 32, 32, 3)
    assert 0.0 <= first.min() <= first.max() <= 1.0
    assert np.array_equal(first, again)


@pytest.mark.parametrize(("frames", "size"), [(6, 32), (8, 48), (11, 64)])
def test_the_judge_confirms_what_is_drawn(frames: int, size: int) -> None:
    rng = np.random.default_rng(7)
    for _ in range(60):
        scene = sample(rng)
        video = draw(scene, frames=frames, size=size, rng=rng) + rng.normal(0, 0.03, (frames, size, size, 3))
        assert judge(video, scene).all, scene.caption


def test_the_judge_sees_each_kind_of_mistake() -> None:
    rng = np.random.default_rng(1)
    for colour, shape, motion in itertools.product(list(COLOURS)[:3], SHAPES, MOTIONS):
        asked = Scene((Item(colour, shape, motion),))
        other_colour = next(name for name in COLOURS if name != colour)
        other_shape = next(name for name in SHAPES if name != shape)
        other_motion = next(name for name in MOTIONS if name != motion)
        for item, wrong in (
            (Item(other_colour, shape, motion), "colour"),
            (Item(colour, other_shape, motion), "shape"),
            (Item(colour, shape, other_motion), "motion"),
        ):
            verdict = judge(draw(Scene((item,)), frames=6, size=32, rng=rng), asked)
            assert [name for name in ("colour", "shape", "motion") if not getattr(verdict, name)] == [wrong]
            assert not verdict.all


def test_the_judge_finds_nothing_in_an_empty_or_noisy_picture() -> None:
    scene = parse("a red circle moving right")
    empty = np.repeat(background(scene, 32)[None], 6, axis=0)
    assert judge(empty, scene).seen == ("nothing",)
    assert not judge(empty, scene).all
    noise = np.random.default_rng(0).random((6, 32, 32, 3))
    assert not judge(noise, scene).all


@pytest.mark.parametrize("frames", [1, 2, 3])
def test_few_frames_are_judged_as_far_as_they_go(frames: int) -> None:
    scene = parse("a green square moving down")
    verdict = judge(draw(scene, frames=frames, size=32, rng=np.random.default_rng(0)), scene)
    assert verdict.colour
    assert verdict.shape
    assert verdict.motion == (frames > 1)


def test_two_items_are_sought_in_their_halves() -> None:
    asked = parse("a red circle resting and a blue square resting")
    swapped = parse("a blue square resting and a red circle resting")
    verdict = judge(draw(swapped, frames=6, size=32, rng=np.random.default_rng(0)), asked)
    assert not verdict.colour
    assert not verdict.shape
    assert verdict.motion
