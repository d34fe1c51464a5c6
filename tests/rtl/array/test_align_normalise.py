from flightvgm_rtl.array.align import Align
from flightvgm_rtl.array.drain_lane import DrainLane
from flightvgm_rtl.array.normalise import Normalise
from harness.run import run_bench


def test_align():
    run_bench(Align(), "rtl.array.bench_align", latency=Align.latency)


def test_normalise():
    run_bench(Normalise(), "rtl.array.bench_normalise", latency=Normalise.latency)


def test_drain_lane():
    run_bench(DrainLane(), "rtl.array.bench_drain_lane", latency=DrainLane.latency)
