import numpy as np
import pytest

from flightvgm_arch.isa import Address, Reg, encode
from flightvgm_sim.machine import MachineError


def observed(bench, op, register, *program, arguments=()):
    """Content of a register after a program, as a number of 32-byte words that FILL writes."""
    target = bench.reserve(1 << 14)
    fill = op("FILL", to=target, count=Reg(register), value=1)
    bench.run(*program, fill, arguments=arguments)
    written = np.flatnonzero(bench.get(target, (1 << 12,), np.uint32) == 0)
    return int(written[0]) // 8


def test_set_and_add(bench, op):
    program = [op("SET", rd=1, value=100), op("ADD", rd=2, rs=1, value=-58)]
    assert observed(bench, op, 2, *program) == 42


def test_add_wraps_at_forty_bits(bench, op):
    program = [op("SET", rd=1, value=(1 << 40) - 1), op("ADD", rd=2, rs=1, value=8)]
    assert observed(bench, op, 2, *program) == 7


def test_register_zero_stays_zero(bench, op):
    assert observed(bench, op, 2, op("SET", rd=0, value=9), op("ADD", rd=2, rs=0, value=3)) == 3


def test_arguments_lie_in_the_upper_registers(bench, op):
    assert observed(bench, op, 18, arguments=(1, 2, 3)) == 3


def test_get_reads_a_word_at_any_multiple_of_four(bench, op):
    words = bench.put(np.arange(10, 20, dtype=np.uint32))
    program = [op("SET", rd=1, value=words + 12), op("GET", rd=2, source=Address(1))]
    assert observed(bench, op, 2, *program) == 13


def test_loop_repeats_and_jump_skips(bench, op):
    program = [
        op("SET", rd=1, value=5),
        op("ADD", rd=2, rs=2, value=3),
        op("LOOP", rd=1, target=1),
        op("LOOP", rd=0, target=5),
        op("SET", rd=2, value=99),
    ]
    assert observed(bench, op, 2, *program) == 15


def test_tiles_come_in_order_and_then_branch(bench, op):
    """Sum the starts and counts of the units of 10 rows of at most 4: (0, 4), (4, 4), (8, 2)."""
    target = bench.reserve(1 << 14)
    bench.run(
        op("OPEN", "static", pool=3, rows=10, largest=4, granule=2),
        op("TILE", "branch", pool=3, start=1, count=2, target=4),
        op("FILL", to=Address(4, target), count=Reg(2), value=5),
        op("LOOP", rd=0, target=6),
        op("FILL", to=target + 320, count=Reg(2), value=9),
        op("LOOP", rd=0, target=8),
        op("ADD", rd=4, rs=4, value=128),
        op("LOOP", rd=0, target=1),
    )
    words = bench.get(target, (96,), np.uint32)
    assert (words[:80] == 5).all()
    assert not words[80:].any()


@pytest.mark.parametrize(("register", "content"), [(1, 9), (2, 0)])
def test_without_branch_an_empty_pool_gives_a_count_of_zero(bench, op, register, content):
    program = [
        op("OPEN", "static", pool=0, rows=Reg(16), largest=8, granule=8),
        op("SET", rd=1, value=9),
        op("SET", rd=2, value=9),
        op("TILE", pool=0, start=1, count=2, target=77),
    ]
    assert observed(bench, op, register, *program, arguments=(0,)) == content


def test_the_queues_run_while_the_front_end_waits(bench, op):
    """More stores than a queue holds, and a front end that waits for their signal."""
    target = bench.reserve(64 * 32)
    fills = [op("FILL", to=target + 32 * n, count=1, value=n + 1, signals=[(4, 1)]) for n in range(40)]
    bench.run(*fills, op("SET", rd=1, value=target, waits=[(4, 40)]), op("FILL", to=Address(1), count=1, value=77))
    assert bench.get(target, (64, 8), np.uint32)[:, 0].tolist() == [77, *range(2, 41), *[0] * 24]


def test_a_queue_holds_16_instructions(bench, op):
    target = bench.reserve(32)
    fills = [op("FILL", to=target, count=1, value=n, waits=[(4, 1)]) for n in range(17)]
    bench.run(*fills[:16], op("SET", signals=[(4, 16)]))
    assert bench.get(target, (1,), np.uint32)[0] == 15
    with pytest.raises(MachineError, match="front end for room in the queue of FILL"):
        bench.run(*fills, op("SET", signals=[(4, 17)]))


def test_control_flow_may_wait_and_signal(bench, op):
    target = bench.reserve(64)
    bench.run(
        op("SET", rd=1, value=1, signals=[(0, 2), (1, 1)]),
        op("FILL", to=target, count=1, value=3, waits=[(0, 2), (1, 1)], signals=[(2, 63)]),
        op("MARK", layer=1, site=7, waits=[(2, 63)]),
    )
    assert bench.get(target, (8,), np.uint32)[0] == 3


def test_waits_subtract_what_they_wait_for(bench, op):
    target = bench.reserve(64)
    bench.run(
        op("SET", rd=0, signals=[(0, 3)]),
        op("MARK", site=7, waits=[(0, 1)]),
        op("FILL", to=target, count=1, value=1, waits=[(0, 1), (0, 1)]),
    )
    assert bench.get(target, (1,), np.uint32)[0] == 1
    with pytest.raises(MachineError, match=r"queue store at 1 for semaphore 0 >= 2 \(it is 1\)"):
        bench.run(op("SET", signals=[(0, 1)]), op("FILL", to=target, count=1, waits=[(0, 1), (0, 1)]))


def test_a_program_may_be_changed_between_runs(bench, op):
    target = bench.reserve(32)
    entry = bench.put(np.zeros(128, np.uint8))
    for value in (5, 6):
        code = b"".join(encode(item) for item in (op("FILL", to=target, count=1, value=value), op("END")))
        bench.machine.memory.write(entry, np.frombuffer(code, np.uint8))
        bench.machine.start(entry)
        bench.machine.run()
        assert bench.get(target, (1,), np.uint32)[0] == value


def test_progress_reports_instructions(bench, op):
    calls = []
    code = [op("SET", rd=1, value=3000), op("FILL"), op("LOOP", rd=1, target=1), op("END")]
    entry = bench.put(np.frombuffer(b"".join(map(encode, code)), np.uint8))
    bench.machine.start(entry)
    bench.machine.run(progress=calls.append)
    assert calls == sorted(set(calls))
    assert calls
    assert bench.machine.steps == 6002
    assert bench.machine.counters.to_dict()["instructions_store"] == 3000
