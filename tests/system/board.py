"""A chip beside a golden machine with the same memory, for programs that stop."""

from __future__ import annotations

import numpy as np

from flightvgm.runtime.cosim import StoppedError
from flightvgm.runtime.device import DeviceError
from flightvgm_arch.isa import Event, Instruction, encode

HOME, SIZE = 4096, 1 << 20
MOST = 400_000  # Cycles of a program.


def op(name, *flags, waits=(), signals=(), **operands) -> Instruction:
    waits, signals = (tuple(Event(*event) for event in events) for events in (waits, signals))
    return Instruction(name, operands, frozenset(flags), waits, signals)


class Board:
    """Code in the first page, then a window of 1 MiB for data.

    Parameters
    ----------
    device : CosimDevice
        It verifies.
    """

    def __init__(self, device) -> None:
        self.device = device
        self.chip = device._chip
        device.allocate(HOME)
        assert device.allocate(SIZE) == HOME

    def put(self, address: int, array) -> None:
        self.device.write(address, np.asarray(array))

    def rest(self, *spans: tuple[int, int]):
        """Bytes of the data window outside some spans."""
        data = self.device.read(HOME, SIZE)
        for low, high in spans:
            data[low - HOME : high - HOME] = 0
        return data

    def place(self, program, *, end: bool = True) -> None:
        """Put a program, or its words, at address zero."""
        words = [item if isinstance(item, bytes) else encode(item) for item in program]
        words += [encode(op("END"))] if end else []
        self.put(0, np.frombuffer(b"".join(words), np.uint8))

    def run(self, program, *, end: bool = True, arguments=()) -> None:
        """Run on both machines and compare; the control port answers all the while."""
        self.place(program, end=end)
        self.device.start(0, arguments)
        self.device.wait(self._watch)

    def stop(self, program, *, end: bool = True) -> StoppedError:
        """Run a program that stops the chip; returns the error."""
        try:
            self.run(program, end=end)
        except StoppedError as error:
            assert self.device._get("STATUS") == 0b10  # ERROR alone.
            assert self.device._get("CONTROL") & 0b111 == 0b100  # IDLE; DONE has been read.
            return error
        raise AssertionError("the chip did not stop")

    def golden(self):
        """The error with which the golden machine stops in the program that was started last."""
        try:
            self.device._golden.wait()
        except DeviceError as problem:
            return problem.__cause__
        raise AssertionError("the golden machine did not stop")

    def agree(self, program, *, end: bool = True) -> StoppedError:
        """Run a program that stops both machines at the same instruction with the same code."""
        found, wanted = self.stop(program, end=end), self.golden()
        assert (found.code, found.core, found.counter) == (wanted.code, wanted.core, wanted.counter), str(wanted)
        return found

    def same(self) -> None:
        """Give the golden machine the chip's memory."""
        for address, size in ((0, HOME), (HOME, SIZE)):
            self.device.write(address, self.device.read(address, size))

    def reset(self) -> None:
        """Soft reset, as a driver does it."""
        device = self.device
        device._set("RESET", 1)
        for _ in range(MOST):
            if not device._get("STATUS") & 0b100:
                break
        assert not device._get("STATUS") & 0b1100  # RESETTING, RESET_TIMEOUT.
        assert device._get("CONTROL") & 0b100
        if device._get("ISR"):
            device._set("ISR", device._get("ISR"))

    def _watch(self, cycle: int) -> None:
        assert self.device._get("STATUS") & 0b1100 == 0
        assert cycle < MOST, "the chip does not stop"
