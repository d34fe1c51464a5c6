"""A machine that pauses where all its cores meet, and what it then knows of the memory behind it."""

from dataclasses import replace

import numpy as np
import pytest

from flightvgm_arch.isa import encode
from flightvgm_arch.presets import TINY
from flightvgm_sim.machine import FaultError, MachineError, Place

PAIR = replace(TINY, cores=2)
ALL = 0xFFFF


@pytest.fixture
def make(make_bench, op):
    def start(*program, config=TINY, seed=None, bench=None):
        bench = bench or make_bench(config, seed=seed)
        words = b"".join(encode(item) for item in (*program, op("END")))
        bench.machine.start(bench.put(np.frombuffer(words, np.uint8)))
        return bench

    return start


def fill(op, place, value, **events):
    return op("FILL", to=8192 + 32 * place, count=1, value=value, **events)


def words(bench):
    return bench.machine.memory.read(8192, 128).view("<u4")[::8].tolist()


@pytest.mark.parametrize("seed", [None, 0, 1, 2])
@pytest.mark.parametrize("config", [TINY, PAIR], ids=["one core", "two cores"])
def test_a_machine_pauses_between_what_is_done_and_what_is_not(make, op, config, seed):
    program = [fill(op, 0, 5), op("BARRIER", cores=ALL), op("BARRIER", cores=ALL), fill(op, 1, 6)]
    machine = (bench := make(*program, config=config, seed=seed)).machine
    seen = []
    while (counter := machine.run(pause=True)) is not None:
        seen.append((counter, words(bench)[:2]))
    assert seen == [(1, [5, 0]), (2, [5, 0])]
    assert words(bench)[:2] == [5, 6]
    with pytest.raises(FaultError, match="not started"):
        machine.run(pause=True)


def test_a_machine_that_paused_runs_on_to_its_end(make, op):
    bench = make(op("BARRIER", cores=1), fill(op, 0, 1), op("BARRIER", cores=1), fill(op, 1, 2))
    assert bench.machine.run(pause=True) == 0
    assert bench.machine.run() is None
    assert words(bench)[:2] == [1, 2]


def test_a_core_alone_pauses_at_each_barrier(make, op):
    """Its queues are empty there, whoever else is named."""
    machine = make(op("BARRIER", cores=0), op("BARRIER", cores=2)).machine
    assert [machine.run(pause=True) for _ in range(3)] == [0, 1, None]


def test_several_cores_pause_only_where_all_of_them_meet(make, op):
    program = [op("BARRIER", cores=cores) for cores in (0, 1, 2, ALL)]
    machine = make(*program, config=PAIR).machine
    assert [machine.run(pause=True) for _ in range(2)] == [3, None]


def test_a_start_forgets_a_pause(make, op):
    bench = make(op("BARRIER", cores=1), op("BARRIER", cores=1))
    assert bench.machine.run(pause=True) == 0
    bench.machine.start(4096)
    assert bench.machine.run(pause=True) == 0


def test_a_deadlock_is_no_pause(make, op):
    machine = make(op("BARRIER", cores=1), op("SET", waits=[(0, 1)])).machine
    assert machine.run(pause=True) == 0
    with pytest.raises(MachineError, match="deadlock"):
        machine.run(pause=True)


def test_the_last_writer_of_a_byte_is_known_since_the_last_pause(make, op):
    program = [
        op("MARK", branch=1, layer=2, site=3), fill(op, 0, 1), op("BARRIER", cores=1),
        op("MARK", branch=0, layer=4, site=0), fill(op, 0, 2), fill(op, 0, 3), fill(op, 1, 2),
    ]  # fmt: skip
    machine = make(*program).machine
    machine.run(pause=True)
    origin = machine.origin(8192 + 5)
    assert origin.author == (0, 1, "FILL", Place(1, 2, 3))
    assert (origin.row, origin.byte) == (0, 5)
    assert machine.origin(8192 + 32) is None
    assert machine.place == Place(1, 2, 3)
    machine.run(pause=True)
    assert machine.origin(8192).author == (0, 5, "FILL", Place(0, 4, 0))
    assert machine.origin(8192 + 63).byte == 31


def test_rows_are_numbered_in_the_order_of_their_instruction(make, op, make_bench):
    """A scattered store: the third row that it writes is row 1 of memory."""
    bench = make_bench()
    target, order = bench.reserve(256), bench.put(np.array([3, 0, 1, 2], "<u4"))
    store = op("STORE", "scattered", to=target, pitch=64, result_pitch=32, list=order, count=4, stride=1, outer=1,
               row_bytes=20)  # fmt: skip
    assert make(store, bench=bench).machine.run(pause=True) is None
    origin = bench.machine.origin(target + 64 + 19)
    assert (origin.author.operation, origin.row, origin.byte) == ("STORE", 2, 19)
    assert bench.machine.origin(target + 64 + 20) is None
