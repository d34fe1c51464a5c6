import numpy as np
import pytest

from flightvgm_arch.formats import fp16_pitch
from flightvgm_arch.isa import Event, Instruction, encode
from flightvgm_arch.presets import TINY
from flightvgm_sim.machine import Machine


def assemble(name, *flags, waits=(), signals=(), **operands):
    waits, signals = (tuple(Event(*event) for event in events) for events in (waits, signals))
    return Instruction(name, operands, frozenset(flags), waits, signals)


class Bench:
    """A machine with one window of 1 MiB at address 4096, and the host's side of it."""

    BASE = 4096

    def __init__(self, config=TINY, *, seed=None, size=1 << 20):
        self.machine = Machine(config, order_seed=seed)
        self.machine.open_window(self.BASE, size)
        self._next = self.BASE

    def reserve(self, size):
        address = self._next
        self._next += -(-size // 32) * 32
        return address

    def put(self, array):
        address = self.reserve(np.asarray(array).nbytes)
        self.machine.memory.write(address, np.asarray(array))
        return address

    def put_rows(self, rows):
        """FP16 rows at their pitch."""
        padded = np.zeros((len(rows), fp16_pitch(rows.shape[1]) // 2), np.float16)
        padded[:, : rows.shape[1]] = rows
        return self.put(padded)

    def get(self, address, shape, dtype):
        size = int(np.prod(shape)) * np.dtype(dtype).itemsize
        return self.machine.memory.read(address, size).view(dtype).reshape(shape)

    def get_rows(self, address, count, width):
        """FP16 rows at their pitch."""
        return self.get(address, (count, fp16_pitch(width) // 2), np.float16)[:, :width]

    def buffer(self, name, address, shape, pitch, dtype, core=0):
        """Rows of a buffer."""
        rows, values = shape
        found = self.machine.buffer(core, name)[address : address + rows * pitch].reshape(rows, pitch)
        return found[:, : values * np.dtype(dtype).itemsize].copy().view(dtype)

    def run(self, *program, arguments=(), budget=20_000, end=True):
        """Place a program behind what was put, and run it."""
        code = [*program, assemble("END")] if end else list(program)
        entry = self.put(np.frombuffer(b"".join(encode(instruction) for instruction in code), np.uint8))
        self.machine.start(entry, arguments)
        self.machine.run(budget)


@pytest.fixture(scope="session")
def op():
    return assemble


@pytest.fixture(scope="session")
def make_bench():
    return Bench


@pytest.fixture
def bench():
    return Bench()


@pytest.fixture
def rng():
    return np.random.default_rng(7)
