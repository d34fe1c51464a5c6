import hashlib
import json
import os
import re
import subprocess
import sys
from dataclasses import asdict

import pytest

from flightvgm.cli import main
from flightvgm.gateware import Gateware
from flightvgm_arch.presets import SMALL, TINY

FILES = ["flightvgm.v", "manifest.json"]


@pytest.fixture(scope="module")
def emitted(tmp_path_factory):
    """Folders of TINY, emitted by two processes with different hash seeds, and what they printed."""
    pytest.importorskip("amaranth")
    folders = [tmp_path_factory.mktemp("verilog") / "new" / f"seed-{seed}" for seed in range(2)]
    running = [
        subprocess.Popen(
            [sys.executable, "-m", "flightvgm", "verilog", "--preset", "TINY", "--out", folder, "--json"],
            env=os.environ | {"PYTHONHASHSEED": str(seed), "PYTHONPATH": os.pathsep.join(sys.path)},
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for seed, folder in enumerate(folders)
    ]  # fmt: skip
    printed = [process.communicate() for process in running]
    assert [(process.returncode, err) for process, (_, err) in zip(running, printed, strict=True)] == [(0, "")] * 2
    return folders, [out for out, _ in printed]


def test_the_text_does_not_depend_on_the_hash_seed(emitted):
    first, second = emitted[0]
    for name in FILES:
        assert (first / name).read_bytes() == (second / name).read_bytes()


def test_the_manifest_tells_what_was_emitted(emitted):
    (folder, _), (printed, _) = emitted
    assert sorted(path.name for path in folder.iterdir()) == FILES
    manifest = json.loads((folder / "manifest.json").read_text())
    assert json.loads(printed) == manifest
    text = (folder / "flightvgm.v").read_bytes()
    assert manifest["verilog_sha256"] == hashlib.sha256(text).hexdigest()
    assert (manifest["preset"], manifest["config_digest"], manifest["vendor"]) == ("TINY", TINY.digest, False)
    assert manifest["config"] == asdict(TINY)


def test_the_text_has_the_ports_and_units_of_the_manifest(emitted):
    folder = emitted[0][0]
    manifest, text = json.loads((folder / "manifest.json").read_text()), (folder / "flightvgm.v").read_text()
    top = re.search(r"^module flightvgm\(.*?^endmodule", text, re.MULTILINE | re.DOTALL)[0]
    found = re.findall(r"^  (in|out)put (?:\[(\d+):0\] )?(\S+);", top, re.MULTILINE)
    ports = [{"name": name, "direction": way, "bits": int(most or 0) + 1} for way, most, name in found]
    assert sorted(ports, key=lambda port: port["name"]) == manifest["ports"]
    assert {"ap_clk", "ap_rst_n", "interrupt", "m_axi_gmem0_araddr", "s_axi_control_wdata"} <= {
        port["name"] for port in ports
    }
    assert manifest["units"]
    for unit in manifest["units"]:
        assert len(re.findall(rf"^module {unit}\(", text, re.MULTILINE)) == 1
    assert "(* src" not in text


@pytest.fixture
def stub(monkeypatch):
    """An emission that costs nothing, and remembers what it was asked for."""
    asked = []

    def emit(config, *, vendor=False):
        asked.append((config, vendor))
        manifest = {"preset": config.name, "config_digest": config.digest, "ports": [1, 2], "units": ["a", "b"]}
        return Gateware("module flightvgm; endmodule\n", manifest)

    monkeypatch.setattr("flightvgm.gateware.emit", emit)
    return asked


def test_people_are_told_where_it_lies(stub, tmp_path, capsys):
    assert main(["verilog", "--out", str(tmp_path / "a" / "b"), "--vendor"]) == 0
    assert stub == [(SMALL, True)]
    out = capsys.readouterr().out
    for words in (str(tmp_path / "a" / "b" / "flightvgm.v"), "preset SMALL", SMALL.digest, "ports   2", "a, b"):
        assert words in out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--preset", "HUGE"), "no preset 'HUGE'"),
        (("--preset", "none.toml"), "none.toml"),
        ((), "is a file; name a folder"),
    ],
)
def test_bad_input_is_one_sentence_and_leaves_nothing(stub, tmp_path, capsys, arguments, words):
    out = tmp_path / "out"
    if not arguments:
        out.write_text("mine")
    assert main(["verilog", "--out", str(out), *arguments]) == 2
    err = capsys.readouterr().err
    assert words in err
    assert len(err.splitlines()) == 1
    assert stub == []
    assert out.read_text() == "mine" if not arguments else not out.exists()


def test_a_machine_that_cannot_be_emitted_is_refused(tmp_path, capsys):
    pytest.importorskip("amaranth")
    machine = tmp_path / "three.toml"
    fields = {**asdict(TINY), "name": "THREE", "ports": 3}
    machine.write_text("".join(f"{name} = {json.dumps(value)}\n" for name, value in fields.items()))
    assert main(["verilog", "--preset", str(machine), "--out", str(tmp_path / "out")]) == 2
    assert "ports is 3" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_without_amaranth_one_sentence_names_the_remedy(tmp_path, capsys, monkeypatch):
    for name in [*sys.modules]:
        if name.split(".")[0] == "amaranth" or name == "flightvgm_rtl.emit":
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "amaranth", None)
    assert main(["verilog", "--out", str(tmp_path / "out")]) == 2
    assert "pip install flightvgm[rtl]" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_an_interrupted_writing_keeps_the_old_files(stub, tmp_path, capsys, monkeypatch):
    for name in FILES:
        (tmp_path / name).write_text("old")

    def write_text(path, *arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr("pathlib.Path.write_text", write_text)
    assert main(["verilog", "--out", str(tmp_path)]) == 130
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == dict.fromkeys(FILES, "old")
