import json
import math

import numpy as np
import pytest

from flightvgm.bench import BenchError, Figure, cases, chosen
from flightvgm.bench.accuracy import distances, reduction, score
from flightvgm.bench.registry import Case
from flightvgm.bench.sampling import held_out_scenes, sample_videos
from flightvgm.cli import bench, main
from flightvgm.models import load_checkpoint
from flightvgm.pipeline import Pipeline
from flightvgm.recipes import load_recipe
from flightvgm.world import draw
from flightvgm.world.grammar import held_out
from flightvgm_sim.reference.fakequant import all_int8


@pytest.mark.parametrize(
    ("figure", "verdict"),
    [
        (Figure("", 1.0), "reported"),
        (Figure("", 1.0, least=1), "ok"),
        (Figure("", 0.9, least=1), "SHORT"),
        (Figure("", 1.1, most=1), "SHORT"),
        (Figure("", math.nan, most=1), "SHORT"),
    ],
)
def test_a_figure_is_held_against_its_bound(figure, verdict):
    assert figure.verdict == verdict
    json.dumps(figure.to_dict(), allow_nan=False)


def test_every_case_has_a_name_and_a_text():
    assert {"golden-gemm", "generate-time", "precision", "step-macs", "judge-pocket", "recipe-studio"} <= set(cases())
    assert all(case.text for case in cases().values())
    with pytest.raises(BenchError, match="no case 'speed'"):
        chosen(["speed"])


def run_case(monkeypatch, capsys, figure, *arguments):
    def measure(report):
        if figure is None:
            raise BenchError("no ruler")
        return [figure]

    case = Case("one", "a case", measure)
    monkeypatch.setattr("flightvgm.bench.chosen", lambda names: [case])
    status = main(["bench", *arguments])
    return status, capsys.readouterr().out


def test_the_status_tells_whether_all_bounds_hold(monkeypatch, capsys):
    assert run_case(monkeypatch, capsys, Figure("speed", 3.0, "m/s", least=2))[0] == 0
    status, out = run_case(monkeypatch, capsys, Figure("speed", 1.0, "m/s", least=2))
    assert status == 1
    assert "SHORT" in out
    status, out = run_case(monkeypatch, capsys, Figure("speed", math.inf, "m/s", least=2), "--json")
    assert (status, json.loads(out)["passed"]) == (0, True)
    assert json.loads(out)["cases"][0]["figures"][0]["figure"] is None


def test_what_cannot_be_measured_falls_short(monkeypatch, capsys):
    status, out = run_case(monkeypatch, capsys, None, "--json")
    assert status == 1
    assert json.loads(out)["cases"] == [{"name": "one", "passed": False, "error": "no ruler"}]


def test_the_list_names_the_cases(capsys):
    assert main(["bench", "--list"]) == 0
    assert "golden-gemm" in capsys.readouterr().out
    assert bench.HELP


def test_prompts_are_held_out_and_always_the_same():
    scenes = held_out_scenes(5)
    assert scenes == held_out_scenes(5)
    assert all(held_out(scene.caption) for scene in scenes)


def test_batches_give_the_videos_of_the_pipeline(tiny_checkpoint):
    prompts = ["a red circle moving right", "a blue square resting", "a green circle moving left"]
    checkpoint, dense = load_checkpoint(tiny_checkpoint), load_recipe("dense")
    videos = sample_videos(checkpoint, prompts, dense, precision="float64", workers=1)
    pipe = Pipeline(checkpoint, Pipeline.from_pretrained(tiny_checkpoint).config, dense, "reference")
    for number, (video, prompt) in enumerate(zip(videos, prompts, strict=True)):
        output = pipe(prompt, seed=number)
        assert video.number == number
        np.testing.assert_allclose(video.frames, output.frames, atol=1e-9)
        assert video.ledger.by_site()["spatial.mlp"] == output.ledger.by_site()["spatial.mlp"]


def test_variants_of_the_arithmetic_are_sampled(tiny_checkpoint):
    checkpoint, dense = load_checkpoint(tiny_checkpoint), load_recipe("dense")
    seen = []
    prompts = ["a red circle moving right"]
    exact = sample_videos(checkpoint, prompts, dense, workers=1, report=lambda *call: seen.append(call))
    narrow = sample_videos(checkpoint, prompts, dense, hooks=all_int8(), workers=1)
    assert 10 < distances(narrow, exact)[0] < 100
    assert reduction(exact) == 1
    assert seen == [(1, 1)]


def test_perfect_videos_score_in_full():
    scenes = held_out_scenes(4)
    videos = [
        type("Drawn", (), {"frames": draw(scene, frames=6, size=32, rng=np.random.default_rng(0))})()
        for scene in scenes
    ]
    assert score(videos, scenes).colour == 100
