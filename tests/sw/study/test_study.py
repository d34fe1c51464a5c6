"""The sparsity study on a tiny checkpoint."""

from __future__ import annotations

import json

import numpy as np
import pytest

from flightvgm.models import load_checkpoint
from flightvgm.study.sweep import measure
from flightvgm.study.variants import CURVES, Curve
from flightvgm_arch.sites import SITE_NAMES

FEW = (Curve("directions", "both", inter=True), Curve("matching", "global", everywhere=True))


def test_a_lower_threshold_skips_more_and_dense_is_first(tiny_checkpoint):
    points = list(measure(load_checkpoint(tiny_checkpoint), 2, curves=FEW, cosines=(0.99, 0.2)))
    assert (points[0].figure, points[0].skipped) == ("dense", 0.0)
    by_curve = {(point.curve, point.cosine): point for point in points[1:]}
    assert len(by_curve) == 4
    for curve in FEW:
        strict, loose = by_curve[curve.name, 0.99], by_curve[curve.name, 0.2]
        assert 0.0 <= strict.skipped < loose.skipped < 1.0
        assert np.isfinite(loose.psnr_db)
        assert loose.psnr_db < strict.psnr_db


def test_curves_cover_what_the_study_is_about():
    assert {curve.figure for curve in CURVES} == {"sites", "directions", "matching"}
    singles = [curve for curve in CURVES if curve.figure == "sites"]
    assert sorted(site for curve in singles for site in curve.sites) == sorted(SITE_NAMES)
    assert {(curve.inter, curve.intra) for curve in CURVES if curve.figure == "directions"} == {
        (True, True),
        (True, False),
        (False, True),
    }
    assert {curve.everywhere for curve in CURVES if curve.figure == "matching"} == {True, False}


def test_a_recipe_of_a_curve_names_its_directions():
    recipe = Curve("directions", "inter-frame only", inter=True, intra=False).recipe(0.9, frames=6)
    assert recipe.cosines("spatial.mlp", 0, 0) == (0.9, None)
    assert recipe.grid("spatial.mlp").group == 3
    inside = Curve("directions", "intra-frame only", sites=("spatial.mlp",)).recipe(0.9, frames=6)
    assert inside.cosines("spatial.mlp", 0, 0) == (None, 0.9)
    assert inside.cosines("temporal.mlp", 0, 1) == (None, None)


def test_the_command_writes_pictures_and_numbers(tiny_checkpoint, tmp_path, monkeypatch):
    pytest.importorskip("matplotlib")
    from flightvgm.study import __main__ as command

    monkeypatch.setattr(command, "measure", lambda *args: measure(*args, curves=FEW, cosines=(0.5,)))
    assert command.main([str(tmp_path), "--checkpoint", str(tiny_checkpoint), "--prompts", "1"]) == 0
    assert sorted(path.name for path in tmp_path.glob("*.png")) == [
        "sparsity-tiny-directions.png",
        "sparsity-tiny-matching.png",
        "sparsity-tiny-sites.png",
    ]
    points = json.loads((tmp_path / "sparsity-tiny.json").read_text())
    assert [point["curve"] for point in points] == ["dense", "both", "global"]
