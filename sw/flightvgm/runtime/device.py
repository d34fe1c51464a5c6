"""What host code needs from a machine; the golden model, a simulated chip and a card all offer it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from flightvgm.runtime.ledger import Ledger
from flightvgm_arch.config import Config

Bytes = NDArray[np.uint8]


class DeviceError(ValueError):
    """A device that stopped or refused a request; the message names the place and the remedy."""


class Device(Protocol):
    """A machine with memory.

    Addresses are those of the machine's memory. A program touches allocated memory only: what lies outside is refused.
    """

    @property
    def config(self) -> Config:
        """The machine that this is."""
        ...

    def allocate(self, size: int) -> int:
        """Reserve ``size`` bytes of memory, open them to programs and return their address, a multiple of 32."""
        ...

    def write(self, address: int, data: NDArray[Any]) -> None:
        """Copy an array's bytes, little endian and C order, to memory."""
        ...

    def read(self, address: int, size: int) -> Bytes:
        """Copy ``size`` bytes from memory."""
        ...

    def start(self, entry: int, arguments: Sequence[int] = ()) -> None:
        """Start all cores at the instruction at address ``entry``; the arguments go to r16, r17 and so on."""
        ...

    def wait(self, progress: Callable[[int], None] | None = None) -> None:
        """Return when all cores have reached END.

        Parameters
        ----------
        progress : callable, optional
            Called now and then with the number of instructions executed since the start.

        Raises
        ------
        DeviceError
            The machine stopped with an error.
        """
        ...

    def counters(self) -> Mapping[str, int]:
        """Counters by name, summed since the device was made; ``saturations`` is one of them."""
        ...

    def ledger(self) -> Ledger:
        """Work offered, done and skipped since the device was made."""
        ...
