"""A simulated chip: registers and memory of a Verilated model."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import NamedTuple

import numpy as np

from flightvgm_sim.cosim.build import BARRIER
from flightvgm_sim.golden.fp import I64, U8

TICKS = 10
"""Units of time of a cycle in a waveform."""
LINE = 32
"""Bytes of a beat, which have one stamp."""


class ChipError(ValueError):
    """A chip that does not answer or breaks the protocol of its ports; the message says where."""


class Stop(IntEnum):
    """Why a chip stands still: its cycles are over, which is false, the interrupt is up, or cores have met."""

    CYCLES = 0
    INTERRUPT = 1
    MEETING = 2


class Meeting(NamedTuple):
    """All cores at a BARRIER: the cycle in which they are released, and the number of that instruction."""

    cycle: int
    instruction: int


@dataclass(frozen=True)
class Traffic:
    """What passed through a port: beats and bursts."""

    read_beats: int
    write_beats: int
    read_bursts: int
    write_bursts: int


class Chip:
    """A Verilated chip with AXI memory models over an array.

    Parameters
    ----------
    library : Path
        Of :func:`flightvgm_sim.cosim.build.build`.
    size : int
        Bytes of memory; pages that nobody touches cost nothing.
    latency : int
        Cycles from an address to its first data, and from the last data to the answer.
    stall : float
        Probability that a channel refuses a cycle.
    seed : int
        Of the stalls.

    Attributes
    ----------
    memory : array of bytes
    stamps : array of int64
        For each 32 bytes of memory the cycle of the last write.
    """

    def __init__(self, library: Path, size: int, *, latency: int = 100, stall: float = 0.0, seed: int = 1) -> None:
        self.memory: U8 = np.zeros(size, np.uint8)
        self.stamps: I64 = np.zeros(size // LINE, np.int64)
        self._library = _load(library)
        self._handle = self._library.fv_new(
            self.memory.ctypes.data, size, self.stamps.ctypes.data, latency, round(stall * 65536), seed
        )

    def close(self) -> None:
        """Free the model and finish its waveforms."""
        if self._handle:
            self._library.fv_delete(self._handle)
            self._handle = None

    @property
    def cycle(self) -> int:
        """Cycles since the model was made."""
        return int(self._library.fv_cycle(self._handle))

    def write(self, offset: int, value: int) -> None:
        """Write a 32-bit register."""
        if self._library.fv_write(self._handle, offset, value):
            raise ChipError(f"the control port does not answer a write to {offset:#x}")

    def read(self, offset: int) -> int:
        """Read a 32-bit register."""
        value = int(self._library.fv_read(self._handle, offset))
        if value < 0:
            raise ChipError(f"the control port does not answer a read of {offset:#x}")
        return value

    def watch(self, cores: int) -> None:
        """Let :meth:`run` stop where all ``cores`` of the chip meet at a BARRIER; earlier meetings are forgotten.

        Raises
        ------
        ChipError
            The model shows no barriers.
        """
        everyone = (1 << cores) - 1 if cores > 1 else 0  # A core alone passes a BARRIER whatever its mask.
        if self._library.fv_watch(self._handle, everyone):
            raise ChipError(f"the model has no '{BARRIER}' to watch; emit the Verilog again")

    def run(self, cycles: int) -> Stop:
        """Run until the interrupt rises or, where that is watched, cores meet, for at most ``cycles``.

        Where cores meet, everything before the BARRIER is done and nothing behind it has begun. A meeting that
        happened while a register was read or written is told a few cycles late: :attr:`Meeting.cycle` says when it was.

        Raises
        ------
        ChipError
            A port broke the AXI protocol.
        """
        stop = Stop(self._library.fv_run(self._handle, cycles))
        error = self._library.fv_error(self._handle).decode()
        if error:
            raise ChipError(f"the chip breaks the AXI protocol: {error}")
        return stop

    def meeting(self) -> Meeting:
        """What the last :meth:`run` stopped at."""
        found = (ctypes.c_uint64 * 2)()
        self._library.fv_meeting(self._handle, found)
        return Meeting(*found)

    def traffic(self, port: int) -> Traffic:
        """What passed through a port so far."""
        counts = (ctypes.c_uint64 * 4)()
        self._library.fv_traffic(self._handle, port, counts)
        return Traffic(*counts)

    def corrupt(self, first: int, end: int, response: int) -> None:
        """Answer accesses to the bytes ``first`` to ``end - 1`` with an AXI response: 2 for SLVERR, 3 for DECERR."""
        self._library.fv_bad(self._handle, first, end, response)

    def flip(self, address: int, bits: int, first: int) -> None:
        """Invert ``bits`` of a byte in the first write to it from cycle ``first`` on."""
        self._library.fv_flip(self._handle, address, bits, first)

    def trace(self, file: Path, first: int, end: int) -> None:
        """Write a waveform of the cycles ``first`` to ``end - 1``.

        Raises
        ------
        ChipError
            The model was built without waveforms.
        """
        if self._library.fv_trace(self._handle, str(file).encode(), first, end):
            raise ChipError("the model writes no waveforms; build it with trace=True")


def _load(path: Path) -> ctypes.CDLL:
    library = ctypes.CDLL(str(path))
    handle, u64, u32 = ctypes.c_void_p, ctypes.c_uint64, ctypes.c_uint32
    signatures: dict[str, tuple[object, list[object]]] = {
        "fv_new": (handle, [handle, u64, handle, u64, u32, u64]),
        "fv_delete": (None, [handle]),
        "fv_flip": (None, [handle, u64, ctypes.c_int, u64]),
        "fv_watch": (ctypes.c_int, [handle, u32]),
        "fv_meeting": (None, [handle, handle]),
        "fv_bad": (None, [handle, u64, u64, ctypes.c_int]),
        "fv_write": (ctypes.c_int, [handle, u32, u32]),
        "fv_read": (ctypes.c_int64, [handle, u32]),
        "fv_run": (ctypes.c_int, [handle, u64]),
        "fv_cycle": (u64, [handle]),
        "fv_error": (ctypes.c_char_p, [handle]),
        "fv_traffic": (None, [handle, ctypes.c_int, handle]),
        "fv_trace": (ctypes.c_int, [handle, ctypes.c_char_p, u64, u64]),
    }
    for name, (result, arguments) in signatures.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library
