import pytest

from flightvgm_rtl.vector.fp.exp2 import Exp2Half
from flightvgm_rtl.vector.fp.gelu import Gelu
from harness.run import run_bench


@pytest.mark.parametrize("component", [Exp2Half, Gelu])
def test_function(component):
    run_bench(component(), "rtl.vector.bench_exp2_gelu", latency=component.latency, function=component.__name__)
