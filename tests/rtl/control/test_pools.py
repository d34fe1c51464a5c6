import pytest
from amaranth.lib import data

from flightvgm_rtl.control.pools import Pools
from flightvgm_rtl.control.ports import PoolAnswer, PoolRequest
from harness.run import run_bench


def places(layout, base=0):
    """Offset and width of each leaf of a layout, by its own name."""
    found = {}
    for name, field in layout:
        if isinstance(field.shape, data.Layout):
            found |= places(field.shape, base + field.offset)
        else:
            found[name] = (base + field.offset, field.width)
    return found


@pytest.mark.parametrize("cores", [1, 3])
def test_pools(cores):
    run_bench(
        Pools(cores=cores),
        "rtl.control.bench_pools",
        cores=cores,
        request=places(PoolRequest),
        answer=places(PoolAnswer),
    )
