from dataclasses import replace

import pytest

from flightvgm_arch.presets import PRESETS
from flightvgm_sim.machine import OUTSIDE
from harness.case import Case

# Buffers of a page or two: heads go in passes, queries, columns and rows in pieces, on three cores.
MINI = replace(
    PRESETS["TINY"], name="MINI", cores=3, a_bytes=4096, b_bytes=8192, result_bytes=4096, parameter_bytes=4096
)


@pytest.fixture(scope="session")
def make_case():
    return Case


@pytest.fixture(scope="session")
def mini():
    return MINI


@pytest.fixture(scope="session")
def entries_at_sites():
    """The ledger's entries of sites, by place."""
    return lambda machine: {place: entry for place, entry in machine.ledger.entries.items() if place.site != OUTSIDE}
