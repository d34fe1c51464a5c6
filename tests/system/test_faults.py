"""Memory that answers with errors, programs that hang, and resets: the chip stops, says where, and runs again."""

from contextlib import suppress

import numpy as np
import pytest

from flightvgm.runtime.device import DeviceError
from flightvgm_arch.errors import ErrorCode as Code
from flightvgm_arch.memory import LEDGER_BYTES
from flightvgm_arch.presets import TINY
from flightvgm_sim.golden import quantize, records
from harness.refusals import LOAD, SITE
from system.board import HOME, MOST, Board, op
from system.tasks import Stream

PLACES = {
    name: HOME + 4096 * (number + 1)
    for number, name in enumerate(
        ("word", "tiles", "rows", "map", "norm", "x", "y", "map_in", "out", "map_out", "list", "to", "fill", "linear")
    )
}
PCS = {
    "word": 0, "norm": 1, "rows": 2, "map": 2, "tiles": 4, "list": 6, "to": 6, "x": 8, "y": 8, "map_in": 8, "out": 8,
    "map_out": 8, "linear": 9, "fill": 10,
}  # fmt: skip
WIDTH = 40
SLVERR, DECERR = 2, 3


def program():
    """Instructions that touch each of the places, one after the other."""
    return [
        op("GET", rd=5, source=PLACES["word"]),
        op("LOADA", **{**LOAD, "source": PLACES["norm"], "count": 3, "pitch": 160, "row_bytes": 160, "to_pitch": 160},
           target=2, signals=[(1, 1)]),
        op("LOADA", "mapped", source=PLACES["rows"], pitch=64, count=4, stride=1, outer=1, row_bytes=64, to_pitch=64,
           map=PLACES["map"], signals=[(2, 1)]),
        op("MARK", site=7, waits=[(2, 1)]),
        op("LOADW", source=PLACES["tiles"], tile_bytes=256, tiles=4, depth=2, gate=1),
        op("MM", a_pitch=64, rows=4, k=WIDTH, columns=16, out_pitch=32, batch0=1, batch1=1, signals=[(3, 1)]),
        op("STORE", "scattered", result_pitch=32, to=PLACES["to"], pitch=32, count=4, stride=1, outer=1, row_bytes=32,
           list=PLACES["list"], waits=[(3, 1)], signals=[(4, 1)]),
        op("SITE", **SITE, waits=[(4, 1)]),
        op("ROWS", "add", "gated", "write_back", "norm", "modulate", "quantise", "compare", x=PLACES["x"],
           y=PLACES["y"], map_in=PLACES["map_in"], out=PLACES["out"], map_out=PLACES["map_out"], shift=160, scale=320,
           width=WIDTH, count=2, limit=4, waits=[(1, 1)]),
        op("ROWS", "quantise", x=PLACES["x"], out=PLACES["linear"], width=WIDTH, count=4, signals=[(5, 1)]),
        op("FILL", to=PLACES["fill"], count=9, value=7, waits=[(5, 1)]),
    ]  # fmt: skip


def fill(board, seed=0):
    """Contents of the places."""
    rng = np.random.default_rng(seed)

    def halves(rows, values):
        return rng.standard_normal((rows, values)).astype(np.float16)

    values, scale = quantize.quantize(halves(4, WIDTH))
    weights = rng.integers(-127, 128, (16, WIDTH)).astype(np.int8)
    numbers = np.array([2, 0, 3, 1], np.uint32)
    contents = {
        "word": numbers, "map": numbers, "list": numbers, "map_in": numbers, "x": halves(4, 48), "y": halves(4, 48),
        "rows": records.pack(values, scale, quantize.correction(values)),
        "tiles": records.pack_tiles(weights, np.ones(16, np.float32), np.zeros(16, np.float32), TINY.columns),
        "norm": rng.standard_normal((3, WIDTH)).astype(np.float32),
    }  # fmt: skip
    board.put(HOME, np.zeros(65536, np.uint8))
    for name, content in contents.items():
        board.put(PLACES[name], content)


@pytest.fixture(scope="module")
def board(make_device):
    return Board(make_device(latency=20))


@pytest.mark.parametrize("response", [SLVERR, DECERR], ids=["SLVERR", "DECERR"])
@pytest.mark.parametrize("name", PLACES)
def test_memory_that_answers_with_an_error_stops_the_chip(board, name, response):
    """With its code, the instruction and the address; nothing behind that instruction is written."""
    fill(board)
    place = PLACES[name]
    board.chip.corrupt(place, place + 32, response)
    error = board.stop(program())
    board.chip.corrupt(0, 0, 0)
    assert error.code is {SLVERR: Code.AXI_SLVERR, DECERR: Code.AXI_DECERR}[response]
    assert error.counter == PCS[name]
    assert place <= error.address < place + 4096
    assert name == "fill" or not board.device.read(PLACES["fill"], 288).any()
    board.same()
    fill(board, response)
    board.run(program())
    assert board.device.read(PLACES["fill"], 288).any()


def test_an_instruction_that_cannot_be_read_stops_the_chip(board):
    for line, response, code in ((0, SLVERR, Code.AXI_SLVERR), (64 * 5, DECERR, Code.AXI_DECERR)):
        fill(board)
        board.chip.corrupt(line, line + 64, response)
        error = board.stop(program())
        board.chip.corrupt(0, 0, 0)
        assert (error.code, error.counter) == (code, line // 64)
        board.same()
        fill(board)
        board.run(program())


def test_a_ledger_that_cannot_be_reached_stops_the_chip(make_device):
    board = Board(make_device())
    fill(board)
    table = TINY.memory_bytes - LEDGER_BYTES
    board.chip.corrupt(table, table + LEDGER_BYTES, DECERR)
    assert board.stop(program()).code is Code.AXI_DECERR
    board.chip.corrupt(0, 0, 0)
    board.same()
    fill(board)
    board.run(program())


def test_a_jump_in_a_circle_is_no_progress(make_device):
    board = Board(make_device(watchdog=1000))
    for loop in ([op("LOOP")], [op("SET", rd=1), op("ADD", rd=1, rs=1, value=1), op("LOOP", target=1)]):
        assert board.stop(loop).code is Code.WATCHDOG
        board.same()
        fill(board)
        board.run(program())


def test_memory_that_does_not_answer_in_time_stops_the_chip(make_device):
    """Its bursts are drained, so that the next start finds an empty bus."""
    board = Board(make_device(latency=4000, watchdog=1000))
    fill(board)
    assert board.stop(program()).code is Code.WATCHDOG
    board.device._watchdog = 0
    board.same()
    board.run([op("FILL", to=HOME, count=1, value=3)])
    assert board.device.read(HOME, 1) == 3


def stream(seed):
    rng = np.random.default_rng(seed)
    made = Stream(rng, TINY)
    made.fill(int(rng.integers(3, 7)))
    return made


class Slot:
    """Windows of a device for a random program."""

    def __init__(self, device, made) -> None:
        self.device, self.made = device, made
        self.entry = device.allocate(made.code().size)
        self.base = device.allocate(made.image().size)
        self.restore()

    def restore(self) -> None:
        """Memory as it was before the first run, on both machines."""
        self.device.write(self.entry, self.made.code())
        self.device.write(self.base, self.made.image())

    def start(self) -> None:
        self.device.start(self.entry, [self.base])

    def run(self) -> None:
        self.start()
        self.device.wait(self.limit)

    def limit(self, cycle: int) -> None:
        assert self.device._get("ID"), "the control port answers"
        assert cycle < MOST, "the chip does not stop"


@pytest.mark.parametrize("seed", range(6))
def test_a_reset_in_the_middle_of_a_run_leaves_a_chip_that_works(make_device, seed):
    rng = np.random.default_rng(seed)
    device = make_device(latency=int(rng.integers(1, 100)), stall=float(rng.choice([0, 0.3])), seed=seed)
    board = Board(device)
    broken, good = Slot(device, stream(seed)), Slot(device, stream(seed + 50))
    for _ in range(4):
        broken.start()
        finished = device._chip.run(int(rng.integers(1, 2000)))
        board.reset()
        assert finished or device._get("ERROR") == Code.NONE
        broken.restore()
        good.restore()
        good.run()


def test_a_reset_of_a_chip_that_stands_still_changes_nothing(board):
    fill(board)
    board.run(program())
    before = board.rest()
    board.reset()
    assert np.array_equal(board.rest(), before)
    fill(board)
    board.run(program())


def flipped(rng, made):
    """A program with some bits that are wrong."""
    code = made.code().copy()
    for _ in range(int(rng.integers(1, 4))):
        bit = int(rng.integers(512 * (code.size // 64)))
        code[bit // 8] ^= 1 << bit % 8
    return code


def spoiled(rng, made):
    """An image with numbers that are none, and map entries that lead nowhere."""
    image = made.image().copy()
    words = image[: image.size // 4 * 4].view(np.uint32)
    chosen = rng.integers(words.size, size=int(rng.integers(1, 30)))
    words[chosen] = rng.choice([0x7FC00000, 0xFFFFFFFF, 0x7C007C00, 1 << 23], chosen.size)
    return image


@pytest.mark.parametrize("kind", ["bits", "data", "bus"])
@pytest.mark.parametrize("first", range(0, 30, 10))
def test_whatever_is_wrong_the_chip_stops_and_runs_the_next_program(make_device, kind, first):
    """Wrong programs may hurt what they are allowed to write, but nothing beyond."""
    for seed in range(first, first + 10):
        rng = np.random.default_rng(seed + 1_000_000)
        device = make_device(latency=int(rng.integers(1, 60)), seed=seed, watchdog=5000)
        broken, good = Slot(device, stream(seed)), Slot(device, stream(999))
        if kind == "bits":
            device.write(broken.entry, flipped(rng, broken.made))
        elif kind == "data":
            device.write(broken.base, spoiled(rng, broken.made))
        else:
            first_bad = int(rng.integers(broken.entry, broken.base + broken.made.image().size)) // 32 * 32
            device._chip.corrupt(first_bad, first_bad + 320, SLVERR)
        with suppress(DeviceError):  # It stops, or is refused by the golden machine alone, or undoes an order.
            broken.run()
        device._chip.corrupt(0, 0, 0)
        edge = -(-device._top // 4096) * 4096
        assert not device._chip.memory[edge : TINY.memory_bytes - LEDGER_BYTES].any(), f"seed {seed}"
        broken.restore()
        good.restore()
        good.run()
