import pytest

from flightvgm_rtl.lib.fifo import Fifo
from harness.run import run_bench


@pytest.mark.parametrize("depth", [4, 16])
def test_fifo(depth):
    run_bench(Fifo(12, depth=depth), "rtl.lib.bench_fifo", depth=depth, width=12)


def test_depth_is_checked():
    with pytest.raises(ValueError, match="FIFO of 5 places"):
        Fifo(8, depth=5)
