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
_CLOCKS = ("C", "CLK", "WCLK")
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
        Most cells that a net drives, whatever it is; clocks excluded.
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
        memories=sum(count for kind, count in kinds.items() if kind.startswith(("flightvgm_ram", "RAMB"))),
        levels=max((levels for levels, _ in _depths(cells).values()), default=0),
        carry=_carry(cells),
        fan_out=max(_loads(cells).values(), default=0),
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


def _depths(cells: Mapping[str, Any]) -> dict[str, tuple[int, str | None]]:
    """LUT levels up to each combinational cell, itself included, and the deepest cell in front of it."""
    driver = _drivers(cells)
    before: dict[str, set[str]] = {name: set() for name, cell in cells.items() if cell["type"] in _THROUGH}
    for name in before:
        for _, bits in _ports(cells[name], "input"):
            before[name] |= {driver[bit] for bit in bits if bit in driver and driver[bit] in before}
    depth: dict[str, tuple[int, str | None]] = {}
    for name in TopologicalSorter(before).static_order():
        own = cells[name]["type"] in _LUTS
        deepest = max(sorted(before[name]), key=lambda item: depth[item][0], default=None)
        depth[name] = (own + (depth[deepest][0] if deepest else 0), deepest)
    return depth


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


def _loads(cells: Mapping[str, Any]) -> Counter[int]:
    """Cells that each net drives, but for clocks."""
    loads: Counter[int] = Counter()
    for cell in cells.values():
        pins = [bits for port, bits in _ports(cell, "input") if port.upper() not in _CLOCKS]
        loads.update({bit for bits in pins for bit in bits if isinstance(bit, int)})
    return loads


def deep_paths(netlist: Mapping[str, Any], top: str, most: int) -> list[str]:
    """Paths of more than ``most`` levels, the deepest one to each register, as text: nets from begin to end."""
    cells: Mapping[str, Any] = netlist["modules"][top]["cells"]
    names, driver, depths = _names(netlist, top), _drivers(cells), _depths(cells)
    ends: dict[str, tuple[int, str]] = {}
    for cell_name, cell in cells.items():
        if cell["type"] in _THROUGH:
            continue
        for port, bits in _ports(cell, "input"):
            for bit in bits:
                levels, last = depths.get(driver.get(bit, ""), (0, None))[0], driver.get(bit)
                if last is None or levels <= most:
                    continue
                target = next((names[out] for _, outs in _ports(cell, "output") for out in outs if out in names), "")
                end = f"{_root(target) or cell_name} {port}"
                ends[end] = max(ends.get(end, (0, "")), (levels, last))
    for bits in (port["bits"] for port in netlist["modules"][top]["ports"].values() if port["direction"] == "output"):
        for bit in bits:
            last = driver.get(bit)
            if last in depths and depths[last][0] > most:
                end = f"output {_root(names.get(bit, ''))}"
                ends[end] = max(ends.get(end, (0, "")), (depths[last][0], last))
    return [
        f"{levels} to {end}: {_walk(cells, names, depths, last)}"
        for end, (levels, last) in sorted(ends.items(), key=lambda item: -item[1][0])
    ]


def wide_nets(netlist: Mapping[str, Any], top: str, most: int) -> list[str]:
    """Nets of more than ``most`` loads, as text."""
    names = _names(netlist, top)
    loads = _loads(netlist["modules"][top]["cells"])
    return [f"{count} loads of {names.get(bit, bit)}" for bit, count in loads.most_common() if count > most]


def _walk(cells: Mapping[str, Any], names: Mapping[int, str], depths: Mapping[str, Any], last: str) -> str:
    """Names of the nets on the deepest path to a cell, the first one in front of it."""
    words: list[str] = []
    cell: str | None = last
    while cell is not None:
        words += [names.get(bit, "?") for _, bits in _ports(cells[cell], "output") for bit in bits[:1]]
        first, cell = cell, depths[cell][1]
    starts = {names.get(bit, "?") for _, bits in _ports(cells[first], "input") for bit in bits if isinstance(bit, int)}
    return f"({', '.join(sorted(starts)[:3])}) > " + " > ".join(reversed(words))


def _names(netlist: Mapping[str, Any], top: str) -> dict[int, str]:
    """Name of each net: the shortest one that the source gave."""
    names: dict[int, str] = {}
    found = netlist["modules"][top]["netnames"]
    for name in sorted(found, key=lambda item: (found[item]["hide_name"], item.count("."), len(item), item)):
        bits = found[name]["bits"]
        for place, bit in enumerate(bits):
            names.setdefault(bit, name if len(bits) == 1 else f"{name}[{place}]")
    return names


def _root(name: str) -> str:
    return name.split("[", maxsplit=1)[0]
