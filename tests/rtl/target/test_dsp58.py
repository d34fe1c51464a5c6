from dataclasses import asdict

import pytest

from flightvgm_rtl.emit import component_verilog
from flightvgm_rtl.target.dsp58 import Dsp58
from flightvgm_rtl.target.dsp58_attributes import ENABLES, OPMODES, RESETS, Attributes, legal_opmode, multiply, opmode
from harness.run import run_bench

ALL = (*ENABLES, *RESETS, "negate")
STAGES = ("a", "b", "acasc", "bcasc", "c", "d", "ad", "m", "p", "opmode", "alumode", "inmode")
NOTHING = {f"{stage}reg": 0 for stage in STAGES}
TWO = {"areg": 2, "breg": 2, "acascreg": 1, "bcascreg": 2}
CASES = {
    "pre_adder": {"amultsel": "AD", "controls": ALL},
    "two_registers": {**TWO, "amultsel": "AD", "controls": ALL},
    "b_pre_adder": {**TWO, "bmultsel": "AD", "preaddinsel": "B", "controls": ALL, "bcascreg": 1, "acascreg": 2},
    "square": {"amultsel": "AD", "bmultsel": "AD", "controls": ALL, "dreg": 0},
    "b_gated": {"preaddinsel": "B", "adreg": 0, "controls": ALL},
    "int8": {"dsp_mode": "INT8", "controls": ALL},
    "bare": {**NOTHING, "opmodereg": 1, "amultsel": "AD", "controls": ("negate",)},
    "cascades": {**TWO, "a_input": "CASCADE", "b_input": "CASCADE", "creg": 0, "inmodereg": 0, "controls": ALL},
    "no_multiplier": {"use_mult": "NONE", "mreg": 0, "rnd": 0x123456789ABCDEF, "controls": ALL},
    "rounding": {"use_mult": "DYNAMIC", "rnd": 1 << 57, "opmodereg": 0, "alumodereg": 0, "controls": ALL},
}
LATENCIES = {"square": None, "b_pre_adder": None, "no_multiplier": None, "cascades": None, "b_gated": None}


def _opmodes(attributes):
    feedback = {2, 4, 6}
    return [
        value
        for value in filter(legal_opmode, range(OPMODES))
        if (attributes.use_mult != "NONE" or value & 3 != 1)
        and (attributes.preg or (value & 3 != 2 and value >> 7 != 1 and value >> 4 & 7 not in feedback))
    ]


def _latency(used):
    return {
        "a": used.areg + (used.adreg if used.amultsel == "AD" else 0) + used.mreg + used.preg,
        "b": used.breg + used.mreg + used.preg,
        "c": used.creg + used.preg,
        "pcin": used.preg,
    }


@pytest.mark.parametrize("case", CASES)
def test_twin(case):
    attributes = Attributes(**CASES[case])
    opmodes = _opmodes(attributes)
    choices = {
        "opmodes": opmodes,
        "alumodes": (0, 1, 2, 3),
        "inmodes": [
            value
            for value in range(32)
            if (attributes.areg == 2 or not value & 1) and (attributes.breg == 2 or not value & 16)
        ],
    }
    latency = None if case in LATENCIES else _latency(attributes)
    run_bench(Dsp58(attributes), "rtl.target.bench_dsp58", settings=asdict(attributes), latency=latency, **choices)


@pytest.mark.parametrize(("values", "alumodes"), [((0x005, 0x195), (0,)), ((0x025, 0x1A0), (3, 0)), ((0x080,), (2,))])
def test_twin_of_few_modes(values, alumodes):
    attributes = Attributes(
        **TWO, amultsel="AD", opmodes=values, alumodes=alumodes, inmodes=(4, 12), controls=("cep", "rstp", "cea1")
    )
    choices = {"opmodes": values, "alumodes": alumodes, "inmodes": (4, 12)}
    run_bench(Dsp58(attributes), "rtl.target.bench_dsp58", settings=asdict(attributes), latency=None, **choices)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"areg": 2, "acascreg": 0}, "ACASCREG is 0 with AREG 2"),
        ({"breg": 1, "bcascreg": 2}, "BCASCREG is 2 with BREG 1"),
        ({"mreg": 2}, "MREG is 2; it must be 0 to 1"),
        ({"use_mult": "NONE"}, "USE_MULT is NONE with MREG 1"),
        ({"dsp_mode": "FP32"}, "DSP_MODE is 'FP32'"),
        ({"dsp_mode": "INT8", "amultsel": "AD"}, "INT8 has no pre-adder"),
        ({"opmodes": (0x001,)}, "OPMODE 001 is illegal"),
        ({"opmodes": (0x070,)}, "OPMODE 070 is illegal"),
        ({"opmodes": (0x025,), "preg": 0}, "feeds P back with PREG 0"),
        ({"opmodes": (0x005,), "use_mult": "NONE", "mreg": 0}, "selects the product with USE_MULT NONE"),
        ({"alumodes": (4,)}, "ALUMODE 4 is not supported"),
        ({"inmodes": (1,)}, "selects the first of two registers"),
        ({"inmodes": (32,)}, "has 5 bits"),
        ({"rnd": 1 << 58}, "it has 58 bits"),
        ({"controls": ("cex",)}, "'cex' is no enable or reset"),
    ],
)
def test_illegal_settings_are_refused(settings, sentence):
    with pytest.raises(ValueError, match=sentence):
        Attributes(**settings)


def test_verified_operation_codes():
    assert multiply() == 0x005
    assert multiply(z=2) == 0x025
    assert multiply(w=1) == 0x085
    assert multiply(z=1) == 0x015
    assert multiply(w=3) == 0x185
    assert multiply(w=3, z=2) == 0x1A5
    assert multiply(w=3, z=1) == 0x195
    assert multiply(w=1, z=1) == 0x095
    assert multiply(z=5) == 0x055
    assert opmode(x=3, z=3) == 0x033
    assert opmode(w=3, z=2) == 0x1A0
    assert multiply(w=2) == 0x105
    assert multiply(w=2, z=3) == 0x135


def test_the_vendor_gets_an_instance():
    text = component_verilog(Dsp58(Attributes(amultsel="AD", rnd=5)), "dsp58", vendor=True)
    assert "DSP58 #(" in text
    assert '.AMULTSEL("AD")' in text
    assert ".RND(58'h000000000000005)" in text
    assert ".CEP(cep)" in text
