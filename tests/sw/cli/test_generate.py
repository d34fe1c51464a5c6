import json
from pathlib import Path

import pytest

from flightvgm.cli import main

PROMPT = "a red circle moving right"


@pytest.fixture
def generate(tiny_checkpoint, tmp_path, capsys):
    def run(*arguments, prompt=PROMPT, out="video.png"):
        status = main(
            ["generate", prompt, "--checkpoint", str(tiny_checkpoint), "--out", str(tmp_path / out), *arguments]
        )
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return run


@pytest.mark.parametrize("backend", ["golden", "reference"])
def test_a_video_is_written_and_described(generate, tmp_path, backend):
    status, out, err = generate(
        "--backend", backend, "--contact-sheet", str(tmp_path / "sheet.png"), "--json", "--seed", "5"
    )
    assert (status, err) == (0, "")
    report = json.loads(out)
    assert report | {"backend": backend, "preset": "SMALL", "recipe": "dense", "seed": 5} == report
    assert {"seconds", "psnr_db", "ssim"} <= set(report)
    assert report["output"] == str(tmp_path / "video.png")
    assert report["macs"]["offered"] == report["macs"]["done"] + report["macs"]["skipped"]
    assert report["ledger"]["spatial.mlp"]["rows_offered"] > 0
    assert {path.name for path in tmp_path.iterdir()} == {"video.png", "sheet.png"}


def test_the_table_names_every_site(generate):
    status, out, _ = generate()
    assert status == 0
    for line in ("spatial.attn.qkv", "temporal.mlp", "all linear layers", "PSNR", "SSIM", "saturations", "time"):
        assert line in out


def test_identical_videos_have_no_psnr_in_json(generate):
    _, out, _ = generate("--backend", "reference", "--json")
    assert json.loads(out)["psnr_db"] is None
    assert json.loads(out)["ssim"] == 1


def test_without_comparison_there_is_no_distance(generate):
    _, out, _ = generate("--no-compare", "--json")
    assert json.loads(out)["ssim"] is None


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"prompt": "a red dog"}, "unknown word 'dog'"),
        ({"out": "video.avi"}, "must end in"),
        ({"out": "nowhere/video.png"}, "folder that exists"),
        (("--recipe", "none"), "no recipe 'none'"),
        (("--preset", "HUGE"), "no preset 'HUGE'"),
        (("--checkpoint", "none"), "no checkpoint 'none'"),
        (("--contact-sheet", "sheet.gif"), "must end in .png"),
        (("--guidance", "nan"), "guidance nan"),
        (("--frames", "0"), "at least 1"),
        (("--frames", "4000"), "parameter buffer"),
    ],
)
def test_bad_input_is_one_sentence_and_leaves_nothing(generate, tmp_path, arguments, words):
    status, out, err = generate(**arguments) if isinstance(arguments, dict) else generate(*arguments)
    assert (status, out) == (2, "")
    assert words in err
    assert len(err.splitlines()) == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--guidance", "1e6"), "guidance 1000000.0 must lie between"),
        (("--frames", "999999999"), "frames 999999999 must be a whole number from 1 to 8191"),
        (("--frames", "9" * 5000), "at most 9 digits"),
        (("--steps", "999999999"), "steps 999999999 must be a whole number from 1 to 1000"),
        (("--seed", "9" * 40), "at most 15 digits"),
        (("--scale", "100000"), "choose 1 to 64"),
        (("--fps", "100000"), "choose 1 to 100"),
    ],
)
def test_huge_numbers_are_refused_before_any_work(generate, tmp_path, arguments, words):
    status, out, err = generate(*arguments)
    assert (status, out, len(err.splitlines())) == (2, "", 1)
    assert words in err
    assert not list(tmp_path.iterdir())


def test_a_prompt_cannot_steer_the_terminal(generate):
    status, _, err = generate(prompt="a \x1b[31mred\x07 circle")
    assert status == 2
    assert "\x1b" not in err
    assert "\\x1b[31mred\\x07" in err


def test_video_and_contact_sheet_are_two_files(generate, tmp_path):
    status, _, err = generate("--contact-sheet", str(tmp_path / "video.png"))
    assert status == 2
    assert "name two files" in err


@pytest.mark.parametrize("json_wanted", [True, False])
def test_output_to_a_file_has_no_control_characters(generate, json_wanted):
    _, out, err = generate(*["--json"] * json_wanted)
    assert err == ""
    assert all(char.isprintable() or char == "\n" for char in out)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--verify",), "backend 'golden' simulates no chip"),
        (("--backend", "reference", "--resume", "."), "backend 'reference' simulates no chip"),
        (("--backend", "cosim", "--waveform", "a.fst"), "add verify"),
        (("--backend", "cosim", "--verify", "--waveform", "a.vcd"), "must end in .fst"),
        (("--backend", "cosim", "--verify", "--waveform", "nowhere/a.fst"), "folder that exists"),
        (("--backend", "cosim", "--resume", __file__), "is a file; name a folder"),
        (("--backend", "cosim", "--checkpoint", "studio", "--preset", "TINY"), "holds scores of 128"),
    ],
)
def test_a_bad_simulation_is_one_sentence(generate, tmp_path, arguments, words):
    status, out, err = generate(*arguments)
    assert (status, out, len(err.splitlines())) == (2, "", 1)
    assert words in err
    assert not list(tmp_path.iterdir())


def test_a_simulated_chip_is_described(generate, fake_chip, tmp_path):
    arguments = ("--backend", "cosim", "--verify", "--resume", str(tmp_path / "steps"), "--no-compare")
    status, out, err = generate(*arguments)
    assert (status, err) == (0, "")
    assert fake_chip.options["waveform"] == Path("difference.fst")
    for line in (
        "cosim backend, preset SMALL",
        "cycles       30  simulated in",
        "matrix 50.0%",
        "against the golden machine",
    ):
        assert line in out
    status, out, err = generate(*arguments, "--json")
    assert (status, err) == (0, "")
    report = json.loads(out)["chip"]
    assert (report["cycles"], report["verified"], report["busy"]["rows"]) == (30, True, 15)
    assert fake_chip.made == 1


def test_ctrl_c_leaves_the_old_video(generate, tmp_path, monkeypatch):
    (tmp_path / "video.png").write_bytes(b"old")

    def interrupt(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr("flightvgm.runtime.golden.GoldenDevice.wait", interrupt)
    status, out, err = generate()
    assert (status, out) == (130, "")
    assert "interrupted" in err
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("video.png", b"old")]
