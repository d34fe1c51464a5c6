from flightvgm_rtl.dma.write import WriteEngine
from harness.run import run_bench


def test_write_engine():
    run_bench(WriteEngine(clients=3, unchecked=(2,)), "rtl.dma.bench_write")
