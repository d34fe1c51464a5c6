import pytest

from flightvgm_rtl.vector.fp.add import FpAdd
from flightvgm_rtl.vector.fp.half import FpToHalf, HalfToFp
from flightvgm_rtl.vector.fp.int_to_fp import IntToFp
from flightvgm_rtl.vector.fp.mul import FpMul
from flightvgm_rtl.vector.fp.reciprocal import Reciprocal
from harness.run import run_bench

BENCH = "rtl.vector.bench_fp_units"


@pytest.mark.parametrize("unit", [FpMul, FpAdd, HalfToFp, FpToHalf, Reciprocal])
def test_unit(unit):
    component = unit()
    run_bench(component, BENCH, operation=unit.__name__, latency=component.latency)


@pytest.mark.parametrize("width", [2, 8, 25, 32, 33, 58, 64])
def test_integers(width):
    component = IntToFp(width=width)
    run_bench(component, BENCH, operation="IntToFp", latency=component.latency, width=width)


def test_width_is_checked():
    with pytest.raises(ValueError, match="65 bits"):
        IntToFp(width=65)
