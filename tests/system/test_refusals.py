"""What the golden machine refuses, the chip refuses: the same code at the same instruction, and no byte is touched."""

import numpy as np
import pytest

from flightvgm_arch.errors import ErrorCode as Code
from flightvgm_arch.isa import BY_NAME, HEADER_BITS, Address, Reg, encode
from flightvgm_sim.golden import records
from harness.refusals import ATTEND, CASES, LOAD, PRODUCT, SITE, STORE, TILES, WALK
from system.board import HOME, SIZE, Board, op

# What costs hardware too much: which rows a list repeats, and how lines were prepared.
UNCHECKED = ("rows of 64 bytes overlap", "was never loaded")
REFUSED = [(case, code) for case, code, text in CASES if not any(words in text for words in UNCHECKED)]
REFUSED = [(case, code) for case, code in REFUSED if code not in {Code.DEADLOCK, Code.WATCHDOG}]


X, Y = HOME + 65536, HOME + 131072  # Where nothing else lies.


@pytest.fixture(scope="module")
def board(make_device):
    return Board(make_device(latency=20))


def good(board, number):
    """A program of all units works, whatever was before it."""
    rng = np.random.default_rng(number)
    board.same()
    board.put(HOME, rng.standard_normal(2048).astype(np.float16))
    board.run(
        [
            op("LOADA", **{**LOAD, "heads": 1, "head_dim": 16}, signals=[(1, 1)]),
            op("LOADA", **{**LOAD, "heads": 1, "head_dim": 16, "target": 1}, signals=[(1, 1)]),
            op("MM", "fp16", **{**PRODUCT, "a_pitch": 64, "b_pitch": 64}, waits=[(1, 2)], signals=[(2, 1)]),
            op("STORE", **{**STORE, "to": HOME + 8192, "count": 2, "row_bytes": 8, "result_pitch": 32}, waits=[(2, 1)]),
            op("SITE", **SITE),
            op("ROWS", "quantise", "norm", "compare", **{**WALK, "out": HOME + 9216, "count": 2}, limit=4, map_out=X),
            op("FILL", to=HOME + 32768, count=3, value=number),
        ]
    )  # fmt: skip


@pytest.mark.parametrize("number", range(len(REFUSED)), ids=lambda number: REFUSED[number][0][0])
def test_what_is_refused_touches_nothing(board, number):
    (name, *flags, fields), code = REFUSED[number]
    # Rows of a store go to memory before the first one that lies in no window.
    spans = [(HOME + 64 * fields["start"], HOME + SIZE)] if name == "STORE" and "start" in fields else []
    before = board.rest(*spans)
    assert board.agree([op(name, *flags, **fields)]).code is code
    assert np.array_equal(board.rest(*spans), before)
    if number % 4 == 0:
        good(board, number)


def word(name, *, bits=0, **operands):
    """An instruction with some more bits set."""
    return (int.from_bytes(encode(op(name, **operands)), "little") | bits).to_bytes(64, "little")


def body(name):
    """First bit behind the fields of an instruction."""
    return HEADER_BITS + sum(item.bits for item in BY_NAME[name].fields)


def field(name, wanted, value):
    """A value in a field, whatever it takes."""
    position = HEADER_BITS
    for item in BY_NAME[name].fields:
        if item.name == wanted:
            return value << position
        position += item.bits
    raise AssertionError(wanted)


WORDS = [
    bytes([0xFF] * 64),
    bytes([10]) + bytes(63),
    bytes([63]) + bytes(63),
    word("END", bits=1 << body("END")),
    word("SET", bits=1 << 511),
    word("FILL", bits=1 << 6),
    word("FILL", bits=1 << 60),
    word("FILL", bits=1 << body("FILL")),
    word("ROWS", bits=1 << 15),
    word("ROWS", bits=1 << body("ROWS")),
    word("LOADA", bits=1 << body("LOADA")),
    word("LOADA", bits=field("LOADA", "target", 3)),
    word("LOADA", bits=field("LOADA", "transform", 3)),
    word("MM", bits=1 << 63),
    word("FILL", bits=field("FILL", "count", (1 << 24) + 32)),
    word("MM", bits=field("MM", "rows", (1 << 25) - 1)),
    word("SITE", bits=field("SITE", "theta_chunk", (1 << 24) + 64)),
]


@pytest.mark.parametrize("number", range(len(WORDS)))
def test_words_that_are_no_instructions_are_refused(board, number):
    before = board.rest()
    for program in ([WORDS[number]], [op("SET", rd=1), op("MARK", site=7), WORDS[number]]):
        error = board.agree(program)
        assert (error.code, error.counter) == (Code.ILLEGAL_INSTRUCTION, len(program) - 1)
    assert np.array_equal(board.rest(), before)
    good(board, number)


STOPS = {
    "a register too large for an extent": [op("SET", rd=1, value=1 << 24), op("FILL", to=HOME, count=Reg(1))],
    "an extent of a front instruction": [
        op("SET", rd=1, value=1 << 39), op("OPEN", "static", rows=Reg(1), largest=1, granule=1),
    ],
    "an address beyond 40 bits": [op("SET", rd=1, value=(1 << 40) - 32), op("FILL", to=Address(1, HOME + 32), count=1)],
    "a misaligned word": [op("SET", rd=1, value=2), op("GET", rd=2, source=Address(1, HOME))],
    "a misaligned register": [op("SET", rd=1, value=16), op("FILL", to=Address(1, HOME), count=1)],
    "a misaligned load": [op("SET", rd=1, value=4), op("LOADA", **{**LOAD, "source": Address(1, HOME)})],
    "a misaligned store": [op("SET", rd=1, value=8), op("STORE", **{**STORE, "to": Address(1, HOME)})],
    "misaligned tiles": [op("SET", rd=1, value=16), op("LOADW", **{**TILES, "source": Address(1, HOME)})],
    "a misaligned walk": [op("SET", rd=1, value=16), op("ROWS", "write_back", **{**WALK, "x": Address(1, HOME)})],
    "a misaligned map": [
        op("SITE", **SITE), op("SET", rd=1, value=16),
        op("ROWS", "quantise", "compare", **{**WALK, "count": 2, "limit": 4}, map_out=Address(1, X)),
    ],
    "a fill across the end": [op("FILL", to=HOME + SIZE - 64, count=3)],
    "a fill across two windows": [op("FILL", to=HOME - 32, count=2)],
    "tiles across the end": [op("LOADW", **{**TILES, "source": HOME + SIZE - 128, "tiles": 2, "depth": 2})],
    "a tile of another size": [op("LOADW", **{**TILES, "tile_bytes": 256}), op("MM", **PRODUCT)],
    "tiles that are left": [
        op("LOADA", **{**LOAD, "source": X}, signals=[(1, 1)]),
        op("LOADW", **{**TILES, "source": X, "tiles": 2, "depth": 2}),
        op("MM", **{**PRODUCT, "a_pitch": 64}, waits=[(1, 1)]),
    ],
    "columns of B in an INT8 product": [op("LOADW", **TILES), op("MM", **{**PRODUCT, "batch0": 2, "db0": 32})],
    "steps of records": [op("LOADW", **TILES), op("MM", **{**PRODUCT, "batch0": 2, "da0": 2})],
    "a band beyond the site": [
        op("SITE", **SITE), op("ROWS", "quantise", "compare", **{**WALK, "first": 1, "count": 2, "limit": 4}, map_out=X)
    ],
    "a count of an open pool": [
        op("SITE", **SITE), op("OPEN", pool=3, counter=1, segments=2, stride=8, largest=1, granule=1),
        op("ROWS", "quantise", "compare", **WALK, limit=4, counter=2),
    ],
    "a count beyond its segment": [
        op("SITE", **SITE),
        op("ROWS", "quantise", "compare", **{**WALK, "out": X, "count": 2}, limit=4, map_out=Y, signals=[(1, 1)]),
        op("OPEN", counter=0, segments=2, stride=3, largest=8, granule=1, waits=[(1, 1)]),
    ],
    "a pool that was not opened": [op("SET", rd=1, value=1), op("TILE", pool=2, count=3)],
    "a semaphore above 63": [op("SET", signals=[(7, 63)]), op("FILL", signals=[(7, 1)])],
    "a semaphore above 63 by the front end": [op("SET", signals=[(7, 63)]), op("SET", signals=[(7, 1)])],
    "a semaphore above 63 by two signals": [op("FILL", signals=[(9, 40), (9, 24)])],
    "a jump outside the windows": [op("LOOP", target=(1 << 24) - 1)],
    "an empty site": [op("ROWS", "quantise", "compare", **WALK, site=5)],
    "an end with a code": [op("SET", rd=3, value=1), op("END", code=255)],
}  # fmt: skip
HALTS = {
    "a wait of the front end": [op("SET"), op("MARK", site=7, waits=[(3, 1)])],
    "a wait of a queue": [op("SET"), op("FILL", to=X, count=1, waits=[(3, 1), (4, 2)])],
    "too few signals": [op("FILL", signals=[(5, 2)]), op("LOADA", waits=[(5, 3)])],
    "a queue that fills": [*[op("ROWS", waits=[(1, 1)])] * 20],
    "tiles that never come": [op("MM", **PRODUCT)],
    "tiles that nobody takes": [
        op("LOADW", **{**TILES, "tiles": 2}, signals=[(1, 1)]),
        op("MM", **{**PRODUCT, "columns": 8}, waits=[(1, 1)]),
    ],
    "a pool that is not emptied": [op("OPEN", "static", rows=4, largest=2, granule=1)] * 2,
}


@pytest.mark.parametrize("name", STOPS)
def test_programs_stop_where_the_golden_machine_does(board, name):
    board.agree(STOPS[name])
    good(board, list(STOPS).index(name))


@pytest.mark.parametrize("name", HALTS)
def test_deadlocks_are_found(board, name):
    error = board.agree(HALTS[name])
    assert error.code is Code.DEADLOCK
    good(board, list(HALTS).index(name))


def test_an_end_has_its_code(board):
    assert board.agree([op("FILL", to=X, count=1, value=1), op("END", code=7)], end=False).counter == 1
    assert board.device._get("END_CODE") == 7
    good(board, 0)
    assert board.device._get("END_CODE") == 0


def numbers(board, what, value):
    """A program that takes a number from memory, in each of its roles."""
    bad = value.view(np.uint8)
    ones = {"x": np.ones((4, 16), np.float16), "y": np.ones((4, 16), np.float16), "p": np.ones((3, 16), np.float32)}
    packed = records.pack(np.ones((4, 16), np.int8), np.ones(4, np.float32), np.full(4, 8, np.int32))
    tiles = records.pack_tiles(np.ones((4, 16), np.int8), np.ones(4, np.float32), np.ones(4, np.float32), 4)
    contents = {**ones, "record": packed, "tile": tiles, "rope": np.ones((4, 16), np.float32)}
    places = {name: X + 4096 * number for number, name in enumerate(contents)}
    for name, content in contents.items():
        raw = content.reshape(-1).view(np.uint8).copy()
        if what in OFFSETS and OFFSETS[what][0] == name:
            raw[OFFSETS[what][1] :][: bad.size] = bad
        board.put(places[name], raw)
    board.put(Y, np.zeros(4, np.uint32))
    vectors = op("LOADA", **{**LOAD, "source": places["p"], "count": 3}, target=2, signals=[(1, 1)])
    table = op("LOADA", **{**LOAD, "source": places["rope"]}, target=2, to=256, signals=[(1, 1)])
    walk = {"x": places["x"], "y": places["y"], "map_in": Y, "width": 16, "count": 4, "out": Y + 4096}
    rows = op("ROWS", "add", "gated", "modulate", "quantise", **walk, shift=64, scale=128, waits=[(1, 2)])
    load = {**LOAD, "source": places["x"], "pitch": 32, "row_bytes": 32, "heads": 1, "head_dim": 16}
    turned = op("LOADA", **load, transform=2, norm=0, rope=256, waits=[(1, 2)])
    bytes_ = op(
        "LOADA", **{**LOAD, "source": places["record"], "pitch": 32, "row_bytes": 32, "to_pitch": 32}, signals=[(2, 1)]
    )
    product = op("MM", **PRODUCT, waits=[(2, 1)])
    weights = op("LOADW", **{**TILES, "source": places["tile"]})
    programs = {"rows": [vectors, table, rows], "load": [vectors, table, turned], "product": [bytes_, weights, product]}
    return programs[OFFSETS[what][2]]


OFFSETS = {
    "a gate": ("p", 4, "rows"), "a shift": ("p", 64 + 60, "rows"), "a scale": ("p", 128, "rows"),
    "a value of x": ("x", 34, "rows"), "a value of y": ("y", 2, "rows"), "a value of a head": ("x", 30, "load"),
    "a weight of the norm": ("p", 8, "load"), "a cosine": ("rope", 192, "load"),
    "the scale of a record": ("record", 24, "product"), "the scale of a channel": ("tile", 64, "product"),
    "a bias": ("tile", 64 + 20, "product"),
}  # fmt: skip


@pytest.mark.parametrize("what", OFFSETS)
def test_numbers_with_which_a_result_could_overflow_are_refused(board, what):
    half = "value" in what
    for number in (np.inf, -np.inf, np.nan, *(() if half else (2.0**48, -(2.0**60)))):
        program = numbers(board, what, np.array([number], np.float16 if half else np.float32))
        assert board.agree(program).code is Code.FIELD_RANGE
        good(board, 3)
    board.run(numbers(board, what, np.array([1 + 2.0**-10], np.float16 if half else np.float32)))


def test_a_row_behind_the_limit_is_not_written(board):
    board.put(X, np.full(4096, 7, np.uint8))
    walk = {**WALK, "x": HOME, "out": X, "map_out": X + 1024, "count": 2}
    error = board.agree([op("SITE", **SITE), op("ROWS", "quantise", "compare", **walk, limit=3)])
    assert (error.code, error.counter) == (Code.COUNT_OVERRUN, 1)
    assert (board.device.read(X + 96, 928) == 7).all()  # Three records at most.
    good(board, 1)


def test_the_law_of_the_ledger_is_held(make_device):
    walk = {**WALK, "x": HOME, "out": X, "map_out": Y, "count": 2, "limit": 4}
    board = Board(make_device())
    mark, site, compare = (
        op("MARK", layer=3, site=1),
        op("SITE", **SITE, macs=5),
        op("ROWS", "quantise", "compare", **walk),
    )
    assert board.agree([mark, site, compare]).code is Code.LEDGER


def test_attention_and_products_are_checked_before_they_begin(board):
    board.put(X, np.full(64, 7, np.uint8))
    for fields in ({"keys": 129}, {"heads": 2}, {"dk": 48}, {"out": 65536}, {"out_pitch": 0}):
        board.agree([op("ATTN", **{**ATTEND, **fields}, signals=[(1, 1)]), op("FILL", to=X, count=1, waits=[(1, 1)])])
        assert (board.device.read(X, 32) == 7).all()
