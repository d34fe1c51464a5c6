"""The golden machine as a device."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from numpy.typing import NDArray

from flightvgm.runtime.device import Bytes, DeviceError
from flightvgm.runtime.ledger import OUTSIDE, Ledger, Place, Work
from flightvgm_arch.config import PAGE_BYTES, Config
from flightvgm_arch.formats import round_up
from flightvgm_arch.sites import KINDS, SITES
from flightvgm_sim.machine import OUTSIDE as OUTSIDE_NUMBER
from flightvgm_sim.machine import FaultError, Machine, MachineError, Origin
from flightvgm_sim.machine import Place as MarkedPlace


class GoldenDevice:
    """Bit-exact model of a machine; see :class:`~flightvgm.runtime.device.Device` for the methods.

    Memory is allocated from address zero upwards, on pages, and never freed.

    Parameters
    ----------
    config : Config
        The machine.
    order_seed : int, optional
        Seed of a random order of the queues, to find missing semaphores; by default the order is fixed.
    """

    def __init__(self, config: Config, *, order_seed: int | None = None) -> None:
        self._machine = Machine(config, order_seed=order_seed)
        self._top = 0

    @property
    def config(self) -> Config:
        """The machine that this is."""
        return self._machine.config

    def allocate(self, size: int) -> int:
        """Reserve and open ``size`` bytes."""
        address, limit = self._top, self.config.memory_bytes
        if size < 1 or address + size > limit:
            raise DeviceError(
                f"{size} bytes do not fit the {limit - address} bytes of memory that '{self.config.name}' has left; "
                "choose a machine with more memory"
            )
        self._machine.open_window(address, size)
        self._top = round_up(address + size, PAGE_BYTES)
        return address

    def write(self, address: int, data: NDArray[Any]) -> None:
        """Copy an array's bytes to memory."""
        try:
            self._machine.memory.write(address, data)
        except FaultError as error:
            raise DeviceError(str(error)) from error

    def read(self, address: int, size: int) -> Bytes:
        """Copy ``size`` bytes from memory."""
        try:
            return self._machine.memory.read(address, size)
        except FaultError as error:
            raise DeviceError(str(error)) from error

    def start(self, entry: int, arguments: Sequence[int] = ()) -> None:
        """Start all cores at ``entry``."""
        try:
            self._machine.start(entry, arguments)
        except FaultError as error:
            raise DeviceError(str(error)) from error

    def wait(self, progress: Callable[[int], None] | None = None) -> None:
        """Execute until all cores have ended."""
        try:
            self._machine.run(progress=progress)
        except (FaultError, MachineError) as error:
            raise DeviceError(str(error)) from error

    def advance(self) -> int | None:
        """Execute until all cores meet at a BARRIER, whose number is returned, or have ended."""
        try:
            return self._machine.run(pause=True)
        except (FaultError, MachineError) as error:
            raise DeviceError(str(error)) from error

    def view(self, address: int, size: int) -> Bytes:
        """``size`` bytes of memory without a copy, for a look before the machine goes on."""
        return self._machine.memory.view(address, size)

    def origin(self, address: int) -> Origin | None:
        """The instruction that wrote a byte last since :meth:`advance` was called; None if there is none."""
        return self._machine.origin(address)

    @property
    def place(self) -> MarkedPlace:
        """What the first core's last MARK named."""
        return self._machine.place

    def counters(self) -> Mapping[str, int]:
        """Counters by name."""
        return self._machine.counters.to_dict()

    def ledger(self) -> Ledger:
        """Work so far."""
        entries: dict[Place, Work] = {}
        for place, entry in self._machine.ledger.entries.items():
            outside = place.site == OUTSIDE_NUMBER
            name = OUTSIDE if outside else f"{KINDS[place.layer % len(KINDS)]}.{SITES[place.site]}"
            entries[Place(place.branch, place.layer, name)] = Work(
                rows_offered=entry.rows_offered,
                rows_kept=entry.rows_kept,
                offered=entry.macs_done if outside else entry.macs_offered,
                done=entry.macs_done,
                skipped=entry.macs_skipped,
                attention=entry.macs_fp16,
            )
        return Ledger(entries)
