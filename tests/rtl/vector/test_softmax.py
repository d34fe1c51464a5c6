import pytest

from flightvgm_rtl.vector.softmax import Softmax
from harness.run import run_bench

SHAPES = [
    {"rows": 4, "columns": 8, "segments": 1, "keys": 40, "lanes": 2},
    {"rows": 3, "columns": 6, "segments": 3, "keys": 36, "lanes": 3},
]


@pytest.mark.parametrize("shape", SHAPES)
def test_softmax(shape):
    run_bench(Softmax(**shape), "rtl.vector.bench_softmax", **shape)
