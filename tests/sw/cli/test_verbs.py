import json
from pathlib import Path

import pytest

from flightvgm.cli import main

FIXTURE = str(Path(__file__).parents[2] / "fixtures" / "stdit3_small.safetensors")


@pytest.fixture(scope="module")
def program(tiny_checkpoint, tmp_path_factory):
    path = tmp_path_factory.mktemp("program") / "tiny.program"
    assert main(["compile", "--checkpoint", str(tiny_checkpoint), "--out", str(path), "--json"]) == 0
    return str(path)


def test_compile_reports(tiny_checkpoint, tmp_path, capsys):
    path = tmp_path / "a.program"
    arguments = ["compile", "--checkpoint", str(tiny_checkpoint), "--out", str(path)]
    assert main([*arguments, "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["instructions"]["forward"] > report["instructions"]["prompt"] > 0
    assert main(arguments) == 0
    assert report["digest"] in capsys.readouterr().out


def test_run_is_the_same_each_time(program, capsys):
    reports = []
    for _ in range(2):
        assert main(["run", program, "--json", "--steps", "2"]) == 0
        reports.append(json.loads(capsys.readouterr().out))
    assert reports[0]["result"] == reports[1]["result"]
    assert reports[0]["counters"]["int8_macs"] > 0
    assert main(["run", program]) == 0
    assert "spatial.mlp" in capsys.readouterr().out


def test_run_refuses_what_does_not_fit(program, capsys):
    for arguments, words in ((["--preset", "TINY"], "compiled for machine 'SMALL'"), (["--steps", "9"], "2 steps")):
        assert main(["run", program, *arguments]) == 2
        assert words in capsys.readouterr().err


def test_an_altered_program_is_refused(program, tmp_path, capsys):
    altered = tmp_path / "altered.program"
    data = bytearray(Path(program).read_bytes())
    data[-100] ^= 1
    altered.write_bytes(data)
    assert main(["run", str(altered)]) == 2
    assert "digest" in capsys.readouterr().err


@pytest.mark.parametrize(("what", "words"), [("isa", "LOADA"), ("registers", "ERROR"), ("presets", "SMALL4")])
def test_inspect_shows_the_contract(what, words, capsys):
    assert main(["inspect", what]) == 0
    assert words in capsys.readouterr().out


@pytest.mark.parametrize(("what", "words"), [("disassembly", "LOADW"), ("memory", "modulation")])
def test_inspect_shows_a_program(program, what, words, capsys):
    assert main(["inspect", what, program]) == 0
    assert words in capsys.readouterr().out
    assert main(["inspect", what]) == 2
    assert "name a file" in capsys.readouterr().err


def test_check_accepts_the_original(capsys):
    assert main(["check", FIXTURE, "--backend", "reference", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["passed"]
    assert max(report["reference"]["errors"].values()) <= 1e-5


def test_check_says_what_is_beyond_the_bound(capsys):
    assert main(["check", FIXTURE, "--backend", "reference", "--reference-bound", "1e-9"]) == 1
    assert "BEYOND" in capsys.readouterr().out


def test_check_refuses_what_is_no_recording(tiny_checkpoint, capsys):
    assert main(["check", str(tiny_checkpoint)]) == 2
    assert "names begin with" in capsys.readouterr().err


@pytest.mark.parametrize("bound", ["nan", "inf", "0", "-1", "small"])
def test_check_refuses_an_impossible_bound(capsys, bound):
    assert main(["check", "recording.safetensors", "--golden-bound", bound]) == 2
    assert "above 0" in capsys.readouterr().err


def test_compile_looks_at_its_folder_first(tiny_checkpoint, tmp_path, capsys):
    target = tmp_path / "nowhere" / "a.fvgm"
    assert main(["compile", "--checkpoint", str(tiny_checkpoint), "--out", str(target)]) == 2
    assert "folder that exists" in capsys.readouterr().err


def test_pages_of_the_contract_take_no_program(program, capsys):
    assert main(["inspect", "isa", str(program)]) == 2
    assert "leave" in capsys.readouterr().err
