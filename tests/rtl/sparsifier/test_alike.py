from flightvgm_rtl.sparsifier.alike import Alike
from harness.run import run_bench


def test_alike():
    run_bench(Alike(), "rtl.sparsifier.bench_alike", name="comparison", interval=Alike.interval, latency=Alike.latency)
