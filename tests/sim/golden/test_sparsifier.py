import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flightvgm_arch.grid import Grid
from flightvgm_sim.golden.sparsifier import SparsifierError, decide

SLOTS = ["t / h / w", "- / t / hw", "- / h / tw", "w / t / h", "th / - / w", "- / - / thw"]
grids = st.builds(Grid, st.sampled_from(SLOTS), st.integers(1, 5), st.tuples(st.integers(1, 3), st.integers(1, 3)))
sizes = st.fixed_dictionaries({axis: st.integers(1, 5) for axis in "thw"})
thresholds = st.sampled_from([0, 1, 20000, 45000, 65535])


def alike(a, b, theta2):
    a, b = a.tolist(), b.tolist()
    dot, left, right = (sum(x * y for x, y in zip(p, q, strict=True)) for p, q in ((a, b), (a, a), (b, b)))
    return dot > 0 and dot * dot << 16 >= theta2 * left * right


def decide_one_by_one(rows, grid, *, t, h, w, first, count, theta_group, theta_chunk):
    """Tell the rule token by token, as the hardware meets them."""
    kept, root = [], {}
    for item in grid.order(t=t, h=h, w=w, first=first, count=count):
        token = item.token
        if item.reference != token and alike(rows[token], rows[item.reference], theta_group):
            root[token] = root[item.reference]
        elif item.middle != token and item.middle in kept and alike(rows[token], rows[item.middle], theta_chunk):
            root[token] = item.middle
        else:
            kept.append(token)
            root[token] = token
    return kept, [root.get(token, -1) for token in range(t * h * w)]


def check(rows, grid, **site):
    decision = decide(rows, grid, **site)
    kept, root = decide_one_by_one(rows, grid, **site)
    assert decision.kept.tolist() == kept
    assert decision.root.tolist() == root
    return decision


@given(
    grids,
    sizes,
    st.integers(1, 3),
    thresholds,
    thresholds,
    st.integers(0, 3),
    st.integers(0, 9),
    st.integers(0, 2**32 - 1),
)
def test_decisions_are_those_of_the_rule(grid, size, channels, theta_group, theta_chunk, first, count, seed):
    rows = np.random.default_rng(seed).integers(-2, 4, (size["t"] * size["h"] * size["w"], channels)).astype(np.int8)
    check(rows, grid, **size, first=first, count=count, theta_group=theta_group, theta_chunk=theta_chunk)


@given(grids, sizes, st.integers(0, 2**32 - 1))
def test_segments_make_up_the_whole(grid, size, seed):
    """Bands are decided alone: any cut gives the same kept tokens, in the same order."""
    rows = np.random.default_rng(seed).integers(-2, 4, (size["t"] * size["h"] * size["w"], 2)).astype(np.int8)
    bands = grid.bands(**size)
    theta = {"theta_group": 40000, "theta_chunk": 50000}
    whole = decide(rows, grid, **size, first=0, count=bands, **theta)
    parts = [decide(rows, grid, **size, first=band, count=1, **theta) for band in range(bands)]
    assert np.concatenate([part.kept for part in parts]).tolist() == whole.kept.tolist()
    assert np.max([part.root for part in parts], axis=0).tolist() == whole.root.tolist()
    assert (whole.root[whole.root] == whole.root).all()


def test_equal_tokens_keep_one_of_a_band_and_zeros_keep_all():
    size = {"t": 3, "h": 4, "w": 6}
    site = {**size, "first": 0, "count": 2, "theta_group": 65535, "theta_chunk": 65535}
    grid = Grid(group=3, chunk=(2, 6))
    assert len(check(np.ones((72, 4), np.int8), grid, **site).kept) == 2
    assert len(check(np.zeros((72, 4), np.int8), grid, **site).kept) == 72
    assert len(check(np.full((72, 4), -127, np.int8), grid, **site).kept) == 2


@pytest.mark.parametrize("channels", [1, 4608, 8192])
@pytest.mark.parametrize("value", [-128, 127])
def test_the_largest_sums_do_not_overflow(channels, value):
    rows = np.full((2, channels), value, np.int8)
    rows[0, 0] -= np.sign(value)
    site = {"t": 1, "h": 1, "w": 2, "first": 0, "count": 1, "theta_group": 0}
    for theta_chunk in (0, 65534, 65535):
        check(rows, Grid(chunk=(1, 2)), **site, theta_chunk=theta_chunk)
    rows[0] = -np.maximum(rows[0], -127)
    assert len(check(rows, Grid(chunk=(1, 2)), **site, theta_chunk=0).kept) == 2


def test_equality_at_the_threshold_is_alike():
    rows = np.array([[1, 1, 0, 0], [1, 0, 1, 0]], np.int8)
    site = {"t": 1, "h": 1, "w": 2, "first": 0, "count": 1, "theta_group": 0}
    assert len(check(rows, Grid(chunk=(1, 2)), **site, theta_chunk=1 << 14).kept) == 1
    assert len(check(rows, Grid(chunk=(1, 2)), **site, theta_chunk=(1 << 14) + 1).kept) == 2


def test_bad_sites_are_refused():
    site = {"t": 1, "h": 2, "w": 2, "first": 0, "count": 1}
    with pytest.raises(SparsifierError, match=r"rows of shape \(3, 1\) must be 4 tokens of at most 8192 channels"):
        decide(np.zeros((3, 1), np.int8), Grid(), **site, theta_group=0, theta_chunk=0)
    with pytest.raises(SparsifierError, match="the squared threshold 65536 must be 0 to 65535"):
        decide(np.zeros((4, 1), np.int8), Grid(), **site, theta_group=65536, theta_chunk=0)
