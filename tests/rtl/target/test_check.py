import shutil
import subprocess

import pytest

from flightvgm_rtl.target.check import checks, verilog


def simulate(folder, text):
    if shutil.which("iverilog") is None:
        pytest.skip("Icarus Verilog is not installed")
    (folder / "check.v").write_text(text, encoding="utf-8")
    subprocess.run(["iverilog", "-g2012", "-s", "check", "-o", "check", "check.v"], cwd=folder, check=True)
    done = subprocess.run(["vvp", "check", "+cycles=400"], cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.splitlines()[-1]


def chosen(*names):
    return [check for check in checks() if check.name in names]


def test_twins_agree_with_themselves(tmp_path):
    names = ("two_registers", "column_last", "fp16")
    assert simulate(tmp_path, verilog(chosen(*names), vendor=False)) == "PASS 1203"


def test_a_difference_is_told(tmp_path):
    parts = verilog(chosen("column_last"), vendor=False).split("module vendor_column_last", 1)
    changed = parts[1].replace(" * ", " + ")
    assert changed != parts[1]
    assert simulate(tmp_path, "module vendor_column_last".join((parts[0], changed))).startswith("FAIL")


def test_the_vendor_side_is_the_primitive():
    text = verilog(chosen("pre_adder", "fp32"))
    assert text.count("  DSP58 #(") == 1
    assert text.count("  DSPFP32 #(") == 1
