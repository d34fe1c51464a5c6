import re

import numpy as np
import pytest

from flightvgm_arch.errors import ErrorCode
from flightvgm_arch.isa import Address, Reg, encode
from flightvgm_sim.machine import FaultError, MachineError
from harness.refusals import CASES, HOME, LOAD, PRODUCT, SITE, TILES, WALK


@pytest.mark.parametrize(
    ("case", "code", "text"), CASES, ids=lambda value: value[0] if isinstance(value, tuple) else None
)
def test_the_machine_stops_with_one_sentence_and_leaves_memory(bench, op, case, code, text):
    name, *flags, fields = case
    entry = HOME + 65536
    program = np.frombuffer(b"".join(map(encode, (op(name, *flags, **fields), op("END")))), np.uint8)
    bench.machine.memory.write(entry, program)
    before = bench.get(HOME, (1 << 20,), np.uint8)
    bench.machine.start(entry)
    with pytest.raises(MachineError, match=text) as caught:
        bench.machine.run(budget=20_000)
    error = caught.value
    assert error.code is code
    assert re.match(r"core 0 stopped at instruction \d+ \(.+\): ", str(error))
    assert "\n" not in str(error)
    if code is not ErrorCode.RING_MISMATCH and (name, fields) != ("LOOP", {"target": 1 << 20}):
        assert f"({name}" in str(error)
        assert error.counter == 0
    assert np.array_equal(bench.get(HOME, (1 << 20,), np.uint8), before)


def test_rows_are_not_loaded_over_tiles_in_flight(bench, op):
    with pytest.raises(MachineError, match="overlap the ring at 0x80 with tiles in flight") as caught:
        bench.run(op("LOADW", **TILES, ring=128, signals=[(1, 1)]), op("LOADA", **LOAD, target=1, waits=[(1, 1)]))
    assert caught.value.code is ErrorCode.RING_MISMATCH


def test_a_tile_of_another_size_is_refused(bench, op):
    with pytest.raises(MachineError, match="next tile has 256 bytes, but 4 channels of 16 values take 128") as caught:
        bench.run(op("LOADW", **{**TILES, "tile_bytes": 256}), op("MM", **PRODUCT))
    assert caught.value.code is ErrorCode.RING_MISMATCH


@pytest.mark.parametrize(
    ("operand", "text"),
    [
        ("weights", "a weight tile's correction does not match"),
        ("rows", "a record at 0x0 of buffer A has a correction"),
    ],
)
def test_corrections_must_match(bench, op, operand, text):
    junk = bench.put(np.full(256, 3, np.uint8))
    zeros = bench.put(np.zeros(256, np.uint8))
    load = {**LOAD, "pitch": 32, "row_bytes": 32, "to_pitch": 32, "source": junk if operand == "rows" else zeros}
    tiles = {**TILES, "source": junk if operand == "weights" else zeros}
    with pytest.raises(MachineError, match=text):
        bench.run(op("LOADA", **load, signals=[(1, 1)]), op("LOADW", **tiles), op("MM", **PRODUCT, waits=[(1, 1)]))


def test_infinities_are_refused(bench, op):
    x = bench.put_rows(np.full((4, 16), np.inf, np.float16))
    with pytest.raises(MachineError, match="a row of x holds an infinity or NaN"):
        bench.run(op("ROWS", "quantise", **{**WALK, "x": x}))


@pytest.mark.parametrize("value", [np.nan, np.inf, 2.0**48, -(2.0**60)])
def test_parameters_with_which_a_result_could_overflow_are_refused(bench, op, value):
    x, scale = bench.put_rows(np.ones((4, 16), np.float16)), bench.put(np.full(16, value, np.float32))
    load = op("LOADA", **{**LOAD, "source": scale, "count": 1}, target=2, signals=[(1, 1)])
    with pytest.raises(MachineError, match=r"of buffer P holds an infinity, NaN or magnitude of 2\^48 or more"):
        bench.run(load, op("ROWS", "quantise", "modulate", **{**WALK, "x": x}, waits=[(1, 1)]))


def test_steps_of_records_are_aligned(bench, op):
    with pytest.raises(MachineError, match="the step of operands 0x2 must be a multiple of 32"):
        bench.run(op("LOADW", **TILES), op("MM", **{**PRODUCT, "batch0": 2, "da0": 2}))


def test_int8_products_have_no_steps_in_b(bench, op):
    with pytest.raises(MachineError, match="db0 and db1 must be zero"):
        bench.run(op("LOADW", **TILES), op("MM", **{**PRODUCT, "batch0": 2, "db0": 32}))


def test_a_walk_beyond_the_site_is_refused(bench, op):
    walk = {**WALK, "first": 1, "count": 2, "map_out": HOME}
    with pytest.raises(MachineError, match="bands 1 to 2 exceed the 2 of the site"):
        bench.run(op("SITE", **SITE), op("ROWS", "quantise", "compare", **walk))


@pytest.mark.parametrize(("planes", "group", "fits"), [(2, 2, False), (1, 2, True), (2, 1, True)])
def test_a_reference_plane_has_room_in_the_row_unit(bench, op, planes, group, fits):
    """Two rows of 29 tokens of 130 channels, where the plane has to wait for others."""
    tokens = planes * 58
    x, out, listed = bench.reserve(tokens * 288), bench.reserve(tokens * 160), bench.reserve(tokens * 4)
    site = {**SITE, "t": planes, "w": 29, "group": group, "chunk_rows": 2, "chunk_columns": 2}
    walk = op("ROWS", "quantise", "compare", x=x, out=out, map_out=listed, width=130, count=1, limit=tokens)
    if fits:
        bench.run(op("SITE", **site), walk)
        return
    with pytest.raises(
        MachineError, match="the reference plane of a band takes 9280 bytes, but the row unit holds 8192"
    ):
        bench.run(op("SITE", **site), walk)


def test_a_count_beyond_its_segment_is_refused(bench, op):
    x, out, listed = bench.reserve(128), bench.reserve(256), bench.reserve(32)
    with pytest.raises(MachineError, match="segment 0 counts 4 rows but has room for 3") as caught:
        bench.run(
            op("SITE", **SITE),
            op(
                "ROWS",
                "quantise",
                "compare",
                x=x,
                out=out,
                map_out=listed,
                width=16,
                count=2,
                limit=4,
                signals=[(1, 1)],
            ),
            op("OPEN", counter=0, segments=2, stride=3, largest=8, granule=1, waits=[(1, 1)]),
        )
    assert caught.value.code is ErrorCode.COUNT_OVERRUN


def test_a_row_beyond_the_limit_is_refused_before_it_is_written(bench, op):
    x, out, listed = bench.reserve(128), bench.put(np.full(256, 7, np.uint8)), bench.put(np.full(32, 7, np.uint8))
    walk = {"x": x, "out": out, "map_out": listed, "width": 16, "count": 2}
    with pytest.raises(MachineError, match="the walk keeps 4 rows, but its segment has room for 3") as caught:
        bench.run(op("SITE", **SITE), op("ROWS", "quantise", "compare", **walk, limit=3))
    assert caught.value.code is ErrorCode.COUNT_OVERRUN
    assert (bench.get(out, (288,), np.uint8) == 7).all()
    bench.run(op("SITE", **SITE), op("ROWS", "quantise", "compare", **walk, limit=4))
    assert bench.machine.counts[0] == 4


@pytest.mark.parametrize("count", [0, 1])
def test_a_count_of_an_open_pool_stays(bench, op, count):
    opened = {"counter": 1, "segments": 2, "stride": 8, "largest": 1, "granule": 1}
    walk = op("ROWS", "quantise", "compare", **{**WALK, "count": count}, limit=4, counter=2)
    with pytest.raises(MachineError, match="count register 2 belongs to pool 3, which is open; empty the pool first"):
        bench.run(op("SITE", **SITE), op("OPEN", pool=3, **opened), walk)


def test_semaphores_hold_63_and_no_more(bench, op):
    bench.run(op("SET", signals=[(7, 63)]))
    with pytest.raises(MachineError, match="raises semaphore 7 to 64, above 63") as caught:
        bench.run(op("SET", signals=[(7, 63)]), op("FILL", signals=[(7, 1)]))
    assert caught.value.code is ErrorCode.SEMAPHORE_OVERFLOW
    assert caught.value.counter == 1


def test_a_register_that_does_not_fit_an_extent_is_refused(bench, op):
    with pytest.raises(MachineError, match="r1 holds 16777216, which does not fit count"):
        bench.run(op("SET", rd=1, value=1 << 24), op("FILL", to=HOME, count=Reg(1)))


def test_words_that_are_no_instructions_are_refused(bench, op):
    entry = bench.put(np.full(64, 0xFF, np.uint8))
    bench.machine.start(entry)
    with pytest.raises(MachineError, match=r"core 0 stopped at instruction 0 \(not fetched\): opcode 63") as caught:
        bench.machine.run()
    assert caught.value.code is ErrorCode.ILLEGAL_INSTRUCTION


def test_a_misaligned_word_is_refused(bench, op):
    with pytest.raises(MachineError, match="is misaligned; read multiples of 4") as caught:
        bench.run(op("SET", rd=1, value=2), op("GET", rd=2, source=Address(1, HOME)))
    assert caught.value.code is ErrorCode.MISALIGNED


def test_a_start_is_checked(bench):
    with pytest.raises(FaultError, match="not started"):
        bench.machine.run()
    with pytest.raises(FaultError, match="entry 0x1001 must be a multiple"):
        bench.machine.start(0x1001)
    with pytest.raises(FaultError, match="takes 16 arguments, not 17"):
        bench.machine.start(HOME, [0] * 17)
    with pytest.raises(FaultError, match="must fit 40 bits"):
        bench.machine.start(HOME, [1 << 40])


def test_a_stopped_machine_must_be_started_anew(bench, op):
    with pytest.raises(MachineError):
        bench.run(op("TILE", pool=0))
    with pytest.raises(FaultError, match="not started"):
        bench.machine.run()
    bench.run(op("FILL", to=HOME, count=1))
