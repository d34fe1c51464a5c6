import hashlib
import json
from dataclasses import replace

import numpy as np
import pytest

from flightvgm.compiler import Program, ProgramError
from flightvgm.models.safetensors import load_safetensors, save_safetensors
from flightvgm.recipes import load_recipe
from flightvgm_arch.presets import PRESETS


@pytest.fixture(scope="module")
def program(make_case):
    return make_case(width=32, heads=2, grid=(2, 3, 3)).compile(PRESETS["TINY"], load_recipe("paper"))


def forged(path, image, described):
    """A program file whose digest is that of its content, whatever that is."""
    text = json.dumps(described, sort_keys=True)
    digest = hashlib.sha256(text.encode() + image.tobytes()).hexdigest()
    save_safetensors(path, {"image": image}, {"program": text, "digest": digest})


@pytest.mark.parametrize(("place", "value", "words"), [
    ("preset", 3, "preset is of type int, not text"),
    ("config", None, "config is of type NoneType, not text"),
    ("recipe", ["paper"], "recipe is of type list, not text"),
    ("steps", "2", "steps is of type str, not a whole number"),
    ("steps", 2.0, "steps is of type float, not a whole number"),
    ("steps", True, "steps is of type bool, not a whole number"),
    ("steps", 0, "steps is 0, not at least 1"),
    ("steps", 3, "region 'modulation' has .* bytes, not the .* that its network and steps need"),
    ("size", 1e9, "size is of type float"),
    ("size", -1, "the image has .* bytes, more than the -1 "),
    ("size", 4096, "more than the 4096 of the program's memory"),
    ("network", None, "network is of type NoneType, not a JSON object"),
    ("network.width", 32.0, "network.width is of type float, not a whole number"),
    ("network.t", "2", "network.t is of type str"),
    ("network.text", True, "network.text is of type bool"),
    ("network.depth", 10**9, "depth is 1000000000; it must be 1 to 64"),
    ("network.heads", 0, "heads is 0"),
    ("network.depth", 2, "region 'modulation' has"),
    ("network.speed", 1, "network.speed is unknown"),
    ("regions", [], "regions is of type list, not a JSON object"),
    ("regions", {}, "it has no region 'x.0'"),
    ("regions|x.0", "ab", "regions.x.0 is of type str, not a list"),
    ("regions|x.0", [0], "regions.x.0 is no pair of whole numbers"),
    ("regions|x.0", [0, 1, 2], "regions.x.0 is no pair of whole numbers"),
    ("regions|x.0", [0, 4096.0], "regions.x.0 is no pair of whole numbers"),
    ("regions|x.0", [0, 1], "region 'x.0' of 1 bytes at address 0 overlaps"),
    ("regions|x.0", [1 << 40, 1152], "region 'x.0' .* exceeds the"),
    ("regions|x.0", [-4096, 1152], "region 'x.0' .* is empty or not on a multiple of 32"),
    ("regions|code.forward", [33, 64], "region 'code.forward' .* is empty or not on a multiple of 32"),
    ("regions|code.forward", [0, 0], "region 'code.forward' .* is empty"),
])  # fmt: skip
def test_forged_metadata_are_refused(program, tmp_path, place, value, words):
    path = tmp_path / "forged.safetensors"
    program.save(path)
    tensors, metadata = load_safetensors(path)
    described = json.loads(metadata["program"])
    *outer, name = place.split("|") if "|" in place else place.split(".")
    (described[outer[0]] if outer else described)[name] = value
    forged(path, tensors["image"], described)
    with pytest.raises(ProgramError, match=f"forged.*{words}.*; compile the program again"):
        Program.load(path)


@pytest.mark.parametrize("place", ["preset", "config", "network", "recipe", "steps", "regions", "size", "network.t"])
def test_metadata_that_lack_a_value_are_refused(program, tmp_path, place):
    path = tmp_path / "forged.safetensors"
    program.save(path)
    tensors, metadata = load_safetensors(path)
    described = json.loads(metadata["program"])
    *outer, name = place.split(".")
    del (described[outer[0]] if outer else described)[name]
    forged(path, tensors["image"], described)
    with pytest.raises(ProgramError, match=f"incomplete, without {place}; compile the program again"):
        Program.load(path)


@pytest.mark.parametrize("name", ["code.prompt", "code.forward", "thresholds", "modulation", "x.1", "text.0"])
def test_a_program_without_a_region_is_refused(program, tmp_path, name):
    regions = {key: region for key, region in program.regions.items() if key != name}
    replace(program, regions=regions).save(tmp_path / "forged.safetensors")
    with pytest.raises(ProgramError, match=f"has no region '{name}'; compile the program again"):
        Program.load(tmp_path / "forged.safetensors")


def test_code_of_half_an_instruction_is_refused(program, tmp_path):
    code = program.regions["code.prompt"]
    regions = {**program.regions, "code.prompt": code._replace(size=code.size - 32)}
    replace(program, regions=regions).save(tmp_path / "forged.safetensors")
    with pytest.raises(ProgramError, match="'code.prompt' has .* no whole number of instructions"):
        Program.load(tmp_path / "forged.safetensors")


@pytest.mark.parametrize(("change", "words"), [
    (lambda image: image[:-1], "region 'code.forward' ends at byte .* behind the"),
    (lambda image: image[:0], "region 'thresholds' ends at byte .* behind the 0 bytes"),
    (lambda image: image.astype(np.float32), "the image is float32 of shape"),
    (lambda image: image.reshape(1, -1), r"the image is uint8 of shape \(1, "),
    (lambda image: np.append(image, np.zeros(1 << 22, np.uint8)), "the image has .* bytes, more than the"),
])  # fmt: skip
def test_an_image_that_cannot_be_loaded_is_refused(program, tmp_path, change, words):
    replace(program, image=change(program.image)).save(tmp_path / "forged.safetensors")
    with pytest.raises(ProgramError, match=f"{words}.*; compile the program again"):
        Program.load(tmp_path / "forged.safetensors")


@pytest.mark.parametrize("text", ["[" * 100_000, "[]", "3", '"format"', "{}", "9" * 5000])
def test_metadata_that_are_no_program_are_refused(tmp_path, text):
    path = tmp_path / "forged.safetensors"
    save_safetensors(path, {"image": np.zeros(3, np.uint8)}, {"program": text, "digest": ""})
    with pytest.raises(ProgramError, match="forged.* is not a program"):
        Program.load(path)
