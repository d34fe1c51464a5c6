"""Measure a mapped netlist: LUTs, LUT levels between registers, carry bits and fan-out.

Levels are a ranking, never a clock rate. A path begins at a register, a DSP58, a memory or an input and ends at one of
those or at an output; each LUT on it is a level, carry chains and wide multiplexers are none. Yosys' own walks pass
through mapped flip-flops, hence this one.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from graphlib import TopologicalSorter
from typing import Any

_LUTS = {f"LUT{inputs}": inputs for inputs in range(1, 7)}
_SHIFTS = ("SRL16E", "SRLC32E")
_THROUGH = {*_LUTS, "MUXF7", "MUXF8", "MUXF9", "CARRY4", "CARRY8", "INV", "BUF"}
_CARRY_BITS = {"CARRY4": 4, "CARRY8": 8}
_FLIP_FLOPS = ("FDRE", "FDSE", "FDCE", "FDPE")
_SHARED = 5  # Inputs that two functions in one LUT6 have together at most.


@dataclass(frozen=True)
class Measure:
    """What a netlist takes.

    Attributes
    ----------
    luts : int
        LUTs as mapped, shift registers included.
    packed : int
        LUTs where two functions of at most five inputs in all share one.
    flip_flops, dsps, memories : int
        Registers, DSP58 and memories.
    levels : int
        Most LUTs on a path between registers.
    carry : int
        Most carry bits on a chain.
    fan_out : int
        Most loads of a net that enables, resets or selects; the clock excluded.
    """

    luts: int
    packed: int
    flip_flops: int
    dsps: int
    memories: int
    levels: int
    carry: int
    fan_out: int


def measure(netlist: Mapping[str, Any], top: str) -> Measure:
    """Measure a flat module of a netlist that Yosys wrote as JSON."""
    cells: Mapping[str, Any] = netlist["modules"][top]["cells"]
    kinds = Counter(cell["type"] for cell in cells.values())
    luts = sum(kinds[kind] for kind in (*_LUTS, *_SHIFTS, "INV"))
    return Measure(
        luts=luts,
        packed=luts - _pairs(cells.values()),
        flip_flops=sum(kinds[kind] for kind in _FLIP_FLOPS),
        dsps=sum(count for kind, count in kinds.items() if kind.startswith("DSP")),
        memories=sum(count for kind, count in kinds.items() if kind.startswith("flightvgm_ram")),
        levels=_levels(cells),
        carry=_carry(cells),
        fan_out=_fan_out(cells),
    )


def _ports(cell: Mapping[str, Any], direction: str) -> Iterable[tuple[str, list[Any]]]:
    for port, way in cell["port_directions"].items():
        if way == direction:
            yield port, cell["connections"].get(port, [])


def _pairs(cells: Iterable[Mapping[str, Any]]) -> int:
    """Pairs of LUTs that share one: first those with the most inputs in common."""
    inputs = [
        frozenset(bit for _, bits in _ports(cell, "input") for bit in bits if isinstance(bit, int))
        for cell in cells
        if _LUTS.get(cell["type"], 6) <= _SHARED
    ]
    by_bit: dict[int, list[int]] = defaultdict(list)
    for number, bits in enumerate(inputs):
        for bit in bits:
            by_bit[bit].append(number)
    free = set(range(len(inputs)))
    pairs = 0
    for number in sorted(free, key=lambda item: -len(inputs[item])):
        if number not in free:
            continue
        free.discard(number)
        near = {other for bit in inputs[number] for other in by_bit[bit][:64] if other in free}
        fits = [other for other in near if len(inputs[number] | inputs[other]) <= _SHARED]
        if fits:
            free.discard(max(fits, key=lambda other: (len(inputs[number] & inputs[other]), -other)))
            pairs += 1
    return pairs


def _levels(cells: Mapping[str, Any]) -> int:
    driver = _drivers(cells)
    before: dict[str, set[str]] = {name: set() for name, cell in cells.items() if cell["type"] in _THROUGH}
    for name in before:
        for _, bits in _ports(cells[name], "input"):
            before[name] |= {driver[bit] for bit in bits if bit in driver and driver[bit] in before}
    depth: dict[str, int] = {}
    for name in TopologicalSorter(before).static_order():
        own = cells[name]["type"] in _LUTS
        depth[name] = own + max((depth[item] for item in before[name]), default=0)
    return max(depth.values(), default=0)


def _drivers(cells: Mapping[str, Any]) -> dict[int, str]:
    return {
        bit: name
        for name, cell in cells.items()
        for _, bits in _ports(cell, "output")
        for bit in bits
        if isinstance(bit, int)
    }


def _carry(cells: Mapping[str, Any]) -> int:
    """Longest chain of carry cells, in bits that have operands."""
    driver = _drivers(cells)
    length: dict[str, int] = {}

    def chain(name: str) -> int:
        if name not in length:
            cell = cells[name]
            came = [bit for bit in cell["connections"].get("CI", []) if bit in driver]
            before = [driver[bit] for bit in came if cells[driver[bit]]["type"] in _CARRY_BITS]
            used = sum(isinstance(bit, int) for bit in cell["connections"].get("S", []))
            length[name] = used + max((chain(item) for item in before), default=0)
        return length[name]

    return max((chain(name) for name, cell in cells.items() if cell["type"] in _CARRY_BITS), default=0)


def _fan_out(cells: Mapping[str, Any]) -> int:
    loads: Counter[int] = Counter()
    for cell in cells.values():
        controls = ("CE", "R", "S") if cell["type"] in _FLIP_FLOPS else ()
        for port, bits in _ports(cell, "input"):
            if port in controls or (cell["type"] in _LUTS and port == "I5"):
                loads.update({bit for bit in bits if isinstance(bit, int)})
    return max(loads.values(), default=0)
