import json
from dataclasses import replace

import numpy as np
import pytest

from flightvgm.compiler import CompileError, Program, ProgramError, compile_model
from flightvgm.compiler.assembler import Assembler
from flightvgm.compiler.network import Network
from flightvgm.models.safetensors import load_safetensors, save_safetensors
from flightvgm.recipes import RecipeError, load_recipe
from flightvgm.recipes.recipe import parse_recipe
from flightvgm_arch.isa import BY_NAME, LOOP_WORDS, EncodingError, encode, instructions
from flightvgm_arch.presets import PRESETS
from flightvgm_arch.sites import SITES

RECIPE = load_recipe("paper")
GROUPS = {"grid": "t / h / w", "group": 2, "chunk": [4, 2], "theta_group": 0.9, "theta_chunk": 0.9}
GROUPED = parse_recipe("grouped", {"sites": {"spatial.mlp": GROUPS}})


@pytest.fixture(scope="module")
def case(make_case):
    return make_case(width=32, heads=2, grid=(2, 3, 3))


@pytest.fixture(scope="module")
def program(case):
    return case.compile(PRESETS["SMALL"], RECIPE)


def test_compilation_is_deterministic(case, program):
    again = case.compile(PRESETS["SMALL"], RECIPE)
    assert again.digest == program.digest
    assert case.compile(PRESETS["TINY"], RECIPE).digest != program.digest


def test_regions_lie_apart_on_pages_and_the_image_comes_first(program):
    end = 0
    for region in program.regions.values():
        assert region.address % 4096 == 0
        assert region.address >= end
        end = region.end
    assert end <= program.size
    assert program.regions["x.0"].address >= len(program.image)


def test_code_decodes_to_itself_and_stays_inside_the_program(program):
    for entry in ("prompt", "forward"):
        code = program.code(entry)
        decoded = list(instructions(code))
        assert b"".join(encode(item) for item in decoded) == code
        assert decoded[-1].name == "END"
        for item in decoded:
            for operand in item.operands.values():
                if isinstance(operand, tuple) and len(operand) == 2 and operand[0] == 20:
                    assert operand[1] < program.size
            if "target" in {field.name for field in BY_NAME[item.name].fields} and item.name in {"LOOP", "TILE"}:
                assert item["target"] < len(decoded)


@pytest.mark.parametrize("name", PRESETS)
def test_loops_cost_no_fetch(make_case, name):
    """Twelve segments and two heads of 72; LOOP jumps back to where its loop begins."""
    program = make_case(width=144, heads=2, grid=(12, 8, 8)).compile(PRESETS[name], RECIPE)
    for entry in ("prompt", "forward"):
        decoded = list(enumerate(instructions(program.code(entry))))
        loops = [number + 1 - item["target"] for number, item in decoded if item.name == "LOOP"]
        assert 0 < max(loops) <= LOOP_WORDS


def test_texts_name_what_is_there(program):
    assert "forward:" in program.disassembly()
    assert "ROWS" in program.disassembly()
    assert "weights.spatial_blocks.0.mlp.fc1" in program.memory_map()
    assert len(program.memory_map().splitlines()) == len(program.regions) + 1


def test_a_saved_program_is_the_same(program, tmp_path):
    path = tmp_path / "small.safetensors"
    program.save(path)
    loaded = Program.load(path)
    assert loaded.digest == program.digest
    assert loaded.network == program.network
    assert loaded.regions == program.regions
    assert loaded.arguments(1, (2, 3), 4096) == program.arguments(1, (2, 3), 4096)
    assert list(tmp_path.iterdir()) == [path]


def test_an_altered_program_is_refused(program, tmp_path):
    path = tmp_path / "small.safetensors"
    program.save(path)
    tensors, metadata = load_safetensors(path)
    tensors["image"][5000] ^= 1
    save_safetensors(path, tensors, metadata)
    with pytest.raises(ProgramError, match="digest"):
        Program.load(path)
    tensors["image"][5000] ^= 1
    described = json.loads(metadata["program"])
    save_safetensors(path, tensors, metadata | {"program": json.dumps(described | {"steps": 9})})
    with pytest.raises(ProgramError, match="digest"):
        Program.load(path)
    save_safetensors(path, tensors, metadata | {"program": json.dumps(described | {"format": 99})})
    with pytest.raises(ProgramError, match="format 99"):
        Program.load(path)
    described.pop("network")
    save_safetensors(path, tensors, metadata | {"program": json.dumps(described)})
    with pytest.raises(ProgramError, match="incomplete"):
        Program.load(path)


def test_other_files_are_refused(tmp_path):
    save_safetensors(tmp_path / "weights.safetensors", {"w": np.zeros(3, np.float32)}, {})
    with pytest.raises(ProgramError, match="is not a program"):
        Program.load(tmp_path / "weights.safetensors")
    with pytest.raises(ProgramError, match="cannot be read"):
        Program.load(tmp_path / "absent.safetensors")


def test_another_machine_is_refused(program):
    program.check_config(PRESETS["SMALL"])
    with pytest.raises(ProgramError, match=r"'SMALL'.*'V80'"):
        program.check_config(PRESETS["V80"])


@pytest.mark.parametrize(("call", "words"), [
    (lambda p: p.arguments(2, (1, 1)), "steps 0 to 1"),
    (lambda p: p.arguments(0, (1, 9)), "from 0 to 4"),
    (lambda p: p.entry("main"), "prompt, forward"),
    (lambda p: p.address("nowhere"), "no region 'nowhere'"),
    (lambda p: p.modulation(np.zeros((1, 6, 32))), r"\(2, 6, 32\)"),
    (lambda p: p.modulation(np.full((2, 6, 32), np.nan)), "NaN or values of 2\\^47"),
    (lambda p: p.rows(np.zeros((3, 31))), "32 channels"),
    (lambda p: p.rows(np.full((3, 32), np.nan)), "NaN or values beyond 65,504"),
    (lambda p: p.rows(np.full((3, 32), -7e4)), "NaN or values beyond 65,504"),
])  # fmt: skip
def test_data_that_do_not_fit_are_refused(program, call, words):
    with pytest.raises(ProgramError, match=words):
        call(program)


def test_rows_and_values_are_inverse(make_case):
    program = make_case(width=20, heads=1, grid=(1, 1, 2)).compile(PRESETS["TINY"], RECIPE)
    values = np.random.default_rng(0).standard_normal((3, 20)).astype(np.float16)
    assert np.array_equal(program.values(program.rows(values)), values)


@pytest.mark.parametrize(("change", "words"), [
    ({"frames": 0}, "frames is 0"),
    ({"text_tokens": 5000}, "text_tokens is 5000"),
    ({"height_tokens": 300, "width_tokens": 300}, "90000 tokens of a frame"),
    ({"steps": 0}, "steps is 0"),
    ({"config": replace(PRESETS["TINY"], memory_bytes=1 << 20), "frames": 100}, "bytes of memory"),
    ({"config": replace(PRESETS["SMALL"], parameter_bytes=4096), "frames": 128}, "parameter buffer"),
    ({"config": PRESETS["TINY"], "frames": 129}, "129 keys"),
    ({"config": replace(PRESETS["TINY"], row_channels=64)}, "rows of 128 channels exceed the 64 of the row unit"),
    (
        {"config": PRESETS["TINY"], "recipe": GROUPED, "height_tokens": 4, "width_tokens": 65},
        "site 'spatial.mlp' of recipe 'grouped' .* takes 8320 bytes .* has 8192; give the site fewer chunk rows",
    ),
    ({"config": replace(PRESETS["V80"], parameter_bytes=1 << 20), "frames": 2048}, "131071 at once.*2047 frames"),
])  # fmt: skip
def test_impossible_sizes_are_refused(case, change, words):
    sizes = {"frames": 2, "height_tokens": 3, "width_tokens": 3, "text_tokens": 4, "steps": 1}
    with pytest.raises(CompileError, match=words):
        compile_model(case.weights, case.shape, **({"config": PRESETS["SMALL"], "recipe": RECIPE} | sizes | change))


@pytest.mark.parametrize(("change", "words"), [
    ({"t": 4096, "h": 64, "w": 64}, "the video has 16777216 tokens"),
    ({"width": 1024, "heads": 2}, "heads of more than 510 channels"),
    ({"depth": 65}, "depth is 65; it must be 1 to 64"),
])  # fmt: skip
def test_sizes_beyond_the_instructions_are_refused(change, words):
    sizes = {"width": 64, "hidden": 128, "heads": 2, "depth": 1, "t": 1, "h": 1, "w": 1, "text": 1}
    with pytest.raises(CompileError, match=words):
        Network(**(sizes | change))


def test_segments_beyond_the_instructions_are_refused(make_case):
    """The bands of 4,095 frames in chunks of 15 do not cut evenly: the gaps between segments make too many rows."""
    site = {"grid": "- / t / hw", "chunk": [15, 1], "theta_chunk": 0.9}
    recipe = parse_recipe("gaps", {"sites": dict.fromkeys(SITES, site)})
    large = replace(PRESETS["V80"], parameter_bytes=1 << 17)
    with pytest.raises(CompileError, match="take 16953300 rows, but instructions count 16777215"):
        make_case(width=16, heads=8, grid=(1, 1, 1)).compile(large, recipe, grid=(4095, 4095, 1))


def test_a_field_that_overflows_has_a_remedy(case, monkeypatch):
    def overflow(assembler):
        raise EncodingError("MM.k: 70000 must be 0 to 65535")

    monkeypatch.setattr(Assembler, "encode", overflow)
    with pytest.raises(CompileError, match="MM.k: 70000 .*; compile a smaller video or model"):
        case.compile(PRESETS["TINY"], RECIPE)


def test_a_recipe_for_blocks_that_are_not_there_is_refused(case):
    where = [{"layers": [0, 2], "theta_chunk": 0.5}]
    recipe = parse_recipe("late", {"sites": {"mlp": {"chunk": [2, 2], "theta_chunk": 0.9, "where": where}}})
    with pytest.raises(RecipeError, match="layers 0 to 2, but there are 2"):
        case.compile(PRESETS["TINY"], recipe)


def test_weights_are_checked_at_the_door(case):
    name = "temporal_blocks.0.mlp.fc1.weight"
    broken = {
        "missing": {key: value for key, value in case.weights.items() if key != name},
        "configuration": case.weights | {name: np.zeros((3, 3), np.float32)},
        "NaN": case.weights | {name: np.full_like(case.weights[name], np.nan)},
    }
    sizes = {"frames": 1, "height_tokens": 1, "width_tokens": 1, "text_tokens": 1, "steps": 1}
    for words, weights in broken.items():
        with pytest.raises(CompileError, match=f"'{name}'.*{words}"):
            compile_model(weights, case.shape, config=PRESETS["TINY"], recipe=RECIPE, **sizes)
    with pytest.raises(CompileError, match="qk_norm"):
        compile_model(case.weights, replace(case.shape, qk_norm=False), config=PRESETS["TINY"], recipe=RECIPE, **sizes)
