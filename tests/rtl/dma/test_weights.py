import pytest

from flightvgm_rtl.dma.weights import WeightsUnit
from harness.run import run_bench


@pytest.mark.parametrize(("columns", "b_bytes"), [(2, 4096), (4, 65536), (24, 3 << 20)])
def test_weights(columns, b_bytes):
    run_bench(WeightsUnit(columns=columns, b_bytes=b_bytes), "rtl.dma.bench_weights", columns=columns, b_bytes=b_bytes)
