import pytest

from flightvgm_rtl.control.fetch import Fetch
from harness.run import run_bench


def test_fetch():
    run_bench(Fetch(words=256, ahead=16), "rtl.control.bench_fetch")


def test_sizes_are_checked():
    with pytest.raises(ValueError, match="100 instructions, 16 ahead"):
        Fetch(words=100, ahead=16)
