import pytest

from flightvgm_rtl.pe.column import Column
from harness.run import run_bench


@pytest.mark.parametrize("depth", [1, 2, 4, 8])
def test_column(depth):
    component = Column(depth=depth)
    latency = {"fp16": component.fp16_latency, "int8": component.int8_latency}
    run_bench(component, "rtl.pe.bench_column", depth=depth, latency=latency)


def test_depth_is_checked():
    with pytest.raises(ValueError, match="cascade of 3 slices"):
        Column(depth=3)
