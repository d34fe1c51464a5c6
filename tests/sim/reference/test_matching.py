from math import sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flightvgm_arch.grid import Grid
from flightvgm_sim.reference.matching import global_map, local_map
from flightvgm_sim.reference.shape import ModelError

SLOTS = ("t / h / w", "- / t / hw", "- / h / tw", "hw / t / -", "w / - / ht")


@st.composite
def cases(draw):
    """Tokens of few small integers, so that ties, zeros and exact thresholds occur."""
    t, h, w = (draw(st.integers(1, 5)) for _ in range(3))
    grid = Grid(
        draw(st.sampled_from(SLOTS)), draw(st.integers(1, 4)), (draw(st.integers(1, 3)), draw(st.integers(1, 3)))
    )
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    x = rng.integers(-1, 3, (t * h * w, draw(st.integers(1, 3)))).astype(float)
    return x, grid, t, h, w


THETAS = st.one_of(st.none(), st.sampled_from([0.31, 0.63, 0.93, -1.0]))


def alike(a, b, theta):
    dot = sum(p * q for p, q in zip(a, b, strict=True))
    if theta is None or dot <= 0:
        return False
    return dot >= theta * sqrt(sum(p * p for p in a) * sum(q * q for q in b))


def by_the_words(x, grid, t, h, w, theta_group, theta_chunk):
    """The decision as the machine's page words it, place by place."""
    planes, rows, columns = grid.extents(t, h, w)
    high, wide = grid.chunk
    taken = {}

    def token(plane, r, c):
        return grid.place(plane, r, c, t=t, h=h, w=w)

    def middle(r, c):
        top, left = r // high * high, c // wide * wide
        return top + min(high, rows - top) // 2, left + min(wide, columns - left) // 2

    places = sorted(((r, c) for r in range(rows) for c in range(columns)), key=lambda rc: rc != middle(*rc))
    for first in range(0, planes, grid.group):
        members = list(range(first, min(first + grid.group, planes)))
        reference = members[len(members) // 2]
        for plane in [reference] + [p for p in members if p != reference]:
            for r, c in places:
                me, own_middle = token(plane, r, c), token(plane, *middle(r, c))
                there = token(reference, r, c)
                if plane != reference and alike(x[me], x[there], theta_group):
                    taken[me] = taken[there]
                elif me != own_middle and taken[own_middle] == own_middle and alike(x[me], x[own_middle], theta_chunk):
                    taken[me] = own_middle
                else:
                    taken[me] = me
    return [taken[i] for i in range(t * h * w)]


@given(cases(), THETAS, THETAS)
def test_local_map_follows_the_worded_rule(case, theta_group, theta_chunk):
    x, grid, t, h, w = case
    found = local_map(x, grid, t=t, h=h, w=w, theta_group=theta_group, theta_chunk=theta_chunk)
    assert found.tolist() == by_the_words(x.tolist(), grid, t, h, w, theta_group, theta_chunk)
    np.testing.assert_array_equal(found[found], found)


@given(cases(), THETAS)
def test_global_map_takes_the_best_reference_of_the_plane(case, theta):
    x, grid, t, h, w = case
    found = global_map(x, grid, t=t, h=h, w=w, theta=theta)
    order = list(grid.order(t=t, h=h, w=w))
    planes, rows, columns = grid.extents(t, h, w)
    plane_of = {
        grid.place(p, r, c, t=t, h=h, w=w): p for p in range(planes) for r in range(rows) for c in range(columns)
    }
    middles = {comparison.middle for comparison in order}
    unit = x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-300)
    for me, target in enumerate(found):
        if me in middles or theta is None:
            assert target == me
            continue
        best = max((float(unit[me] @ unit[m]) for m in middles if plane_of[m] == plane_of[me]), default=-1.0)
        if best > 1e-9 and best >= theta + 1e-9:
            assert target in middles
            assert plane_of[target] == plane_of[me]
            assert unit[me] @ unit[target] == pytest.approx(best)
        else:
            assert target == me


@given(cases(), THETAS)
def test_samples_are_decided_one_by_one(case, theta):
    x, grid, t, h, w = case
    both = np.stack([x, x[::-1]])
    size = {"t": t, "h": h, "w": w}
    local = local_map(both, grid, **size, theta_group=theta, theta_chunk=theta)
    everywhere = global_map(both, grid, **size, theta=theta)
    for i in range(2):
        np.testing.assert_array_equal(local[i], local_map(both[i], grid, **size, theta_group=theta, theta_chunk=theta))
        np.testing.assert_array_equal(everywhere[i], global_map(both[i], grid, **size, theta=theta))


@pytest.mark.parametrize("theta", [0.2, 0.6])
def test_locality_can_only_keep_more(theta):
    x = np.random.default_rng(0).standard_normal((6 * 27, 4)) + 0.7
    grid, size = Grid("- / h / tw", 1, (2, 2)), {"t": 6, "h": 9, "w": 3}
    local = local_map(x, grid, **size, theta_group=None, theta_chunk=theta)
    everywhere = global_map(x, grid, **size, theta=theta)
    assert set(everywhere) < set(local)


def test_frames_of_a_position_can_be_written_in_two_ways():
    x = np.random.default_rng(1).standard_normal((5 * 6, 3))
    first, second = (
        local_map(x, Grid(slots, 1, (2, 1)), t=5, h=2, w=3, theta_group=None, theta_chunk=0.1)
        for slots in ("- / t / hw", "hw / t / -")
    )
    np.testing.assert_array_equal(first, second)


def test_a_cosine_equal_to_the_threshold_is_alike():
    x, size = np.array([[3.0, 4], [1, 0]]), {"t": 1, "h": 1, "w": 2}
    for theta, first in ((0.6, 1), (0.6000001, 0)):
        assert local_map(x, Grid(), **size, theta_group=None, theta_chunk=theta).tolist() == [first, 1]
        assert global_map(x, Grid(), **size, theta=theta).tolist() == [first, 1]


def test_a_zero_token_is_kept():
    grid, size = Grid("t / h / w", 1, (1, 2)), {"t": 1, "h": 1, "w": 2}
    for x in (np.zeros((2, 3)), np.array([[0.0, 0, 0], [1, 1, 1]]), np.array([[1.0, 1, 1], [0, 0, 0]])):
        assert local_map(x, grid, **size, theta_group=-1.0, theta_chunk=-1.0).tolist() == [0, 1]
        assert global_map(x, grid, **size, theta=-1.0).tolist() == [0, 1]


@pytest.mark.parametrize("extents", [(2, 2, 2), (0, 1, 9), (3, 3, 0)])
def test_extents_must_fit_the_tokens(extents):
    t, h, w = extents
    with pytest.raises(ModelError, match=r"needs \(\.\.\., \d+, channels\)"):
        local_map(np.ones((9, 2)), Grid(), t=t, h=h, w=w, theta_group=None, theta_chunk=None)
    with pytest.raises(ModelError, match="tokens are"):
        global_map(np.ones((9, 2)), Grid(), t=t, h=h, w=w, theta=0.5)
