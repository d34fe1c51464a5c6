import subprocess
import sys

import pytest

from flightvgm.cli import generate, main
from flightvgm.cli.main import VERBS, sentence

HEAVY = ("numpy", "PIL", "torch", "flightvgm.pipeline")


def test_help_is_quick_because_it_imports_little():
    code = (
        f"import sys; from flightvgm.cli import main; main(['--help']); print([n for n in {HEAVY} if n in sys.modules])"
    )
    command = [sys.executable, "-c", f"import sys; sys.path[:0] = {sys.path!r}; {code}"]
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    assert lines[-1] == "[]"
    assert all(any(verb in line for line in lines) for verb in VERBS)


@pytest.mark.parametrize("argv", [[], ["dance"], ["generate"], ["generate", "a", "--seed", "x"], ["inspect", "soul"]])
def test_a_bad_command_line_is_one_sentence(argv, capsys):
    assert main(argv) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_ctrl_c_is_no_traceback(monkeypatch, capsys):
    def interrupt(args):
        raise KeyboardInterrupt

    monkeypatch.setattr(generate, "run", interrupt)
    assert main(["generate", "a"]) == 130
    assert "interrupted" in capsys.readouterr().err


def test_what_nobody_expected_is_a_sentence_too(monkeypatch, capsys):
    def fail(args):
        raise RuntimeError("two\nlines")

    monkeypatch.setattr(generate, "run", fail)
    assert main(["generate", "a"]) == 2
    assert capsys.readouterr().err == (
        "flightvgm: unexpected RuntimeError: two lines; add --debug for the traceback and report it\n"
    )
    with pytest.raises(RuntimeError):
        main(["generate", "a", "--debug"])


def test_a_system_error_names_its_file():
    assert sentence(PermissionError(13, "Permission denied", "a.gif")).startswith("'a.gif': Permission denied")


def test_a_full_disk_is_named():
    assert "No space left" in sentence(OSError(28, "No space left on device"))


@pytest.mark.parametrize(("error", "words"), [(MemoryError(), "fewer frames"), (RecursionError(), "nested too deeply")])
def test_what_is_too_large_is_a_sentence(error, words):
    assert words in sentence(error)
    assert "unexpected" not in sentence(error)
