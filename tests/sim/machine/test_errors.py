import re

import numpy as np
import pytest

from flightvgm_arch.errors import ErrorCode
from flightvgm_arch.isa import Address, Reg, encode
from flightvgm_sim.machine import FaultError, MachineError

HOME = 4096  # The bench's window begins here and has 1 MiB.
ROWS = {"count": 4, "stride": 1, "outer": 1}
LOAD = {"source": HOME, "pitch": 64, "row_bytes": 64, "to_pitch": 64, **ROWS}
STORE = {"to": HOME, "pitch": 64, "row_bytes": 64, "result_pitch": 64, **ROWS}
PRODUCT = {"rows": 2, "k": 16, "columns": 4, "batch0": 1, "batch1": 1, "a_pitch": 32, "b_pitch": 32, "out_pitch": 32}
ATTEND = {
    "rows": 2, "keys": 2, "heads": 1, "head_dim": 16, "batch": 1, "q_pitch": 32, "k_pitch": 32, "v_pitch": 32,
    "out_pitch": 32, "v": 128,
}  # fmt: skip
WALK = {"x": HOME, "out": HOME, "width": 16, "count": 4}
SITE = {"t": 1, "h": 2, "w": 2, "order": 0b100100, "split": 5, "group": 1, "chunk_rows": 1, "chunk_columns": 1}
TILES = {"source": HOME, "tile_bytes": 128, "tiles": 1, "depth": 1, "gate": 1}

Code = ErrorCode
CASES = [
    (("LOADA", {**LOAD, "source": 1 << 21}), Code.ADDRESS_WINDOW, "lie in no open window"),
    (("LOADA", {**LOAD, "start": (1 << 14) - 1}), Code.ADDRESS_WINDOW, "the 64 bytes at 0x101000 lie in no"),
    (("LOADA", "mapped", {**LOAD, "map": 1 << 21}), Code.ADDRESS_WINDOW, "lie in no open window"),
    (("LOADA", {**LOAD, "to": 64 * 1024 - 192}), Code.BUFFER_OVERRUN, "byte 65600 of buffer A, which has 65536"),
    (("LOADA", {**LOAD, "count": 3, "to": 64 * 1024 - 192}), Code.BUFFER_OVERRUN, "byte 65600 of buffer A, which has"),
    (("LOADA", {**LOAD, "outer": 2, "to_outer": 192}), Code.FIELD_RANGE, "256 bytes and overlap .* widen to_outer"),
    (("LOADA", {**LOAD, "outer": 2, "to_outer": 288}), Code.MISALIGNED, "0x120 in buffer A must be a multiple of 64"),
    (("LOADA", {**LOAD, "target": 2, "to": 16 * 1024}), Code.BUFFER_OVERRUN, "of buffer P, which has 16384"),
    (("LOADA", {**LOAD, "to": 8}), Code.MISALIGNED, "address or step 0x8 in buffer A must be a multiple of 64, to"),
    (("LOADA", {**LOAD, "pitch": 72}), Code.MISALIGNED, "pitch 0x48 must be a multiple of 32"),
    (("LOADA", {**LOAD, "to_pitch": 72}), Code.MISALIGNED, "multiple of 32"),
    (("LOADA", {**LOAD, "row_bytes": 33}), Code.MISALIGNED, "row_bytes 33 must be even"),
    (("LOADA", {**LOAD, "row_bytes": 66}), Code.FIELD_RANGE, "row_bytes 66 must be 1 to"),
    (("LOADA", {**LOAD, "row_bytes": 0}), Code.FIELD_RANGE, "row_bytes 0 must be 1 to"),
    (("LOADA", "transposed", LOAD), Code.FIELD_RANGE, "flag transposed needs target B"),
    (("LOADA", "transposed", {**LOAD, "target": 1}), Code.FIELD_RANGE, "flag transposed needs heads and head_dim"),
    (("LOADA", {**LOAD, "transform": 1}), Code.FIELD_RANGE, "a transform needs heads and head_dim"),
    (("LOADA", {**LOAD, "head_dim": 8}), Code.FIELD_RANGE, "head_dim is 8 without heads; give both"),
    (("LOADA", {**LOAD, "target": 2, "heads": 1, "head_dim": 8}), Code.FIELD_RANGE, "transforms need target A or B"),
    (
        ("LOADA", "transposed", {**LOAD, "target": 1, "transform": 1, "heads": 1, "head_dim": 8}),
        Code.FIELD_RANGE,
        "flag transposed excludes a transform",
    ),
    (("LOADA", {**LOAD, "transform": 1, "heads": 3, "head_dim": 16}), Code.FIELD_RANGE, "3 heads of 16 FP16 channels"),
    (("LOADA", {**LOAD, "transform": 1, "heads": 1, "head_dim": 0}), Code.FIELD_RANGE, "1 heads of 0 FP16 channels"),
    (("LOADA", {**LOAD, "transform": 2, "heads": 1, "head_dim": 15}), Code.FIELD_RANGE, "head_dim 15 must be even"),
    (
        ("LOADA", {**LOAD, "transform": 2, "heads": 1, "head_dim": 32, "rope": 16 * 1024 - 128}),
        Code.BUFFER_OVERRUN,
        "of buffer P",
    ),
    (("LOADW", {**TILES, "source": 1 << 21}), Code.ADDRESS_WINDOW, "lie in no open window"),
    (("LOADW", {**TILES, "tile_bytes": 100}), Code.MISALIGNED, "tiles or their size 0x64"),
    (("LOADW", {**TILES, "depth": 0}), Code.FIELD_RANGE, "depth and its tiles' size must be positive"),
    (("LOADW", {**TILES, "depth": 4, "ring": 65152}), Code.BUFFER_OVERRUN, "of buffer B, which has 65536"),
    (("LOADW", TILES), Code.RING_MISMATCH, "1 weight tiles are left in the ring"),
    (("STORE", {**STORE, "to": 1 << 21}), Code.ADDRESS_WINDOW, "lie in no open window"),
    (("STORE", {**STORE, "start": (1 << 14) - 3}), Code.ADDRESS_WINDOW, "lie in no open window"),
    (("STORE", {**STORE, "stride": 0}), Code.FIELD_RANGE, "rows of 64 bytes overlap"),
    (("STORE", {**STORE, "pitch": 32}), Code.FIELD_RANGE, "rows of 64 bytes overlap"),
    (("STORE", "scattered", {**STORE, "list": HOME}), Code.FIELD_RANGE, "rows of 64 bytes overlap"),
    (("STORE", {**STORE, "row_bytes": 0}), Code.MISALIGNED, "row_bytes 0 must be positive"),
    (("STORE", {**STORE, "result": 1 << 16}), Code.BUFFER_OVERRUN, "of buffer R"),
    (("STORE", {**STORE, "result": 16}), Code.MISALIGNED, "buffer R 0x10"),
    (("FILL", {"to": HOME + (1 << 20) - 32, "count": 2}), Code.ADDRESS_WINDOW, "the 64 bytes at 0x100fe0 lie in no"),
    (("MM", {**PRODUCT, "k": 0}), Code.FIELD_RANGE, "k and columns must be positive"),
    (("MM", {**PRODUCT, "columns": 0}), Code.FIELD_RANGE, "k and columns must be positive"),
    (("MM", {**PRODUCT, "columns": 17}), Code.FIELD_RANGE, "17 FP16 results exceed the pitch of 32"),
    (("MM", {**PRODUCT, "a_pitch": 40}), Code.MISALIGNED, "must be a multiple of 32"),
    (("MM", {**PRODUCT, "da0": 16}), Code.MISALIGNED, "the step of operands 0x10 must be a multiple of 32"),
    (("MM", {**PRODUCT, "dout0": 3}), Code.MISALIGNED, "dout0 3 must be even"),
    (("MM", PRODUCT), Code.DEADLOCK, "queue matrix at 0 for weight tiles"),
    (("MM", "fp16", {**PRODUCT, "k": 4097, "a_pitch": 8224}), Code.FIELD_RANGE, "k 4097 exceeds 4096"),
    (("MM", "fp16", {**PRODUCT, "epilogue": 1}), Code.FIELD_RANGE, "an FP16 product has no epilogue"),
    (("MM", "fp16", {**PRODUCT, "a": 65536}), Code.BUFFER_OVERRUN, "of buffer A"),
    (("MM", "fp16", PRODUCT), Code.FIELD_RANGE, "the FP16 row operand at 0x0 of buffer A was never loaded"),
    (("MM", "fp16", {**PRODUCT, "b": 65536}), Code.BUFFER_OVERRUN, "of buffer B"),
    (("ATTN", {**ATTEND, "heads": 0}), Code.FIELD_RANGE, "heads and head_dim must be positive"),
    (("ATTN", {**ATTEND, "keys": 129}), Code.FIELD_RANGE, "129 keys exceed the 128 of the score buffer"),
    (("ATTN", {**ATTEND, "heads": 2}), Code.FIELD_RANGE, "2 heads of 16 exceed the pitch 32 of q"),
    (("ATTN", {**ATTEND, "dk": 48}), Code.MISALIGNED, "pitch or step of k 0x30"),
    (("ATTN", {**ATTEND, "q": 65536}), Code.BUFFER_OVERRUN, "of buffer A"),
    (("ATTN", {**ATTEND, "out": 65536}), Code.BUFFER_OVERRUN, "of buffer R"),
    (("ATTN", ATTEND), Code.FIELD_RANGE, "operand q of attention at 0x0 of buffer A was never loaded"),
    (("ROWS", "gated", WALK), Code.FIELD_RANGE, "flag gated needs flag add"),
    (("ROWS", "to_a", WALK), Code.FIELD_RANGE, "need flag quantise"),
    (("ROWS", "quantise", "to_a", "compare", WALK), Code.FIELD_RANGE, "exclude each other"),
    (("ROWS", "quantise", "compare", WALK), Code.FIELD_RANGE, "site slot 0 is empty"),
    (("ROWS", "quantise", {**WALK, "width": 0}), Code.FIELD_RANGE, "width must be positive"),
    (("ROWS", "quantise", {**WALK, "width": 1025}), Code.FIELD_RANGE, "rows of 1025 channels exceed the 1024"),
    (("ROWS", "write_back", {**WALK, "first": 1 << 16}), Code.ADDRESS_WINDOW, "lie in no open window"),
    (("ROWS", "quantise", {**WALK, "base": 1 << 16}), Code.ADDRESS_WINDOW, "lie in no open window"),
    (("ROWS", "quantise", "to_a", {**WALK, "a": 65472}), Code.BUFFER_OVERRUN, "of buffer A"),
    (("ROWS", "add", {**WALK, "map_in": 1 << 21}), Code.ADDRESS_WINDOW, "lie in no open window"),
    (("ROWS", "from_result", {**WALK, "result_pitch": 0}), Code.FIELD_RANGE, "16 FP16 channels exceed the pitch of 0"),
    (("SITE", {**SITE, "order": 0}), Code.FIELD_RANGE, "must name each of the axes"),
    (("SITE", {**SITE, "split": 15}), Code.FIELD_RANGE, "split 0b1111 must name each of the axes"),
    (("SITE", {**SITE, "t": 0}), Code.FIELD_RANGE, "0 x 2 x 2 of the site must be positive"),
    (("SITE", {**SITE, "group": 0}), Code.FIELD_RANGE, "group 0"),
    (("SITE", {**SITE, "theta_chunk": 65536}), Code.FIELD_RANGE, "theta_chunk 65536 must be below 65536"),
    (("OPEN", {"counter": 60, "segments": 5, "largest": 1, "granule": 1}), Code.FIELD_RANGE, "60 to 64 exceed the 64"),
    (("OPEN", "static", {"rows": 4, "largest": 3, "granule": 2}), Code.FIELD_RANGE, "granule 2 must be positive"),
    (("TILE", {"pool": 1}), Code.FIELD_RANGE, "a pool that it has not opened"),
    (("GET", {"source": 1 << 21}), Code.ADDRESS_WINDOW, "the 4 bytes at 0x200000"),
    (("LOOP", {"target": 1 << 20}), Code.ADDRESS_WINDOW, "lie in no open window"),
    (("LOOP", {}), Code.WATCHDOG, "budget of 20000 instructions is spent"),
    (("MARK", {"waits": [(3, 1)]}), Code.DEADLOCK, r"the front end for semaphore 3 >= 1 \(it is 0\)"),
    (("FILL", {"waits": [(3, 1), (4, 2)]}), Code.DEADLOCK, "store at 0 for semaphore 3 >= 1 .* and semaphore 4 >= 2"),
    (("END", {"code": 9}), Code.END_CODE, "ended with code 9"),
]  # fmt: skip


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
