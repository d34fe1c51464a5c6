import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from flightvgm.pipeline import Pipeline, PipelineError
from flightvgm.runtime.device import DeviceError
from flightvgm.runtime.places import element
from flightvgm.runtime.simulated import Simulation, SimulationError
from flightvgm_arch.isa import WORD_BYTES, decode
from flightvgm_arch.presets import SMALL
from flightvgm_arch.sites import SITES
from harness.model_chip import Flip

PROMPT = "a red circle moving right"


@pytest.fixture
def generate(tiny_checkpoint, fake_chip):
    def run(*, prompt=PROMPT, seed=0, callback=None, **how):
        pipeline = Pipeline.from_pretrained(tiny_checkpoint, backend="cosim", simulation=Simulation(**how))
        return pipeline(prompt, seed=seed, callback=callback)

    return run


def test_a_video_reports_what_the_chip_took(generate, tiny_checkpoint):
    output = generate()
    golden = Pipeline.from_pretrained(tiny_checkpoint)(PROMPT)
    np.testing.assert_array_equal(output.frames, golden.frames)
    assert output.ledger == golden.ledger
    assert (output.chip.cycles, set(output.chip.busy.values())) == (30, {15})  # The prompt and two steps.
    total = output.ledger.total
    assert output.chip.utilisation == pytest.approx((total.done / 4 + total.attention / 2) / (128 * 30))
    assert golden.chip is None


def test_the_building_of_the_model_is_shown(generate):
    seen = []
    generate(callback=lambda *state: seen.append(state))
    assert seen[:2] == [(0.0, 1.0, "building the chip's model"), (1.0, 1.0, "building the chip's model")]
    assert {label for _, _, label in seen[2:]} == {"cosim"}


def test_finished_steps_are_not_run_again(generate, fake_chip, tmp_path):
    folder = tmp_path / "new" / "steps"
    first, second = generate(resume=folder), generate(resume=folder)
    assert fake_chip.made == 1
    np.testing.assert_array_equal(first.frames, second.frames)
    assert (first.ledger, first.steps_ledger, first.saturations) == (
        second.ledger, second.steps_ledger, second.saturations,
    )  # fmt: skip
    assert first.chip == second.chip
    assert [path.name[:-20] for path in sorted(folder.iterdir())] == ["prompt-", "step-000-", "step-001-"]


def test_an_interrupted_video_goes_on_behind_its_last_step(generate, fake_chip, tmp_path, monkeypatch):
    whole = generate()

    def interrupt(done, _total, label):
        if label == "cosim" and done >= 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        generate(resume=tmp_path, callback=interrupt)
    assert [path.name[:6] for path in sorted(tmp_path.iterdir())] == ["prompt", "step-0"]
    again = generate(resume=tmp_path)
    assert fake_chip.made == 3
    np.testing.assert_array_equal(again.frames, whole.frames)
    assert (again.ledger, again.steps_ledger) == (whole.ledger, whole.steps_ledger)
    assert again.chip.cycles == whole.chip.cycles


@pytest.mark.parametrize("change", [{"seed": 1}, {"prompt": "a blue square growing"}, {"verify": True}])
def test_other_inputs_are_other_steps(generate, fake_chip, tmp_path, change):
    generate(resume=tmp_path)
    generate(resume=tmp_path, **change)
    assert fake_chip.made == 2


def test_a_broken_step_is_refused(generate, tmp_path):
    generate(resume=tmp_path)
    step = max(tmp_path.iterdir())
    for content in (b"", b"PK\x03\x04 no archive", step.read_bytes()[:-30]):
        step.write_bytes(content)
        with pytest.raises(SimulationError, match=f"{step.name}' is no finished step; delete it"):
            generate(resume=tmp_path)


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ({"waveform": Path("a.fst")}, "add verify"),
        ({"waveform": Path("a.vcd"), "verify": True}, "must end in .fst"),
        ({"waveform": Path("nowhere/a.fst"), "verify": True}, "folder that exists"),
        ({"resume": Path(__file__)}, "is a file; name a folder"),
    ],
)
def test_what_cannot_be_simulated_is_refused(how, words):
    with pytest.raises(ValueError, match=words):
        Simulation(**how)


def test_a_memory_that_cannot_be_had_is_refused_before_a_model_is_built(tiny_checkpoint, fake_chip, monkeypatch):
    vast = replace(SMALL, name="VAST", memory_bytes=1 << 40)
    empty = np.empty

    def limited(shape, *arguments, **options):
        if isinstance(shape, int) and shape > 1 << 39:
            raise MemoryError
        return empty(shape, *arguments, **options)

    monkeypatch.setattr(np, "empty", limited)
    with pytest.raises(SimulationError, match=r"1,048,576 MiB of memory of 'VAST' cannot be had"):
        Pipeline.from_pretrained(tiny_checkpoint, preset=vast, backend="cosim")(PROMPT)
    assert fake_chip.made == 0


def test_other_backends_simulate_nothing(tiny_checkpoint):
    with pytest.raises(PipelineError, match="backend 'golden' simulates no chip"):
        Pipeline.from_pretrained(tiny_checkpoint, simulation=Simulation(verify=True))


NOBODY = "written by no instruction of this group"


@pytest.mark.parametrize(
    ("group", "where", "region", "offset", "number", "writer"),
    [  # In a phase the array works for branch 0 and the row unit for branch 1, or the other way round.
        (3, "outside the sites", "text_kv.0.1", 66, "row 1, channel 1", "row tile 0, column tile 0 of the STORE"),
        (6, "spatial_blocks.0, site attn.proj, branch 0", "y.0", 5 * 64 + 43, "row 5, channel 21",
         "row tile 2, column tile 5 of the STORE"),
        (14, "spatial_blocks.0, site mlp, branch 1", "records.1", 3, "row 0, channel 3",
         "row tile 0, word 0 of the ROWS"),
        (20, "temporal_blocks.0, site attn.proj, branch 0", "weights.spatial_blocks.0.mlp.fc1", 9, "byte 9", NOBODY),
        (25, "temporal_blocks.0, site cross_attn.q_linear, branch 1", "attended.1", 11, "row 0, channel 5",
         "row tile 0, column tile 1 of the STORE"),
        (30, "temporal_blocks.0, site mlp, branch 1", "x.1", 2, "row 0, channel 1", "row tile 0, word 0 of the ROWS"),
    ],
)  # fmt: skip
def test_a_wrong_number_is_told_by_group_layer_tile_and_element(
    model_chip, tiny_checkpoint, group, where, region, offset, number, writer
):
    pipeline = Pipeline.from_pretrained(
        tiny_checkpoint, preset="TINY", backend="cosim", simulation=Simulation(verify=True)
    )
    program = pipeline.compile(num_inference_steps=1)
    model_chip.flips.append(Flip(group, program.address(region) + offset))
    words = f"{re.escape(where)}: {number} of region '{region}' is .* and should be [^;]*; {writer}.* of group {group} "
    with pytest.raises(DeviceError, match=f"^{words}"):
        pipeline(PROMPT, num_inference_steps=1)


def test_compiled_programs_have_a_group_for_each_phase(tiny_checkpoint):
    program = Pipeline.from_pretrained(tiny_checkpoint).compile()
    code = program.regions["code.forward"]
    words = program.image[code.address : code.end].reshape(-1, WORD_BYTES)
    names = [decode(word.tobytes()).name for word in words if word.any()]
    phases = 2 * len(SITES) * program.network.layers + 2  # Of both branches, one behind the other; and the last rows.
    attentions = 2 * 2 * program.network.layers
    assert names.count("BARRIER") == phases + attentions


@pytest.mark.parametrize(
    ("region", "offset", "words"),
    [
        ("x.0", 64 + 62, "row 1, channel 31 of region 'x.0'"),
        ("qkv.0", 3 * 64 + 64, "row 1, channel 32 of region 'qkv.0'"),
        ("records.0", 64 + 31, "row 1, channel 31 of region 'records.0'"),
        ("records.1", 56, "row 0, its scale of region 'records.1'"),
        ("text_records.1", 63, "row 0, its correction of region 'text_records.1'"),
        ("map.0.1", 9, "entry 2 of region 'map.0.1'"),
        ("code.forward", 5, "byte 5 of region 'code.forward'"),
    ],
)
def test_places_have_names(tiny_checkpoint, region, offset, words):
    program = Pipeline.from_pretrained(tiny_checkpoint).compile()
    assert element(program, program.address(region) + offset).name == words
    assert element(program, program.size).name == "outside all regions"
