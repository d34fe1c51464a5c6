"""Whole compilations of random shapes and recipes: another machine and another order of its queues change no bit."""

from itertools import permutations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from flightvgm.recipes.recipe import parse_recipe
from flightvgm_arch.grid import AXES
from flightvgm_arch.presets import PRESETS
from flightvgm_arch.sites import SITE_NAMES, SITES, macs_per_row

THETAS = st.floats(0.3, 0.98)
SPLITS = [(first, second) for first in range(4) for second in range(first, 4)]


@st.composite
def grids(draw):
    """Group, row and column slots of any axes, none of them included."""
    letters = "".join(draw(st.sampled_from(list(permutations(AXES)))))
    first, second = draw(st.sampled_from(SPLITS))
    return " / ".join(slot or "-" for slot in (letters[:first], letters[first:second], letters[second:]))


@st.composite
def sites(draw):
    chunk = [draw(st.integers(1, 3)), draw(st.integers(1, 3))]
    site = {"grid": draw(grids()), "group": draw(st.integers(1, 4)), "chunk": chunk}
    site |= {name: draw(THETAS) for name in ("theta_group", "theta_chunk")}
    if draw(st.booleans()):
        site["where"] = [{"layers": [0, draw(st.integers(0, 1))], "steps": [1, 1], "theta_chunk": draw(THETAS)}]
    return site


@st.composite
def shapes(draw):
    heads = draw(st.integers(1, 4))
    even = 2 if heads % 2 == 0 else 4  # The position embedding wants widths of multiples of four.
    text = draw(st.integers(1, 6))
    return {
        "width": heads * even * draw(st.integers(1, 20 // even)),
        "heads": heads,
        "grid": (draw(st.integers(1, 5)), draw(st.integers(1, 6)), draw(st.integers(1, 6))),
        "text": text,
        "valid": (draw(st.integers(0, text)), draw(st.integers(0, text))),
        "mlp_ratio": draw(st.sampled_from([0.5, 1.5, 4.0])),
        "seed": draw(st.integers(0, 99)),
    }


@settings(max_examples=25)
@given(shapes(), st.dictionaries(st.sampled_from(SITES + SITE_NAMES), sites()), st.integers(0, 1 << 32))
def test_machines_and_orders_agree_on_random_shapes(make_case, entries_at_sites, shape, rules, order_seed):
    case = make_case(**shape)
    recipe = parse_recipe("random", {"sites": rules})
    ordered, machine = case.run(PRESETS["SMALL"], recipe)
    shuffled, other = case.run(PRESETS["TINY"], recipe, order_seed=order_seed)
    assert np.isfinite(ordered).all()
    assert np.array_equal(ordered, shuffled)
    entries = entries_at_sites(machine)
    assert entries == entries_at_sites(other)
    assert len(entries) == 2 * 2 * len(SITES)
    for place, entry in entries.items():
        macs = macs_per_row(SITES[place.site], shape["width"], case.shape.mlp_hidden)
        assert entry.rows_offered == np.prod(shape["grid"])
        assert entry.macs_offered == entry.rows_offered * macs == entry.macs_done + entry.macs_skipped
        assert entry.macs_done == entry.rows_kept * macs
