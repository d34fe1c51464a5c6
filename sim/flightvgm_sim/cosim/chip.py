"""A simulated chip: registers and memory of a Verilated model."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from flightvgm_sim.golden.fp import I64, U8

_BEAT = 32


class ChipError(ValueError):
    """A chip that does not answer or breaks the protocol of its ports; the message says where."""


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
        self.stamps: I64 = np.zeros(size // _BEAT, np.int64)
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

    def run(self, cycles: int) -> bool:
        """Run until the interrupt rises, for at most ``cycles``; whether it is up.

        Raises
        ------
        ChipError
            A port broke the AXI protocol.
        """
        risen = bool(self._library.fv_run(self._handle, cycles))
        error = self._library.fv_error(self._handle).decode()
        if error:
            raise ChipError(f"the chip breaks the AXI protocol: {error}")
        return risen

    def traffic(self, port: int) -> Traffic:
        """What passed through a port so far."""
        counts = (ctypes.c_uint64 * 4)()
        self._library.fv_traffic(self._handle, port, counts)
        return Traffic(*counts)

    def corrupt(self, first: int, end: int, response: int) -> None:
        """Answer accesses to the bytes ``first`` to ``end - 1`` with an AXI response: 2 for SLVERR, 3 for DECERR."""
        self._library.fv_bad(self._handle, first, end, response)

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
