import pytest

from flightvgm_rtl.vector.epilogue_rows import EpilogueRows
from harness.run import run_bench

SHAPES = [
    {"rows": 4, "columns": 8, "segments": 1, "gelu_rows": 2},
    {"rows": 3, "columns": 6, "segments": 3, "gelu_rows": 2},
]


@pytest.mark.parametrize("shape", SHAPES)
def test_epilogue(shape):
    component = EpilogueRows(**shape)
    run_bench(component, "rtl.vector.bench_epilogue", beyond_latency=component.beyond_latency, **shape)
