import pytest

from flightvgm_rtl.dma.load import Load
from harness.run import run_bench

GEOMETRIES = {
    "tiny": {"rows": 2, "columns": 4, "a_words": 1024, "b_words": 512, "p_words": 512},
    "small": {"rows": 8, "columns": 8, "a_words": 384, "b_words": 512, "p_words": 1024},
    "wide": {"rows": 16, "columns": 24, "a_words": 256, "b_words": 256, "p_words": 256},
}


@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_load(geometry):
    sizes = GEOMETRIES[geometry]
    run_bench(Load(**sizes), "rtl.dma.bench_load", sizes=sizes, thorough=geometry == "small")
