from flightvgm_rtl.dma.walker import RowWalker
from harness.run import run_bench


def test_walker():
    run_bench(RowWalker(lookups=256), "rtl.dma.bench_walker")
