"""What the table of components is made of: levels, carries, fan-out, and what exceeds a bound."""

from dataclasses import replace

import pytest

from flightvgm_rtl.report.__main__ import _excess
from flightvgm_rtl.report.components import CARRY_BITS, FAN_OUT, LEVELS, Part
from flightvgm_rtl.report.netlist import Measure, deep_paths, measure, wide_nets

WITHIN = Measure(
    luts=200, packed=180, flip_flops=9, dsps=2, memories=0, levels=LEVELS, carry=CARRY_BITS, fan_out=FAN_OUT
)
PART = Part("part", lambda: None, "-", per_dsp=True)


def cell(kind, inputs, outputs):
    pins = {**inputs, **outputs}
    ways = dict.fromkeys(inputs, "input") | dict.fromkeys(outputs, "output")
    return {"type": kind, "port_directions": ways, "connections": pins}


def flip_flop(d, q, clock=1):
    return cell("FDRE", {"C": [clock], "CE": ["1"], "D": [d], "R": ["0"]}, {"Q": [q]})


def netlist(cells):
    bits = {bit for item in cells.values() for bits in item["connections"].values() for bit in bits}
    names = {f"net_{bit}": {"bits": [bit], "hide_name": 0} for bit in bits if isinstance(bit, int)}
    return {"modules": {"top": {"cells": cells, "netnames": names, "ports": {}}}}


def chain(length):
    """Registers with so many LUTs between them, each of the net before and a register's."""
    cells = {"begin": flip_flop(2, 10), "end": flip_flop(10 + length, 3)}
    for place in range(length):
        cells[f"lut_{place}"] = cell("LUT2", {"I0": [10 + place], "I1": [10]}, {"O": [11 + place]})
    return netlist(cells)


@pytest.mark.parametrize("length", [0, 1, 7])
def test_luts_between_registers_are_levels(length):
    assert measure(chain(length), "top").levels == length


def test_a_register_ends_a_path():
    cells = {"first": cell("LUT1", {"I0": [10]}, {"O": [11]}), "held": flip_flop(11, 12)}
    cells["second"] = cell("LUT1", {"I0": [12]}, {"O": [13]})
    assert measure(netlist(cells), "top").levels == 1


def test_clocks_are_no_loads_but_resets_are():
    cells = {str(place): flip_flop(2, 100 + place) for place in range(5)}
    for item in cells.values():
        item["connections"]["R"] = [4]
    assert measure(netlist(cells), "top").fan_out == 5
    assert wide_nets(netlist(cells), "top", 4) == ["5 loads of net_2", "5 loads of net_4"]


def test_chained_carries_are_added():
    first = cell("CARRY4", {"CI": ["0"], "S": [10, 11, 12, 13]}, {"CO": [20, 21, 22, 23]})
    second = cell("CARRY4", {"CI": [23], "S": [14, 15, "0", "0"]}, {"CO": [24, 25, 26, 27]})
    assert measure(netlist({"first": first, "second": second}), "top").carry == 6


def test_small_functions_share_a_lut():
    cells = {str(place): cell("LUT2", {"I0": [10], "I1": [11 + place]}, {"O": [20 + place]}) for place in range(4)}
    cells["large"] = cell("LUT6", {f"I{pin}": [30 + pin] for pin in range(6)}, {"O": [40]})
    found = measure(netlist(cells), "top")
    assert (found.luts, found.packed) == (5, 3)


def test_a_deep_path_is_told_by_its_nets():
    (path,) = deep_paths(chain(3), "top", 2)
    assert path == "3 to net_3 D: (net_10) > net_11 > net_12 > net_13"
    assert deep_paths(chain(3), "top", 3) == []


def test_bounds_themselves_are_kept():
    assert _excess(PART, WITHIN) == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"levels": LEVELS + 1}, "7 LUT levels exceed 6"),
        ({"carry": CARRY_BITS + 1}, "33 carry bits exceed 32"),
        ({"fan_out": FAN_OUT + 1}, "257 loads of a net exceed 256"),
        ({"luts": 300, "packed": 182}, "91 packed LUT for each DSP58 exceed 90"),
    ],
)
def test_what_exceeds_a_bound_is_told(change, words):
    assert _excess(PART, replace(WITHIN, **change)) == [f"part: {words}"]
