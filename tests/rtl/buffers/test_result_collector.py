from flightvgm_rtl.buffers.collector import Collector
from flightvgm_rtl.buffers.result import ResultBuffer
from harness.run import run_bench


def test_collector():
    run_bench(Collector(rows=3, words=64, places=32), "rtl.buffers.bench_collector", rows=3, words=64)


def test_result_buffer():
    run_bench(ResultBuffer(words=32), "rtl.buffers.bench_result", words=32)
