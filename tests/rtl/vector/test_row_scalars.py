import pytest

from flightvgm_rtl.vector.fp.mean import MeanDivide
from flightvgm_rtl.vector.fp.rsqrt import Rsqrt
from flightvgm_rtl.vector.spread import Spread
from harness.run import run_bench


def test_rsqrt():
    run_bench(Rsqrt(), "rtl.vector.bench_rsqrt", latency=Rsqrt.latency)


def test_mean_divide():
    run_bench(MeanDivide(), "rtl.vector.bench_mean", latency=MeanDivide.latency, sum_bits=36, count_bits=14)


def test_spread():
    run_bench(Spread(), "rtl.vector.bench_spread", latency=Spread.latency)


def test_divisor_is_checked():
    with pytest.raises(ValueError, match="divisor of 40 bits"):
        MeanDivide(sum_bits=36, count_bits=40)
