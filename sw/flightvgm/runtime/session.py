"""A compiled program on a device: the host's side of a video, written once for all devices."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from flightvgm.compiler import Program
from flightvgm.runtime.backend import BRANCHES, Array
from flightvgm.runtime.device import Device
from flightvgm.runtime.ledger import Ledger


class Session:
    """Load a program and run it; a :class:`~flightvgm.runtime.backend.Backend`.

    Parameters
    ----------
    device : Device
        Where it runs.
    program : Program
        Compiled for that machine.

    Raises
    ------
    ValueError
        The program is for another machine, or does not fit its memory.
    """

    def __init__(self, device: Device, program: Program) -> None:
        program.check_config(device.config)
        self.device = device
        self.program = program
        self.base = device.allocate(program.size)
        device.write(self.base, program.image)
        self._valid = (0,) * BRANCHES

    @property
    def saturations(self) -> int:
        """Values that were beyond the range of FP16, so far."""
        return self.device.counters()["saturations"]

    def prompt(self, texts: Array, tables: Array) -> None:
        """Write text and modulation and make the text's keys and values; see :class:`Backend`."""
        self._valid = (texts.shape[1],) * BRANCHES
        arguments = self.program.arguments(0, self._valid, self.base)
        for branch, text in enumerate(texts):
            self._write(f"text.{branch}", self.program.rows(text))
        modulation = np.concatenate([self.program.modulation(table) for table in tables])
        self._write("modulation", modulation)
        self.device.start(self.program.entry("prompt", self.base), arguments)
        self.device.wait()

    def step(self, tokens: Array, index: int, progress: Callable[[float], None] | None = None) -> Array:
        """Run the program's ``forward``; see :class:`Backend`."""
        rows = self.program.rows(tokens)
        for branch in range(BRANCHES):
            self._write(f"x.{branch}", rows)
        self.device.start(
            self.program.entry("forward", self.base), self.program.arguments(index, self._valid, self.base)
        )
        before, whole = self.ledger().total.offered, self.program.network.linear_macs

        def report(_count: int) -> None:
            if progress is not None:
                progress(min(1.0, (self.ledger().total.offered - before) / whole))

        self.device.wait(report)
        return np.stack([self._read(f"x.{branch}") for branch in range(BRANCHES)])

    def ledger(self) -> Ledger:
        """Work offered, done and skipped, so far."""
        return self.device.ledger()

    def _write(self, region: str, data: Array) -> None:
        self.device.write(self.program.address(region, self.base), data)

    def _read(self, region: str) -> Array:
        data = self.device.read(self.program.address(region, self.base), self.program.regions[region].size)
        return self.program.values(data).astype(np.float64)
