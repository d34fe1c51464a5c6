"""Programs that measure a chip's memory ports: long rows, and rows that are gathered through a map."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from flightvgm.bench.chip import LINEAR, Loaded, place, put
from flightvgm.compiler.assembler import Assembler
from flightvgm.runtime.device import Device
from flightvgm_arch.isa import Address, Operand


@dataclass(frozen=True)
class Transfer:
    """A program that moves data.

    Attributes
    ----------
    program : Loaded
        Where it is.
    beats : int
        Beats of 32 bytes that it reads, without maps.
    """

    program: Loaded
    beats: int


def long_load(device: Device, *, rows: int = 8, row_bytes: int = 16384, repeats: int = 8) -> Transfer:
    """Load long rows to B, several times."""
    return _loads(device, np.arange(rows), row_bytes, repeats, "B")


def gather(device: Device, *, rows: int = 88, row_bytes: int = 1024, repeats: int = 8) -> Transfer:
    """Load rows in a random order through a map to A, several times."""
    return _loads(device, np.random.default_rng(0).permutation(rows), row_bytes, repeats, "A", ["mapped"])


def _loads(
    device: Device, order: np.ndarray, row_bytes: int, repeats: int, target: str, flags: Sequence[str] = ()
) -> Transfer:
    asm = Assembler()
    content = np.random.default_rng(1).integers(0, 256, (order.size, row_bytes), dtype=np.uint8)
    source, table = put(device, content), put(device, order.astype(np.uint32))
    rows: dict[str, Operand | str] = {"count": order.size, "row_bytes": row_bytes, "pitch": row_bytes}
    places: dict[str, Operand | str] = {"source": Address(0, source), "target": target, "to_pitch": row_bytes}
    for _ in range(repeats):
        asm.emit("LOADA", flags, operands=LINEAR | rows | places | ({"map": Address(0, table)} if flags else {}))
    return Transfer(Loaded(place(device, asm)), order.size * row_bytes // 32 * repeats)
