import numpy as np
import pytest

from flightvgm_arch.grid import Grid
from flightvgm_sim.reference.hooks import Hooks
from flightvgm_sim.reference.host import embed_patches, embed_text, final_layer, modulation, unpatchify
from flightvgm_sim.reference.shape import ModelError
from flightvgm_sim.reference.sparsity import SiteRule, Sparsifier
from flightvgm_sim.reference.stdit3 import embed, forward, run_blocks


@pytest.fixture
def inputs(tiny):
    rng = np.random.default_rng(1)
    return rng.standard_normal((2, 3, 3, 4, 6)), rng.standard_normal((2, 4, 6))


def test_samples_of_a_batch_do_not_see_each_other(tiny, inputs):
    shape, weights = tiny
    x, y = inputs
    both = forward(weights, shape, x, 500.0, y, fps=8)
    assert both.shape == (2, 2, 3, 4, 6)
    for i in range(2):
        np.testing.assert_allclose(forward(weights, shape, x[i], 500.0, y[i], fps=8), both[i], rtol=1e-10, atol=1e-12)


def test_the_parts_make_the_whole(tiny, inputs):
    shape, weights = tiny
    x, y = inputs[0][0], inputs[1][0]
    t, tables = modulation(weights, shape, 300.0, 8)
    assert tables.shape == (4, 6, 16)
    tokens = run_blocks(weights, shape, embed(weights, shape, x), embed_text(weights, y), tables, frames=3)
    video = unpatchify(shape, final_layer(weights, shape, tokens, t), (3, 4, 6))
    np.testing.assert_array_equal(video, forward(weights, shape, x, 300.0, y, fps=8))


def test_patches_are_padded_and_cut(tiny):
    shape, weights = tiny
    x = np.random.default_rng(2).standard_normal((3, 2, 3, 5))
    padded = np.zeros((3, 2, 4, 6))
    padded[..., :3, :5] = x
    np.testing.assert_array_equal(embed_patches(weights, shape, x), embed_patches(weights, shape, padded))
    patches = np.random.default_rng(3).standard_normal((8, 12))
    whole = unpatchify(shape, patches, (2, 4, 6))
    np.testing.assert_array_equal(unpatchify(shape, patches, (2, 3, 5)), whole[..., :3, :5])
    assert whole[1, 1, 2, 4] == patches[4 + 2 + 1, (0 * 3 + 1) * 2 + 1]


def test_no_text_token_gives_a_cross_attention_of_zeros(tiny, inputs):
    shape, weights = tiny
    without_values = {
        name: np.zeros_like(value) if "kv_linear" in name else value for name, value in weights.items()
    }  # fmt: skip
    x, y = inputs
    expected = forward(without_values, shape, x, 100.0, y, fps=8)
    np.testing.assert_allclose(forward(weights, shape, x, 100.0, y[:, :0], fps=8), expected, rtol=1e-12, atol=1e-13)


def test_a_site_computes_the_rows_that_it_keeps_and_recovers_the_others():
    x = np.random.default_rng(4).standard_normal((2, 4, 3))
    rows = np.array([[0, 0, 2, 2], [3, 1, 3, 3]])
    seen = []

    def layer(kept):
        seen.append(len(kept))
        return 2 * kept

    out = Hooks(site=lambda _name, _x: rows).reduced("spatial_blocks.0.mlp", x, layer)
    np.testing.assert_array_equal(out, 2 * np.take_along_axis(x, rows[..., None], 1))
    assert seen == [4]


@pytest.mark.parametrize("rows", [[0, 0, 1], [0, 1], [0, 1, 3], [-1, 1, 2]])
def test_a_bad_map_is_refused(rows):
    with pytest.raises(ModelError, match="the map of spatial_blocks"):
        Hooks(site=lambda _name, _x: np.array(rows)).reduced("spatial_blocks.0.mlp", np.ones((3, 2)), lambda x: x)


def test_recovered_tokens_keep_their_own_position(tiny, inputs):
    """A token that takes another's qkv is still rotated by its own frame: equal inputs change nothing."""
    shape, weights = tiny
    x = np.repeat(inputs[0][0][:, :1], 3, axis=1)
    rules = {"temporal.attn.qkv": SiteRule(Grid("- / t / hw", 1, (3, 1)), theta_chunk=0.5)}
    sparse = Sparsifier(rules, (3, 2, 2))
    y = inputs[1][0]
    exact = forward(weights, shape, x, 100.0, y, fps=8)
    np.testing.assert_allclose(
        forward(weights, shape, x, 100.0, y, fps=8, hooks=Hooks(site=sparse)), exact, rtol=1e-9, atol=1e-12
    )
    assert (sparse.ledger["temporal_blocks.0.attn.qkv"].offered, sparse.ledger["temporal_blocks.0.attn.qkv"].kept) == (
        12,
        4,
    )


def test_the_ledger_has_all_sites_and_a_layers_rule_comes_first(tiny, inputs):
    shape, weights = tiny
    x, y = inputs
    grid = Grid("t / h / w", 3, (2, 2))
    rules = {"spatial.mlp": SiteRule(grid, -1.0, -1.0), "spatial_blocks.1.mlp": SiteRule(grid)}
    sparse = Sparsifier(rules, (3, 2, 2))
    forward(weights, shape, x, 100.0, y, fps=8, hooks=Hooks(site=sparse))
    assert len(sparse.ledger) == 5 * len(shape.blocks)
    assert {rows.offered for rows in sparse.ledger.values()} == {24}
    kept = {name for name, rows in sparse.ledger.items() if rows.kept < rows.offered}
    assert kept == {"spatial_blocks.0.mlp"}


def test_an_unknown_site_is_refused():
    with pytest.raises(ModelError, match=r"there is no site 'spatial\.mpl'"):
        Sparsifier({"spatial.mpl": SiteRule(Grid())}, (1, 1, 1))


@pytest.mark.parametrize(
    ("x", "y", "sentence"),
    [
        ((4, 3, 4, 6), (4, 6), r"the latent video is \(4, 3, 4, 6\); it must be \(..., 3,"),
        ((3, 0, 4, 6), (4, 6), "the latent video is"),
        ((3, 3, 4, 6), (4, 5), "captions are"),
        ((2, 3, 3, 4, 6), (4, 6), r"they must be \(2, 'tokens', 6\)"),
    ],
)
def test_misshaped_inputs_are_refused(tiny, x, y, sentence):
    with pytest.raises(ModelError, match=sentence):
        forward(tiny[1], tiny[0], np.ones(x), 1.0, np.ones(y), fps=8)
