import pytest

from flightvgm_rtl.buffers.parameters import ParameterCopy
from harness.run import run_bench


@pytest.mark.parametrize("values", [4, 8, 16])
def test_parameters(values):
    run_bench(ParameterCopy(words=12, values=values), "rtl.buffers.bench_parameters", words=12, values=values)


def test_sizes_are_checked():
    with pytest.raises(ValueError, match="give 5 values"):
        ParameterCopy(words=12, values=5)
    with pytest.raises(ValueError, match="of 13 words"):
        ParameterCopy(words=13)
