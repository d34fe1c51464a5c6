from dataclasses import asdict

import pytest

from flightvgm_rtl.emit import component_verilog
from flightvgm_rtl.target.dspfp32 import ACCUMULATE, MULTIPLY, DspFp32, FpAttributes
from harness.run import run_bench

CASES = {
    "one_register_each": {},
    "deep": {"areg": 2, "fpcreg": 3, "fpopmreg": 3, "pcoutsel": "FPM"},
    "half": {"a_fptype": "B16", "b_d_fptype": "B16", "fpm_preg": 0},
    "mixed": {"b_d_fptype": "B16", "fpmpipereg": 0},
    "bare": {
        "areg": 0, "fpbreg": 0, "fpcreg": 0, "fpdreg": 0, "fpmpipereg": 0, "fpm_preg": 0, "fpa_preg": 0, "fpopmreg": 1,
    },
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_twin(case):
    attributes = FpAttributes(**CASES[case])
    run_bench(DspFp32(attributes), "rtl.target.bench_dspfp32", settings=asdict(attributes))


def test_operation_codes():
    assert MULTIPLY == 0b0000001
    assert ACCUMULATE == 0b0010001


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"areg": 3}, "AREG is 3; it must be 0 to 2"),
        ({"fpbreg": 2}, "FPBREG is 2; it must be 0 to 1"),
        ({"a_fptype": "B8"}, "A_FPTYPE is 'B8'"),
        ({"pcoutsel": "P"}, "PCOUTSEL is 'P'"),
    ],
)
def test_illegal_settings_are_refused(settings, sentence):
    with pytest.raises(ValueError, match=sentence):
        FpAttributes(**settings)


def test_the_vendor_gets_an_instance():
    text = component_verilog(DspFp32(FpAttributes(a_fptype="B16")), "dspfp32", vendor=True)
    assert "DSPFP32 #(" in text
    assert '.A_FPTYPE("B16")' in text
