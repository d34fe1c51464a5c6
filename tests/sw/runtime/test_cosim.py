"""The simulated chip's device, on a chip that is a second golden machine: what it verifies, and what it then says."""

from pathlib import Path

import numpy as np
import pytest

from flightvgm.runtime.cosim import CosimDevice
from flightvgm.runtime.device import DeviceError
from flightvgm.runtime.difference import MismatchError
from flightvgm_arch.isa import Instruction, encode
from flightvgm_arch.presets import TINY
from flightvgm_sim.cosim.build import BuildError
from harness.model_chip import GROUP, Flip

DATA = 4096


def fill(line, value):
    return Instruction("FILL", {"to": DATA + 32 * line, "count": 1, "value": value})


def barrier():
    return Instruction("BARRIER", {"cores": 1})


def mark(layer, site, branch=0):
    return Instruction("MARK", {"layer": layer, "site": site, "branch": branch})


PROGRAM = [
    mark(3, 1), fill(0, 1), barrier(),
    mark(4, 2, 1), fill(1, 2), fill(2, 3), barrier(),
    barrier(),
    fill(0, 5), mark(5, 0), Instruction("END"),
]  # fmt: skip


@pytest.fixture
def make(model_chip):
    def device(**options):
        made = CosimDevice(TINY, "text", **{"verify": True, **options})
        made.allocate(DATA)
        made.allocate(DATA)
        made.write(0, np.frombuffer(b"".join(map(encode, PROGRAM)), np.uint8))
        return made

    return device


def run(device):
    device.start(0)
    device.wait()


def mismatch(device):
    with pytest.raises(MismatchError) as caught:
        run(device)
    return caught.value


def test_a_chip_that_is_right_passes_all_groups(make, model_chip):
    device = make(waveform=Path("a.fst"))
    told = []
    for _ in range(2):
        device.start(0)
        device.wait(told.append)
    assert len(told) == 8
    assert told == sorted(told[:4]) + sorted(told[4:])
    assert len(model_chip.made) == 1


def test_a_chip_that_is_not_verified_runs_through(make, model_chip):
    model_chip.flips.append(Flip(0, DATA))
    run(make(verify=False))
    assert not model_chip.made[0].watched


def test_a_wrong_write_is_found_behind_its_group(make, model_chip):
    model_chip.flips.append(Flip(1, DATA + 32 * 2 + 5, 0x40))  # In what the second FILL of group 1 writes.
    found = mismatch(make()).difference
    group = found.group
    assert (group.number, group.first, group.last) == (1, 3, 6)
    assert (group.began - group.start, group.ended - group.began) == (GROUP + 1, GROUP)
    assert (found.address, found.bytes) == (DATA + 69, 1)
    assert (found.found, found.wanted) == (b"\3\x40\0\0", b"\3\0\0\0")
    assert found.place == (1, 4, 2)
    assert found.writer == ("FILL", 0, 5, 0, 0)
    assert found.cycle - group.began == GROUP - GROUP // 4


def test_a_write_that_nobody_ordered_has_no_writer(make, model_chip):
    model_chip.flips.append(Flip(1, DATA + 7))
    error = mismatch(make())
    assert error.difference.writer is None
    assert error.difference.place == (1, 4, 2)
    assert "byte 0x1007 is 0x01 and should be 0x00, marked branch 1, layer 4, site 2" in str(error)
    assert "written by no instruction of this group, in cycle" in str(error)


def test_memory_that_changes_by_itself_is_found_at_the_next_barrier(make, model_chip):
    model_chip.flips.append(Flip(2, DATA + 33, stamped=False))
    error = mismatch(make())
    assert (error.difference.group.number, error.difference.cycle) == (2, None)
    assert "not written by the chip of group 2 (instructions 7 to 7, cycles" in str(error)


def test_the_last_group_ends_with_the_program(make, model_chip):
    model_chip.flips.append(Flip(3, DATA))
    error = mismatch(make())
    assert error.difference.group.last is None
    assert error.difference.writer.instruction == 8
    assert error.difference.place == (1, 4, 2)  # The MARK behind it changes nothing.
    assert "group 3 (instructions 8 to the end, cycles" in str(error)


def test_the_first_of_several_differences_is_told(make, model_chip):
    """The first in time: what was written comes before what stands there unwritten."""
    model_chip.flips += [Flip(1, DATA + 1, stamped=False), Flip(1, DATA + 64, 3), Flip(1, DATA + 65)]
    found = mismatch(make()).difference
    assert (found.address, found.bytes) == (DATA + 64, 3)


def test_what_is_written_behind_a_meeting_belongs_to_the_next_group(make, model_chip, monkeypatch):
    """A meeting that is told late: its cycle counts."""
    device = make()
    late = Flip(0, DATA + 96)
    model_chip.flips.append(late)
    take = model_chip._take

    def later(chip):
        take(chip)
        if chip._group == 0:
            chip.stamps[late.address // 32] = chip.cycle

    monkeypatch.setattr(model_chip, "_take", later)
    assert mismatch(device).difference.group.number == 1


def test_a_barrier_that_the_chip_does_not_pass_is_told(make, model_chip, monkeypatch):
    monkeypatch.setattr(model_chip, "skips", 1)
    with pytest.raises(DeviceError, match=r"^group 1 \(instructions 3 to 7, .*comes to BARRIER 7, .* to BARRIER 6$"):
        run(make())
    monkeypatch.setattr(model_chip, "skips", 2)
    assert mismatch(make()).difference.group.last is None


def test_a_chip_that_was_wrong_can_be_started_again(make, model_chip, monkeypatch):
    device = make()
    model_chip.flips.append(Flip(1, DATA + 64))
    mismatch(device)
    model_chip.flips.clear()
    device.write(DATA, device.read(DATA, DATA))
    run(device)


def test_a_waveform_shows_the_cycles_round_the_write(make, model_chip):
    model_chip.flips.append(Flip(1, DATA + 64))
    error = mismatch(make(waveform=Path("a.fst")))
    _, replayed, traced = model_chip.made
    cycle = error.difference.cycle
    assert (replayed.traced, traced.traced) == (None, (Path("a.fst"), max(0, cycle - 2000), cycle + 200))
    assert (replayed.closed, traced.closed) == (True, True)
    assert str(error).endswith(f"; its waveform is in 'a.fst', the write at time {10 * cycle}")


def test_what_a_replay_does_not_show_has_no_waveform(make, model_chip, monkeypatch):
    device = make(waveform=Path("a.fst"))
    replay = device._replay

    def without(*arguments):
        model_chip.flips.clear()
        return replay(*arguments)

    monkeypatch.setattr(device, "_replay", without)
    model_chip.flips.append(Flip(1, DATA + 64))
    assert str(mismatch(device)).endswith("no waveform, because a replay from the same memory did not show it")
    assert len(model_chip.made) == 2


@pytest.mark.parametrize(
    ("obstacle", "words"), [(BuildError("it is full"), "it is full"), (KeyboardInterrupt(), "it was interrupted")]
)
def test_a_difference_is_told_without_its_waveform(make, model_chip, monkeypatch, obstacle, words):
    device = make(waveform=Path("a.fst"))

    def build(*_, **__):
        raise obstacle

    monkeypatch.setattr("flightvgm.runtime.cosim.build", build)
    model_chip.flips.append(Flip(1, DATA + 64))
    assert str(mismatch(device)).endswith(f"; there is no waveform, because {words}")
