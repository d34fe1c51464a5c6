"""Run a cocotb bench on emitted Verilog, in Icarus Verilog or Verilator."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from amaranth.lib import wiring
from amaranth.lib.wiring import In

from flightvgm_rtl.emit import component_verilog

TESTS = Path(__file__).parents[1]
SOURCES = [TESTS.parent / root for root in ("arch", "sim")]
SEED = int(os.environ.get("FLIGHTVGM_SEED", "1"))


def run_bench(
    component: wiring.Component, bench: str, *, name: str | None = None, seed: int | None = None, **parameters: Any
) -> None:
    """Emit a component and let a bench judge it.

    Parameters
    ----------
    component : Component
        The unit under test.
    bench : str
        Module of cocotb tests under ``tests``, for instance ``rtl.pe.bench_column``. It finds ``parameters`` as a JSON
        object in the environment variable ``BENCH``; cocotb seeds ``random``.
    name : str, optional
        Name of the module.
    seed : int, optional
        Printed by cocotb; the environment variable ``FLIGHTVGM_SEED`` unless given.
    """
    if shutil.which("iverilog") is None:
        pytest.skip("Icarus Verilog is not installed")
    name = name or type(component).__name__.lower()
    inputs = [
        "__".join(map(str, path)) for path, member, _ in component.signature.flatten(component) if member.flow is In
    ]
    text = component_verilog(component, name)
    _run(text, name, bench, SEED if seed is None else seed, {"inputs": inputs, **parameters})


def _woken(text: str) -> str:
    """Let every ``always @*`` run at time 0; Icarus misses the initial value that Yosys writes for this purpose.

    Otherwise the outputs of a block are unknown until one of its inputs changes.
    """
    return re.sub(
        r"^  reg (\\\$auto\$verilog_backend\S+) +=\s*0;", r"\g<0> initial #0 \1 = 1;", text, flags=re.MULTILINE
    )


def _run(text: str, name: str, bench: str, seed: int, parameters: Mapping[str, Any]) -> None:
    from cocotb_tools.runner import get_results, get_runner

    key = hashlib.sha256((text + bench + json.dumps(parameters, sort_keys=True)).encode()).hexdigest()[:16]
    with tempfile.TemporaryDirectory(prefix=f"{name}-{key}-") as folder:
        place = Path(folder)
        source = place / f"{name}.v"
        source.write_text(_woken(text), encoding="utf-8")
        runner = get_runner("icarus")
        runner.build(
            sources=[source], hdl_toplevel=name, build_dir=place, always=True, timescale=("1ns", "1ps"),
            log_file=place / "build.log",
        )  # fmt: skip
        log = place / "test.log"
        paths = os.pathsep.join(str(path) for path in (*SOURCES, TESTS, *map(Path, filter(None, sys.path))))
        try:
            results = runner.test(
                hdl_toplevel=name, test_module=bench, build_dir=place, test_dir=place, seed=seed, log_file=log,
                extra_env={"BENCH": json.dumps(dict(parameters)), "PYTHONPATH": paths, "COCOTB_ANSI_OUTPUT": "0"},
                results_xml=str(place / "results.xml"),
            )  # fmt: skip
            count, failed = get_results(Path(results))
        except SystemExit:  # The runner's way to say that a bench failed.
            count, failed = 1, 1
        assert count, "the bench has no tests"
        assert not failed, f"benches failed, seed {seed}\n{log.read_text()[-6000:]}"
