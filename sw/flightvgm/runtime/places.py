"""Where a byte of a program's memory lies, in words: layer and site, region, row and channel; and its value."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from flightvgm.compiler import Program
from flightvgm.compiler.regions import INDEX_BYTES, qkv_row_pitch
from flightvgm.runtime.difference import Difference
from flightvgm_arch.formats import METADATA_BYTES
from flightvgm_arch.sites import SITES
from flightvgm_sim.machine import Place

_FP16_BYTES, _SCALE_BYTES = 2, 4


class Element(NamedTuple):
    """A number in memory: its name, and its type, whose numbers lie on multiples of its size."""

    name: str
    dtype: str = "u1"

    def value(self, word: bytes, address: int) -> str:
        """The number at ``address``, as it is and in hexadecimal digits, of the four aligned bytes round it."""
        size = np.dtype(self.dtype).itemsize
        raw = word[address % len(word) // size * size :][:size]
        digits = int.from_bytes(raw, "little")
        if self.dtype == "u1":
            return f"{digits:#04x}"
        return f"{np.frombuffer(raw, f'<{self.dtype}')[0]:.7g} ({digits:#0{2 * size + 2}x})"


def element(program: Program, offset: int) -> Element:
    """Find what the byte at ``offset`` from the program's base belongs to.

    Rows are those of the region: tokens of ``x`` and ``attended``, kept rows of ``records``, ``y`` and ``qkv``; the
    keys and then the values of ``text_kv``.
    """
    region = next((item for item in program.regions.values() if item.address <= offset < item.end), None)
    if region is None:
        return Element("outside all regions")
    kind, within = region.name.split(".")[0], offset - region.address
    network = program.network
    pitches = dict.fromkeys(("x", "attended", "y", "text", "text_kv"), network.row_pitch) | {
        "qkv": qkv_row_pitch(network),
        "records": network.record_pitch,
        "text_records": network.record_pitch,
    }
    if kind == "map":
        return Element(f"entry {within // INDEX_BYTES} of region '{region.name}'", "u4")
    if kind not in pitches:
        return Element(f"byte {within} of region '{region.name}'")
    row, inner = divmod(within, pitches[kind])
    inside, dtype = f"channel {inner // _FP16_BYTES}", "f2"
    if kind.endswith("records"):
        tail = inner - (pitches[kind] - METADATA_BYTES)
        inside, dtype = f"channel {inner}", "i1"
        if tail >= 0:
            inside, dtype = ("its scale", "f4") if tail < _SCALE_BYTES else ("its correction", "i4")
    return Element(f"row {row}, {inside} of region '{region.name}'", dtype)


def site(program: Program, place: Place) -> str:
    """Name what a MARK of a program names."""
    if place.site >= len(SITES):
        return "outside the sites"
    return f"{program.network.block(place.layer)}, site {SITES[place.site]}, branch {place.branch}"


def describe(program: Program, base: int, difference: Difference) -> str:
    """Say which number of a program that lies at ``base`` differs, whose it is, and when it was written."""
    found = element(program, difference.address - base)
    values = [found.value(word, difference.address) for word in (difference.found, difference.wanted)]
    return (
        f"{site(program, difference.place)}: {found.name} is {values[0]} and should be {values[1]}; "
        f"{difference.circumstances}"
    )
