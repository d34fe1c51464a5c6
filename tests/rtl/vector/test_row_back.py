import pytest

from flightvgm_rtl.vector.rowback import RowBack
from harness.run import run_bench


@pytest.mark.parametrize(("lanes", "channels"), [(4, 256), (8, 480), (16, 256)])
def test_row_back(lanes, channels):
    run_bench(
        RowBack(lanes=lanes, channels=channels, words=256),
        "rtl.vector.bench_row_back",
        lanes=lanes,
        channels=channels,
        words=256,
    )
