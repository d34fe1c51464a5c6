"""A chip whose memory stores something wrong is found in the group of instructions in which it happens."""

from itertools import pairwise

import pytest

from flightvgm.recipes import load_recipe
from flightvgm.runtime import cosim
from flightvgm.runtime.cosim import MismatchError
from flightvgm.runtime.places import describe
from flightvgm_arch.presets import TINY
from harness.case import Case
from system.board import HOME, Board, op
from system.test_blocks import check_counters, run

CASE, RECIPE = Case(width=32, heads=2, grid=(2, 1, 2), seed=7), load_recipe("dense")
LINE = 32


def fill(line, value):
    return op("FILL", to=HOME + LINE * line, count=1, value=value)


@pytest.fixture
def groups(monkeypatch):
    """Groups of instructions that were compared."""
    seen = []
    verify = cosim.CosimDevice._verify

    def note(device, golden, group):
        seen.append(group)
        verify(device, golden, group)

    monkeypatch.setattr(cosim.CosimDevice, "_verify", note)
    return seen


@pytest.fixture
def spoil(monkeypatch):
    """Lets the first write to a byte from a cycle on store a wrong bit, on all chips that are made then."""

    def install(address, bits=1, first=0):
        class Spoiled(cosim.Chip):
            def __init__(self, *arguments, **options):
                super().__init__(*arguments, **options)
                self.flip(address, bits, first)

        monkeypatch.setattr(cosim, "Chip", Spoiled)

    return install


@pytest.mark.parametrize("memory", [{"latency": 1}, {"latency": 100}, {"latency": 10, "stall": 0.3}], ids=str)
def test_a_group_ends_where_its_writes_have_happened(make_device, groups, memory):
    """A barrier, whatever its mask, lets a core that is alone pass; the control port is read all the while."""
    device = make_device(**memory)
    program = [
        fill(0, 1), op("BARRIER", cores=1), op("BARRIER", cores=0), fill(1, 2), fill(2, 3), op("BARRIER", cores=0xFFFF)
    ]  # fmt: skip
    Board(device).run(program)
    assert [(group.number, group.first, group.last) for group in groups] == [
        (0, 0, 1), (1, 2, 2), (2, 3, 5), (3, 6, None),
    ]  # fmt: skip
    assert all(before.ended == after.began for before, after in pairwise(groups))
    for line, number in ((0, 0), (1, 2), (2, 2)):
        assert groups[number].began <= device._chip.stamps[HOME // LINE + line] < groups[number].ended


def test_a_compiled_program_is_compared_at_each_barrier(make_device, groups):
    device = make_device()
    run(device, CASE, RECIPE)
    check_counters(device)
    ends = [number for number, group in enumerate(groups) if group.last is None]
    assert len(ends) == 2  # Of prompt and step.
    assert (ends[0] + 1, ends[1] - ends[0]) == (5, 31)


def test_a_chip_that_was_wrong_runs_the_next_program(make_device, spoil):
    """Only the program that is wrong is stopped, in the middle."""
    spoil(HOME + 40, 0x10)
    board = Board(make_device())
    program = [fill(0, 1), op("BARRIER", cores=1), fill(1, 2), op("BARRIER", cores=1), *[fill(2, 7)] * 40]
    with pytest.raises(MismatchError) as caught:
        board.run(program)
    found = caught.value.difference
    assert (found.group.number, found.writer.instruction) == (1, 2)
    assert (found.address, found.found, found.wanted) == (HOME + 40, b"\x12\0\0\0", b"\2\0\0\0")
    assert found.cycle == board.chip.stamps[found.address // LINE]
    board.same()
    board.run(program)


def wrong(make_device, spoil, **options):
    """A product of branch 1 in the first block's second site, one bit of which is stored wrong."""
    program = CASE.compile(TINY, RECIPE)
    address = program.address("y.1") + 3 * program.network.row_pitch + 2 * 21
    spoil(address)
    with pytest.raises(MismatchError) as caught:
        run(make_device(**options), CASE, RECIPE)
    return program, address, caught.value


def test_a_wrong_number_of_a_block_is_named(make_device, spoil):
    program, address, error = wrong(make_device, spoil)
    found = error.difference
    assert (found.address, found.group.number) == (address, 7)
    text = describe(program, 0, found)
    assert text.startswith("spatial_blocks.0, site attn.proj, branch 1: row 3, channel 21 of region 'y.1' is ")
    assert "; row tile 0, column tile 5 of the STORE at instruction " in text
    assert f", in cycle {found.cycle - found.group.start} of group 7 (instructions {found.group.first} to " in text


@pytest.mark.slow  # The model that traces is built beside the other one.
def test_a_waveform_is_written_round_a_wrong_number(make_device, spoil, tmp_path):
    waveform = tmp_path / "difference.fst"
    _, address, error = wrong(make_device, spoil, waveform=waveform, stall=0.1)
    assert error.difference.address == address
    assert str(error).endswith(f"its waveform is in '{waveform}', the write at time {10 * error.difference.cycle}")
    assert waveform.stat().st_size > 10_000
