import numpy as np
import pytest

from flightvgm_arch.errors import ErrorCode
from flightvgm_arch.presets import V80
from flightvgm_arch.registers import WINDOWS
from flightvgm_sim.machine import FaultError, Machine
from flightvgm_sim.machine.memory import Memory


@pytest.fixture
def memory():
    memory = Memory(1 << 20)
    memory.open_window(4096, 8192)
    memory.open_window(65536, 64)
    return memory


def test_a_window_reads_zero_and_then_what_was_written(memory):
    assert not memory.read(4096, 8192).any()
    memory.write(5000, np.array([1, -2], np.int32))
    assert memory.read(5000, 8).view(np.int32).tolist() == [1, -2]
    memory.read(5000, 8)[:] = 0
    assert memory.read(5000, 8).view(np.int32).tolist() == [1, -2]


@pytest.mark.parametrize(("address", "size"), [(4095, 2), (12287, 2), (0, 1), (65600, 1), (1 << 40, 4), (8192, 60000)])
def test_an_access_outside_the_windows_is_refused(memory, address, size):
    with pytest.raises(FaultError, match="lie in no open window; open one") as caught:
        memory.read(address, size)
    assert caught.value.code is ErrorCode.ADDRESS_WINDOW


@pytest.mark.parametrize(
    ("address", "size"), [(4096, 32), (4064, 64), (12256, 64), (0, 1 << 20), (16, 32), (1 << 20, 32), (-32, 32), (0, 0)]
)
def test_a_window_that_overlaps_or_leaves_the_memory_is_refused(memory, address, size):
    with pytest.raises(FaultError, match="window of"):
        memory.open_window(address, size)


def test_adjacent_windows_are_two(memory):
    memory.open_window(12288, 4096)
    memory.write(12288, np.arange(4, dtype=np.uint8))
    with pytest.raises(FaultError):
        memory.read(12280, 16)


def test_rows_gather_and_scatter_across_windows(memory):
    numbers = np.array([5, 1919, 2, 5])
    rows = np.arange(3 * 32, dtype=np.uint8).reshape(3, 32)
    memory.scatter(4096, 32, numbers[:1], rows[:1])
    memory.scatter(4096, 32, np.array([1920, 2]), rows[1:])
    assert np.array_equal(memory.gather(4096, 32, np.array([5, 1920, 2, 5]), 32), rows[[0, 1, 2, 0]])
    with pytest.raises(FaultError):
        memory.gather(4096, 32, numbers, 32)


def test_a_scatter_that_fails_writes_nothing(memory):
    with pytest.raises(FaultError):
        memory.scatter(4096, 32, np.array([0, 1, 256]), np.ones((3, 32), np.uint8))
    assert not memory.read(4096, 8192).any()


def test_the_stamp_of_a_page_tells_of_writes(memory):
    before = memory.stamp(4096, 64), memory.stamp(8192, 64)
    memory.scatter(8192, 64, np.array([3, 1]), np.ones((2, 8), np.uint8))
    assert memory.stamp(4096, 64) == before[0]
    assert memory.stamp(8192, 64) > before[1]
    assert memory.stamp(4096, 8192) == memory.stamp(8192, 64)
    memory.write(8190, np.ones(4, np.uint8))
    assert memory.stamp(4096, 64) == memory.stamp(8192, 64) > before[1] + 1


def test_only_windows_of_a_large_memory_cost_something():
    machine = Machine(V80)
    machine.open_window(31 << 30, 4096)
    machine.memory.write((31 << 30) + 8, np.array([7.0]))
    assert machine.memory.read((31 << 30) + 8, 8).view(np.float64)[0] == 7.0


def test_there_are_as_many_windows_as_registers():
    memory = Memory(1 << 16)
    for number in range(WINDOWS):
        memory.open_window(4096 * number, 64)
    with pytest.raises(FaultError, match="all 8 windows are open; open one over neighbouring buffers"):
        memory.open_window(1 << 15, 64)
