import numpy as np
import pytest

from flightvgm.runtime import DeviceError, GoldenDevice
from flightvgm_arch.isa import Instruction, Reg, encode
from flightvgm_arch.presets import TINY


def load(device, *items):
    words = np.frombuffer(b"".join(encode(item) for item in items), np.uint8)
    entry = device.allocate(words.size)
    device.write(entry, words)
    return entry


def test_memory_keeps_what_is_written():
    device = GoldenDevice(TINY)
    first, second = device.allocate(100), device.allocate(50)
    assert first % 32 == second % 32 == 0
    assert second >= first + 100
    device.write(second, np.arange(10, dtype=np.float32))
    np.testing.assert_array_equal(device.read(second, 40).view(np.float32), np.arange(10))


def test_a_program_runs_and_is_counted():
    device = GoldenDevice(TINY)
    target = device.allocate(64)
    items = [
        Instruction("FILL", {"to": target, "count": Reg(16), "value": 7}),
        Instruction("END"),
    ]
    device.start(load(device, *items), [2])
    device.wait()
    assert (device.read(target, 64).view(np.uint32) == 7).all()
    assert device.counters()["store_bytes"] == 64
    assert device.counters()["saturations"] == 0
    assert not device.ledger().entries


def test_memory_that_is_not_allocated_is_refused():
    device = GoldenDevice(TINY)
    device.allocate(32)
    with pytest.raises(DeviceError, match="window"):
        device.read(1 << 20, 4)
    with pytest.raises(DeviceError, match="window"):
        device.write(1 << 20, np.zeros(4))


def test_more_memory_than_there_is_is_refused():
    with pytest.raises(DeviceError, match="TINY"):
        GoldenDevice(TINY).allocate(TINY.memory_bytes + 1)


def test_a_stopped_machine_is_an_error():
    device = GoldenDevice(TINY)
    device.start(load(device, Instruction("FILL", {"to": 1 << 22, "count": 1}), Instruction("END")))
    with pytest.raises(DeviceError, match="FILL"):
        device.wait()


def test_a_malformed_start_is_refused():
    with pytest.raises(DeviceError, match="17"):
        GoldenDevice(TINY).start(0, [0] * 17)
