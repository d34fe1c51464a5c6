"""ROWS does what the golden model does: rows, write-back, quantised rows, faults, whoever stalls."""

import random
from collections import deque

import cocotb
import numpy as np
from cocotb.triggers import ReadOnly, RisingEdge
from cocotb.utils import get_sim_time

from flightvgm_arch.errors import ErrorCode
from flightvgm_arch.formats import fp16_pitch
from flightvgm_sim.golden.fp import to_fp16
from flightvgm_sim.golden.norm import layer_norm
from flightvgm_sim.golden.quantize import correction, quantize
from flightvgm_sim.golden.residual import modulate, residual
from harness.drive import PARAMETERS, receive, reset, send, start
from harness.layout import pack
from rtl.vector.rows_memory import Memory, serve_result
from rtl.vector.rows_model import row_of, some_row, values_of

LANES, CHANNELS, FIELDS = (PARAMETERS[name] for name in ("lanes", "channels", "fields"))
WORDS, RESULT_BYTES = PARAMETERS["parameter_words"], 32 * PARAMETERS["result_words"]
X, Y, MAP, SIZE = 0x00000, 0x20000, 0x40000, 0x48000
FLAGS = ("from_result", "add", "gated", "write_back", "norm", "modulate", "quantise", "compare", "to_a")
VECTORS = ("gate", "scale", "shift")


class Bench:
    """The row unit, what surrounds it, and what should come of each instruction."""

    def __init__(self, dut):
        self.dut = dut
        self.memory = Memory(dut, SIZE)
        self.result = np.zeros(RESULT_BYTES, np.uint8)
        self.parameters = np.zeros(8 * WORDS, np.float32)
        self.stalls = [0.0]
        self.tokens, self.commands = deque(), deque()
        self.closing, self.values = deque(), deque()
        self.done = self.saturated = self.expected_saturated = 0
        self.asked = self.received = 0  # Groups of quantised rows.
        self.targets = deque()
        self.writes = 0  # Rows to write back.
        self.lenient = False  # Rows before a fault are not looked at.

    async def begin(self):
        await start(self.dut)
        for name in ("x", "y", "map"):
            cocotb.start_soon(self.memory.serve_read(name))
        cocotb.start_soon(self.memory.serve_write("write_back"))
        cocotb.start_soon(serve_result(self.dut, "result", self.result, self.stalls))
        for task in (self._sparsifier(), self._values(), self._rows(), self._watch()):
            cocotb.start_soon(task)

    def stall(self, stalls):
        self.memory.stalls = self.stalls[0] = stalls

    async def _sparsifier(self):
        while True:
            (word,) = await receive(self.dut, "o_command", 1, stalls=self.stalls[0])
            expected, tokens, follows = self.commands.popleft()
            assert word == expected
            await send(self.dut, "i_token", tokens, stalls=self.stalls[0])
            if not (follows and tokens):
                cocotb.start_soon(self._pulse())

    async def _pulse(self):
        for _ in range(random.randrange(1, 6)):
            await RisingEdge(self.dut.clk)
        self.dut.i_done.value = 1
        await RisingEdge(self.dut.clk)
        self.dut.i_done.value = 0

    async def _values(self):
        while True:
            for word in await receive(self.dut, "o_values", 1, stalls=self.stalls[0]):
                assert self.lenient or word == self.values.popleft()
                self.received += 1

    async def _rows(self):
        while True:
            (word,) = await receive(self.dut, "o_row", 1, stalls=self.stalls[0])
            assert self.lenient or word == self.closing.popleft()
            if word >> 24 & 1 and not self.lenient:
                target = self.targets.popleft()
                while self.received < target:
                    await RisingEdge(self.dut.clk)
                await self._pulse()

    async def _watch(self):
        while True:
            await ReadOnly()
            if int(self.dut.done.value):
                self.done += 1
                assert self.memory.answered == self.writes
            self.saturated += int(self.dut.saturations.value)
            await RisingEdge(self.dut.clk)

    async def write_parameters(self):
        for number in range(WORDS):
            part = int.from_bytes(self.parameters[8 * number : 8 * number + 8].tobytes(), "little")
            bits = (WORDS - 1).bit_length()
            self.dut.parameters.value = 1 | number << 1 | part << 1 + bits | 0xFFFF << 257 + bits
            await RisingEdge(self.dut.clk)
        self.dut.parameters.value = 0

    def vector(self, address, width):
        return self.parameters[address // 4 : address // 4 + width]

    def expect(self, fields, flags, tokens):
        """What should come, by the golden model; memory is changed as the instruction changes it."""
        width, pitch = fields["width"], fp16_pitch(fields["width"])
        saved = self.memory.bytes.copy()
        if "from_result" in flags:
            starts = [fields["result"] + number * fields["result_pitch"] for number in range(len(tokens))]
            x = np.stack([self.result[at : at + 2 * width] for at in starts]).view("<f2")
        else:
            x = np.stack([self.memory.read(fields["x"] + token * pitch, 2 * width) for token in tokens]).view("<f2")
        if "add" in flags:
            kept = [int(self.memory.read(fields["map_in"] + 4 * token, 4).view("<u4")[0]) for token in tokens]
            y = np.stack([self.memory.read(fields["y"] + row * pitch, 2 * width) for row in kept]).view("<f2")
            x, saturated = residual(x, y, self.vector(fields["gate"], width) if "gated" in flags else None)
            self.expected_saturated += saturated
        if "write_back" in flags:
            self.writes += len(tokens)
            for token, row in zip(tokens, x, strict=True):
                at = fields["x"] + token * pitch
                saved[at : at + 2 * width] = row.view(np.uint8)
        if "quantise" in flags:
            self._quantised(fields, flags, tokens, x)
            self.targets.append(self.asked)
        return saved

    def _quantised(self, fields, flags, tokens, x):
        v = x
        if flags & {"norm", "modulate"}:
            wide = layer_norm(x) if "norm" in flags else x.astype(np.float32)
            if "modulate" in flags:
                scale, shift = (self.vector(fields[name], fields["width"]) for name in ("scale", "shift"))
                wide = modulate(wide, scale, shift)
            v, saturated = to_fp16(wide)
            self.expected_saturated += saturated
        q, scales = quantize(v)
        for number, token in enumerate(tokens):
            words = values_of(q[number], LANES, token & 0x3FFFF)
            self.values.extend(words)
            self.asked += len(words)
            last = number == len(tokens) - 1
            self.closing.append(row_of(token, last, scales[number], correction(q)[number]))

    def word(self, fields, flags, pc=7):
        values = {f"body.rows.{name}": value for name, value in fields.items()}
        return pack(FIELDS, values | {f"body.rows.flag_{flag}": 1 for flag in flags} | {"pc": pc, "opcode": 20})

    def issue(self, fields, flags, tokens):
        """The word of an instruction, noted for the sparsifier, and the memory that it leaves."""
        word = self.word(fields, flags)
        payloads = [
            token | (number == len(tokens) - 1) << 24 | (token & 0x3FFFF) << 25 for number, token in enumerate(tokens)
        ]
        if tokens or "compare" in flags:
            self.commands.append((word, payloads, "quantise" in flags))
        after = self.expect(fields, flags, tokens) if tokens else self.memory.bytes.copy()
        return word, after

    async def until(self, count, limit=20000):
        for _ in range(limit):
            if self.done >= count:
                return
            await RisingEdge(self.dut.clk)
            assert not int(self.dut.fault.value) & 1, f"fault {int(self.dut.fault.value) >> 1 & 31}"
        raise AssertionError(f"{self.done} of {count} instructions are done")

    async def settled(self):
        assert not self.values
        assert not self.closing
        for _ in range(8):
            await RisingEdge(self.dut.clk)
        assert self.saturated == self.expected_saturated
        assert not int(self.dut.busy.value)


def some_instruction(bench, width, rows, flags=None):
    """Fields, flags and tokens; operands are written where the instruction finds them."""
    if flags is None:
        flags = {flag for flag in FLAGS[:7] if random.random() < 0.6}
        flags -= set() if "add" in flags else {"gated"}
        flags |= {random.choice(["compare", "to_a", "quantise"])} if "quantise" in flags else set()
    pitch = fp16_pitch(width)
    span = min(40, (Y - X) // pitch)
    tokens = sorted(random.sample(range(span), min(rows, span)))
    if "compare" in flags:
        random.shuffle(tokens)
    else:
        first = random.randrange(span - rows + 1)
        tokens = list(range(first, first + rows))
    result_pitch = pitch + 32 * random.randrange(3)
    fields = {
        "x": X + 32 * random.randrange(2),
        "y": Y,
        "map_in": MAP + 32 * random.randrange(3),
        "width": width,
        "first": 1,
        "count": max(1, rows),
        "result": 32 * random.randrange(4),
        "result_pitch": result_pitch,
    }
    for number, name in enumerate(VECTORS):
        fields[name] = 32 * (number * (WORDS // 3) + random.randrange(4))
    kept = np.array([random.randrange(span) for _ in range(span)], "<u4")
    bench.memory.write(fields["map_in"], kept)
    for number in range(span):
        bench.memory.write(fields["x"] + number * pitch, some_row(width))
        bench.memory.write(fields["y"] + number * pitch, some_row(width))
    for number in range(rows):
        at = fields["result"] + number * result_pitch
        bench.result[at : at + 2 * width] = some_row(width).view(np.uint8)
    return fields, flags, tokens


async def prepared(dut):
    bench = Bench(dut)
    await bench.begin()
    bench.parameters[:] = [random.gauss(0, 1) for _ in range(8 * WORDS)]
    bench.parameters[::17] = np.float32(2.0**-130)  # Counts as zero.
    bench.parameters[5::31] = np.float32(2.0**40)
    await bench.write_parameters()
    return bench


@cocotb.test()
async def instructions_equal_the_golden_ones(dut):
    bench = await prepared(dut)
    cases = [(144, 0.0), (144, 0.3), (1, 0.0), (8, 0.5), (10, 0.3), (37, 0.0), (37, 0.7), (16, 0.2), (9, 0.9)]
    everything = {"add", "gated", "write_back", "norm", "modulate", "quantise", "compare"}
    for number, (width, stalls) in enumerate(cases * 2 if LANES == 4 else cases):
        bench.stall(stalls)
        rows = random.choice([1, 2, 5])
        fields, flags, tokens = some_instruction(bench, width, rows, everything if number in {0, 5, 12} else None)
        word, after = bench.issue(fields, flags, tokens)
        await send(dut, "command", [word])
        await bench.until(number + 1)
        assert (bench.memory.bytes == after).all(), f"memory after {sorted(flags)} of width {width}"
        await bench.settled()


@cocotb.test()
async def the_widest_rows_fit(dut):
    bench = await prepared(dut)
    flags = {"add", "gated", "write_back", "norm", "modulate", "quantise"}
    fields, flags, tokens = some_instruction(bench, CHANNELS, 3, flags)
    word, after = bench.issue(fields, flags, tokens)
    await send(dut, "command", [word])
    await bench.until(1)
    assert (bench.memory.bytes == after).all()
    await bench.settled()


@cocotb.test()
async def no_rows_are_done_at_once(dut):
    bench = await prepared(dut)
    fields, _, _ = some_instruction(bench, 16, 1)
    for number, flags in enumerate(({"quantise"}, {"quantise", "compare"}, set())):
        word, _ = bench.issue(fields | {"count": 0}, flags, [])
        await send(dut, "command", [word])
        await bench.until(number + 1, 60)
    assert not bench.commands
    assert not bench.memory.requests


@cocotb.test()
async def rows_follow_each_other(dut):
    bench = await prepared(dut)
    flags = {"add", "gated", "write_back", "norm", "modulate", "quantise"}
    spent = []
    for rows in (4, 24):
        fields, flags, tokens = some_instruction(bench, 144, rows, flags)
        word, _ = bench.issue(fields, flags, tokens)
        began = get_sim_time("ns")
        await send(dut, "command", [word])
        await bench.until(bench.done + 1)
        spent.append((get_sim_time("ns") - began) / 10)
    groups = 144 // LANES
    dut._log.info(f"4 and 24 rows of {groups} groups take {spent} cycles")
    assert spent[1] - spent[0] <= 20 * max(groups, 10) + 20
    assert spent[0] <= 4 * groups + 3 * groups + 190


async def refused(bench, word, code, address=None):
    await send(bench.dut, "command", [word])
    for _ in range(3000):
        await RisingEdge(bench.dut.clk)
        fault = int(bench.dut.fault.value)
        if fault & 1:
            break
    assert fault & 1
    assert ErrorCode(fault >> 1 & 31) == code
    assert fault >> 6 & 0xFFFFFF == 7
    if address is not None:
        assert fault >> 30 == address
    assert not bench.done


BAD = [
    ({}, {"gated"}, ErrorCode.FIELD_RANGE),
    ({}, {"compare"}, ErrorCode.FIELD_RANGE),
    ({"count": 0}, {"to_a"}, ErrorCode.FIELD_RANGE),
    ({}, {"compare", "to_a", "quantise"}, ErrorCode.FIELD_RANGE),
    ({"width": 0}, set(), ErrorCode.FIELD_RANGE),
    ({"width": CHANNELS + 1}, set(), ErrorCode.FIELD_RANGE),
    ({"x": 16}, set(), ErrorCode.MISALIGNED),
    ({"y": Y + 8}, {"add"}, ErrorCode.MISALIGNED),
    ({"map_in": MAP + 4}, {"add"}, ErrorCode.MISALIGNED),
    ({"result": 8}, {"from_result"}, ErrorCode.MISALIGNED),
    ({"result_pitch": 40}, {"from_result"}, ErrorCode.MISALIGNED),
    ({"result_pitch": 32, "width": 17}, {"from_result"}, ErrorCode.FIELD_RANGE),
    ({"gate": 4}, {"add", "gated"}, ErrorCode.MISALIGNED),
    ({"shift": 32 * WORDS - 32}, {"modulate", "quantise"}, ErrorCode.BUFFER_OVERRUN),
    ({"scale": 32 * WORDS}, {"modulate", "quantise"}, ErrorCode.BUFFER_OVERRUN),
]


async def begin_again(bench):
    await reset(bench.dut)
    bench.done = 0


@cocotb.test()
async def bad_fields_are_refused_before_the_first_access(dut):
    bench = await prepared(dut)
    for change, flags, code in BAD:
        fields, _, _ = some_instruction(bench, 16, 1, set())
        await refused(bench, bench.word(fields | change, flags), code)
        await begin_again(bench)
    assert not bench.memory.requests


CAUSES = ("infinite_x", "infinite_y", "window", "map", "x", "y", "write", "gate", "shift", "result", "far")
CAUSES = CAUSES if LANES == 4 else CAUSES[:1]  # They do not depend on the lanes.


@cocotb.test()
@cocotb.parametrize(cause=CAUSES)
async def what_goes_wrong_in_the_middle_stops_the_unit(dut, cause):
    bench = await prepared(dut)
    flags = {"add", "gated", "write_back", "norm", "modulate", "quantise"}
    if cause == "result":
        flags |= {"from_result"}
    width, pitch = 24, fp16_pitch(24)
    fields, flags, tokens = some_instruction(bench, width, 3, flags)
    at = fields["x"] + tokens[1] * pitch
    row = fields["y"] + int(bench.memory.read(fields["map_in"] + 4 * tokens[0], 4).view("<u4")[0]) * pitch
    code, address = ErrorCode.FIELD_RANGE, 0
    if cause == "infinite_x":
        bench.memory.write(at + 2 * 23, np.array([np.nan], np.float16))
    elif cause == "infinite_y":
        bench.memory.write(row, np.array([np.inf], np.float16))
    elif cause == "window":
        fields["x"] = SIZE - pitch - tokens[0] * pitch
        code, address = ErrorCode.ADDRESS_WINDOW, SIZE
    elif cause == "map":
        bench.memory.bad[(fields["map_in"] + 4 * tokens[0]) // 32 * 32] = 3
        code, address = ErrorCode.AXI_DECERR, (fields["map_in"] + 4 * tokens[0]) // 32 * 32
    elif cause in {"x", "y"}:
        address = at if cause == "x" else row
        bench.memory.bad[address + 32] = 2
        code = ErrorCode.AXI_SLVERR
    elif cause == "write":
        fields["x"] = 0
        flags |= {"from_result"}
        bench.memory.bad[tokens[1] * pitch] = 2
        code, address = ErrorCode.AXI_SLVERR, tokens[1] * pitch
    elif cause in {"gate", "shift"}:
        bench.parameters[fields[cause] // 4 + 23] = np.float32(-(2.0**48))
        await bench.write_parameters()
    elif cause == "result":
        fields["result"] = RESULT_BYTES - 32 - fields["result_pitch"]
        code = ErrorCode.BUFFER_OVERRUN
    else:  # A row number whose address has more than 40 bits.
        bench.memory.write(fields["map_in"] + 4 * tokens[2], np.array([0xFFFFFFFF], "<u4"))
        code, address = ErrorCode.ADDRESS_WINDOW, None
    word = bench.word(fields, flags)
    payloads = [token | (token == tokens[-1]) << 24 | (token & 0x3FFFF) << 25 for token in tokens]
    bench.commands.append((word, payloads, True))
    bench.lenient = True
    await refused(bench, word, code, address)
