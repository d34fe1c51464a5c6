import numpy as np
import pytest

from flightvgm.recipes import RecipeError, load_recipe, shipped
from flightvgm.recipes.recipe import parse_recipe
from flightvgm_arch.formats import theta_squared
from flightvgm_arch.sites import SITE_NAMES


def recipe(**site):
    return parse_recipe("mine", {"sites": {"mlp": site}})


def test_dense_and_paper_are_shipped():
    assert {"dense", "paper"} <= set(shipped())
    for name in shipped():
        assert load_recipe(name).name == name


def test_dense_compares_nothing():
    dense = load_recipe("dense")
    assert all(dense.cosines(site, 0, 0) == (None, None) for site in SITE_NAMES)
    assert not dense.table(2, 4).any()


def test_the_papers_table():
    paper = load_recipe("paper")
    assert paper.grid("temporal.attn.qkv").slots == "- / t / hw"
    assert paper.grid("spatial.attn.proj").chunk == (2, 2)
    assert paper.grid("spatial.mlp") == paper.grid("temporal.mlp")
    assert paper.cosines("spatial.attn.qkv", 0, 0) == (None, 0.92)
    assert paper.cosines("temporal.mlp", 10, 1) == (None, pytest.approx(0.85))
    assert paper.cosines("temporal.mlp", 29, 1) == (None, 1.0)


def test_the_table_is_that_of_the_program():
    paper = load_recipe("paper")
    table = paper.table(3, 4)
    assert table.shape == (3, 4, 5, 2)
    assert table.dtype == np.uint32
    assert table[2, 1, 4].tolist() == [0, theta_squared(0.77)]
    assert table[0, 0, 0].tolist() == [0, theta_squared(0.92)]
    assert table[0, 1, 0].tolist() == [0, theta_squared(0.85)]


def test_a_longer_name_overrides_a_shorter_one():
    both = {"spatial.mlp": {"chunk": [1, 2], "theta_chunk": 0.5}, "mlp": {"chunk": [2, 2], "theta_chunk": 0.9}}
    mixed = parse_recipe("mine", {"sites": both})
    assert mixed.grid("spatial.mlp").chunk == (1, 2)
    assert mixed.grid("temporal.mlp").chunk == (2, 2)


def test_overrides_apply_to_their_layers_and_steps():
    where = [{"layers": [1, 2], "theta_chunk": 0.8}, {"steps": [3, 4], "theta_chunk": {"start": 1.0, "step": -0.1}}]
    mine = recipe(chunk=[2, 2], theta_chunk=0.9, where=where)
    found = [[mine.cosines("spatial.mlp", step, layer)[1] for layer in range(4)] for step in (0, 3)]
    assert found[0] == [0.9, 0.8, 0.8, 0.9]
    assert found[1] == pytest.approx([0.7] * 4)


@pytest.mark.parametrize(("where", "words"), [
    ({"layers": [1, 4]}, "'spatial.mlp'.*layers 1 to 4, but there are 4; end it at 3"),
    ({"steps": [9, 9]}, "'spatial.mlp'.*steps 9 to 9, but there are 9; end it at 8"),
])  # fmt: skip
def test_overrides_of_what_is_not_there_are_refused(where, words):
    mine = recipe(chunk=[2, 2], theta_chunk=0.9, where=[{"layers": [0, 3], "steps": [0, 8]}, where])
    mine.check(10, 5)
    with pytest.raises(RecipeError, match=words):
        mine.table(9, 4)


def test_the_default_is_the_authors_table():
    assert load_recipe() == load_recipe("paper")


def test_groups_have_a_threshold_of_their_own():
    mine = recipe(group=3, theta_group=0.95)
    assert mine.cosines("spatial.mlp", 0, 0) == (0.95, None)


@pytest.mark.parametrize(("site", "words"), [
    ({"grid": "t / h"}, "three slots"),
    ({"group": 0}, "group 0"),
    ({"chunk": [2]}, "chunk such as"),
    ({"chunk": [2, 2]}, "lacks theta_chunk"),
    ({"group": 2}, "lacks theta_group"),
    ({"chunk": [2, 2], "theta_chunk": 1.5}, "between 0 and 1"),
    ({"chunk": [2, 2], "theta_chunk": "high"}, "cosine such as"),
    ({"chunk": [2, 2], "theta_chunk": True}, "cosine such as"),
    ({"chunk": [2, 2], "theta_chunk": {"begin": 1}}, "unknown key 'begin'"),
    ({"theta": 0.9}, "unknown key 'theta'"),
    ({"where": {}}, "overrides"),
    ({"where": [{"layers": [3, 1]}]}, "first and the last"),
    ({"where": [{"layer": [1, 3]}]}, "unknown key 'layer'"),
])  # fmt: skip
def test_malformed_sites_are_refused(site, words):
    with pytest.raises(RecipeError, match=words):
        recipe(**site)


def test_unknown_sites_and_recipes_are_named(tmp_path):
    with pytest.raises(RecipeError, match=r"unknown site 'mpl'.*spatial\.attn\.qkv"):
        parse_recipe("mine", {"sites": {"mpl": {}}})
    with pytest.raises(RecipeError, match=r"no recipe 'none'.*dense, paper"):
        load_recipe("none")
    path = tmp_path / "broken.toml"
    path.write_text("sites = [", encoding="utf-8")
    with pytest.raises(RecipeError, match="TOML"):
        load_recipe(path)
    with pytest.raises(RecipeError, match="unknown site"):
        load_recipe("dense").grid("nowhere")


def test_a_file_that_is_nested_too_deeply_is_refused(tmp_path):
    (tmp_path / "a.toml").write_text("a=" + "[" * 20000)
    with pytest.raises(RecipeError, match="cannot be read"):
        load_recipe(tmp_path / "a.toml")
