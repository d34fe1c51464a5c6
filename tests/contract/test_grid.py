from itertools import pairwise, permutations, product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flightvgm_arch.grid import AXES, Comparison, Grid

SLOTS = [
    " / ".join("".join(part) or "-" for part in (order[:first], order[first:second], order[second:]))
    for order in permutations(AXES)
    for first, second in [(0, 1), (0, 2), (1, 2), (1, 1), (0, 0), (2, 3), (1, 3), (3, 3)]
]
grids = st.builds(Grid, st.sampled_from(SLOTS), st.integers(1, 5), st.tuples(st.integers(1, 4), st.integers(1, 4)))
sizes = st.fixed_dictionaries({axis: st.integers(1, 5) for axis in AXES})


def restate(grid, size):
    """Describe each token by itself, then sort: the slow way to the same order."""
    slots = [slot.strip().replace("-", "") for slot in grid.slots.split("/")]
    where = {}
    for token, values in enumerate(product(*(range(size[axis]) for axis in AXES))):
        at = dict(zip(AXES, values, strict=True))
        place = []
        for slot in slots:
            index = 0
            for axis in slot:
                index = index * size[axis] + at[axis]
            place.append(index)
        where[tuple(place)] = token
    extents = [max(place[slot] for place in where) + 1 for slot in range(3)]

    def middle(index, step, extent):
        start = index // step * step
        return start + min(step, extent - start) // 2

    keyed = []
    for (plane, row, column), token in where.items():
        reference = middle(plane, grid.group, extents[0])
        chunk = middle(row, grid.chunk[0], extents[1]), middle(column, grid.chunk[1], extents[2])
        key = (
            plane // grid.group,
            row // grid.chunk[0],
            plane != reference,
            plane,
            column // grid.chunk[1],
            (row, column) != chunk,
            row,
            column,
        )
        keyed.append((key, Comparison(token, where[(plane, *chunk)], where[reference, row, column])))
    return [comparison for _, comparison in sorted(keyed, key=lambda item: item[0])]


@given(grids, sizes)
def test_order_equals_its_restatement(grid, size):
    assert list(grid.order(**size)) == restate(grid, size)


@given(grids, sizes)
def test_every_token_comes_once_and_after_what_it_is_compared_with(grid, size):
    order = list(grid.order(**size))
    assert sorted(item.token for item in order) == list(range(size["t"] * size["h"] * size["w"]))
    place = {item.token: index for index, item in enumerate(order)}
    for item in order:
        assert place[item.middle] <= place[item.token]
        assert place[item.reference] <= place[item.token]


@given(grids, sizes, st.data())
def test_segments_of_bands_make_up_the_whole(grid, size, data):
    bands = grid.bands(**size)
    cuts = sorted({0, bands, *data.draw(st.lists(st.integers(0, bands), max_size=3))})
    parts = [list(grid.order(**size, first=low, count=high - low)) for low, high in pairwise(cuts)]
    assert [item for part in parts for item in part] == list(grid.order(**size))


@given(grids, sizes)
def test_only_the_reference_rows_of_one_band_wait(grid, size):
    """A token's reference lies at most one band's plane back, so that a band's rows are all that waits on chip."""
    for band in range(grid.bands(**size)):
        tokens = {item.token for item in grid.order(**size, first=band, count=1)}
        assert all({item.middle, item.reference} <= tokens for item in grid.order(**size, first=band, count=1))


@given(grids, sizes)
def test_as_many_reference_tokens_wait_as_the_largest_band_has(grid, size):
    waiting = []
    for band in range(grid.bands(**size)):
        items = list(grid.order(**size, first=band, count=1))
        grouped = any(item.token != item.reference for item in items)
        waiting.append(len({item.reference for item in items}) if grouped else 0)
    assert grid.reference_tokens(**size) == max(waiting)


@given(grids)
def test_site_fields_are_reversible(grid):
    rebuilt = Grid.from_fields(**grid.fields)
    assert rebuilt.axes == grid.axes
    assert (rebuilt.group, rebuilt.chunk) == (grid.group, grid.chunk)


def test_a_chunk_may_straddle_two_frames():
    grid = Grid("- / h / tw", 1, (2, 2))
    assert grid.extents(2, 2, 3) == (1, 2, 6)
    chunk = [item.token for item in grid.order(t=2, h=2, w=3)][4:8]
    assert sorted(chunk) == [2, 5, 6, 9]


def test_remainders_have_middles_of_their_own():
    grid = Grid("t / h / w", 3, (2, 2))
    order = list(grid.order(t=4, h=3, w=3))
    assert order[0] == Comparison(token=13, middle=13, reference=13)
    last = order[-1]
    assert last.token == last.middle == last.reference == 35


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("t / h", 1, (1, 1)), "must be three slots"),
        (("t / h / hw", 1, (1, 1)), "use t, h, w once"),
        (("t / h / x", 1, (1, 1)), "use t, h, w once"),
        (("t / h / w", 0, (1, 1)), "group 0 must be 1 to 63"),
        (("t / h / w", 64, (1, 1)), "group 64 must be 1 to 63"),
        (("t / h / w", 1, (0, 1)), "two numbers from 1 to 15"),
        (("t / h / w", 1, (1, 16)), "two numbers from 1 to 15"),
    ],
)
def test_a_malformed_grid_is_refused(arguments, sentence):
    with pytest.raises(ValueError, match=sentence):
        Grid(*arguments)


@pytest.mark.parametrize(("order", "split"), [(0, 5), (0b111111, 5), (0b100100, 0b1010), (0b100100, 0b1111)])
def test_site_fields_that_are_no_grid_are_refused(order, split):
    with pytest.raises(ValueError, match="must name each of the axes t, h and w once"):
        Grid.from_fields(order=order, split=split, group=1, chunk_rows=1, chunk_columns=1)
