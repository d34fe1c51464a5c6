"""Records, maps, counts and increments are those of the golden model."""

import random
from dataclasses import dataclass, field

import cocotb
import numpy as np
from cocotb.triggers import ClockCycles, ReadOnly, RisingEdge
from cocotb.utils import get_sim_time

from flightvgm_arch.errors import ErrorCode
from flightvgm_arch.formats import record_pitch
from flightvgm_arch.grid import Grid
from flightvgm_sim.golden import quantize, records
from flightvgm_sim.golden.sparsifier import decide
from harness.drive import PARAMETERS, send, start
from harness.layout import pack, unpack
from harness.walk import Step, steps
from harness.writes import WriteMemory

LANES, ROWS, WORDS = PARAMETERS["lanes"], PARAMETERS["rows"], PARAMETERS["words"]
OUT, MAP = 0x12_3456_0000, 0x20_0000_0040


@dataclass
class Job:
    """An instruction, its rows, and what comes of it."""

    word: int
    groups: list[int] = field(default_factory=list)
    rows: list[int] = field(default_factory=list)
    records: dict[int, int] = field(default_factory=dict)
    map: dict[int, int] = field(default_factory=dict)
    a: dict[tuple[int, int], tuple[int, int]] = field(default_factory=dict)
    count: tuple[int, int] | None = None
    increment: dict[str, int] | None = None


def values_of(count, width):
    """Rows of which some are alike, equal, opposite or zero."""
    base = np.random.default_rng(random.getrandbits(32))
    bases = base.integers(-127, 128, (3, width))
    rows = np.zeros((count, width), np.int8)
    for row in rows:
        kind = random.random()
        near = bases[random.randrange(3) if random.random() < 0.3 else 0]
        noise = base.integers(-127, 128, width) * random.choice((0, 0.1, 0.3, 0.6))
        row[:] = np.clip(near * random.choice((1, 1, 1, 0.5, -1)) + noise, -127, 127).astype(np.int8)
        if kind < 0.05:
            row[:] = 0
        elif kind < 0.1:
            row[:] = 127
    return rows


def feed(job, tokens, values, scale, fix):
    groups = -(-values.shape[1] // LANES)
    for n, step in enumerate(tokens):
        row = np.zeros(groups * LANES, np.uint8)
        row[: values.shape[1]] = values[n].view(np.uint8)
        info = {
            "info.middle": step.middle,
            "info.reference": step.reference,
            "info.hold": step.hold,
            "info.slot": step.slot,
        }
        for g in range(groups):
            part = int.from_bytes(row[g * LANES : (g + 1) * LANES].tobytes(), "little")
            marks = {"values": part, "first": int(g == 0), "last": int(g == groups - 1)}
            job.groups.append(pack(PARAMETERS["group"], marks | info))
        meta = {
            "token": step.token,
            "last": int(n == len(tokens) - 1),
            "scale": int(scale[n].view(np.uint32)),
            "correction": int(fix[n]) & 0xFFFFFFFF,
        }
        job.rows.append(pack(PARAMETERS["row"], meta))


def quantised(values):
    scale = np.random.default_rng(random.getrandbits(32)).random(len(values)).astype(np.float32)
    return scale, quantize.correction(values)


def put(memory, address, data):
    for offset, byte in enumerate(data):
        memory[address + offset] = int(byte)


def command(**named):
    return pack(PARAMETERS["command"], {name.replace("__", "."): value for name, value in named.items()})


def body(**named):
    return {f"body.rows.{name}": value for name, value in named.items()}


def compared(grid, size, width, *, first=0, count=None, limit=None, base=None, out=OUT, map_out=MAP):
    bands = grid.bands(**size)
    count = bands - first if count is None else count
    tokens = steps(grid, size, first, count)
    thetas = {
        f"theta_{name}": random.choice((0, 1 << 14, 40000, 60000, 65535, random.getrandbits(16)))
        for name in ("group", "chunk")
    }
    values = values_of(size["t"] * size["h"] * size["w"], width)
    base = random.randrange(1 << 16) if base is None else base
    macs, place, counter = random.getrandbits(40), random.getrandbits(11), random.randrange(64)
    decision = decide(values, grid, **size, first=first, count=count, **thetas)
    kept = len(decision.kept)
    site = {
        f"site.{name}": value for name, value in {**grid.fields, **size, **thetas, "macs": macs, "known": 1}.items()
    }
    flags = body(flag_compare=1, flag_quantise=1)
    fields = body(
        width=width,
        first=first,
        count=count,
        out=out,
        map_out=map_out,
        base=base,
        limit=kept if limit is None else limit,
        counter=counter,
    )
    job = Job(pack(PARAMETERS["command"], {"pc": 99, "place": place, **site, **flags, **fields}))
    job.count = (counter, kept)
    if not count:
        return job
    ordered = values[[step.token for step in tokens]]
    scale, fix = quantised(ordered)
    feed(job, tokens, ordered, scale, fix)
    number = {int(token): base + n for n, token in enumerate(decision.kept)}
    packed = records.pack(ordered, scale, fix)
    pitch = record_pitch(width)
    for n, step in enumerate(tokens):
        if step.token in number:
            put(job.records, out + number[step.token] * pitch, packed[n])
        put(job.map, map_out + 4 * step.token, number[int(decision.root[step.token])].to_bytes(4, "little"))
    offered = len(tokens)
    job.increment = {
        "place": place,
        "rows_offered": offered,
        "rows_kept": kept,
        "macs_offered": offered * macs,
        "macs_skipped": (offered - kept) * macs,
    }
    return job


def linear(count, width, *, to_a, a=0, out=OUT):
    base = random.randrange(1 << 20)
    flags = body(flag_quantise=1, flag_to_a=int(to_a))
    fields = body(width=width, first=5, count=count, out=out, base=base, limit=0, a=a)
    job = Job(pack(PARAMETERS["command"], {"pc": 99, **flags, **fields}))
    values = values_of(count, width)
    scale, fix = quantised(values)
    if count:
        feed(job, [Step(5 + n, 0, 0, 0, 0) for n in range(count)], values, scale, fix)
    packed, pitch = records.pack(values, scale, fix), record_pitch(width)
    for n, record in enumerate(packed):
        if not to_a:
            put(job.records, out + (base + n) * pitch, record)
            continue
        word = a // (32 * ROWS) + n // ROWS * pitch // 32
        for beat in range(pitch // 32):
            data = int.from_bytes(record[32 * beat : 32 * beat + 32].tobytes(), "little")
            job.a[n % ROWS, word + beat] = (data, data >> 192)
    return job


class Bench:
    def __init__(self, dut, stalls):
        self.dut, self.stalls = dut, stalls
        self.memories = {
            name: WriteMemory(dut, name, stalls=stalls, latency=20 if stalls else 3) for name in ("records", "map")
        }
        self.a, self.counts, self.increments, self.done = {}, [], [], 0
        self.done_cycles = []
        self.walks, self.tokens = hasattr(dut, "o_token__ready"), []

    async def watch(self):
        dut = self.dut
        while True:
            dut.a__ready.value = int(random.random() >= self.stalls)
            dut.post__ready.value = int(random.random() >= self.stalls)
            if self.walks:
                dut.o_token__ready.value = int(random.random() >= self.stalls)
            await ReadOnly()
            if int(dut.a__valid.value) and int(dut.a__ready.value):
                write = unpack(PARAMETERS["write"], int(dut.a__payload.value))
                assert write["kind"] == 0
                assert write["strobe"] == 0xFFFF
                assert write["entry_enable"] == 1
                self.a[write["bank"], write["word"]] = (write["data"], write["entry"])
            if self.walks and int(dut.o_token__valid.value) and int(dut.o_token__ready.value):
                self.tokens.append(int(dut.o_token__payload.value))
            if str(dut.count.value)[-1] == "1":  # The lowest bit is its valid bit.
                count = unpack(PARAMETERS["count"], int(dut.count.value))
                self.counts.append((count["counter"], count["value"]))
            if int(dut.post__valid.value) and int(dut.post__ready.value):
                self.increments.append(unpack(PARAMETERS["increment"], int(dut.post__payload.value)))
            if int(dut.done.value):
                assert all(memory.answered for memory in self.memories.values())
                self.done += 1
                self.done_cycles.append(get_sim_time("ns") / 10)
            await RisingEdge(dut.clk)

    async def run(self, jobs, limit):
        dut = self.dut
        await start(dut)
        tasks = [cocotb.start_soon(memory.run()) for memory in self.memories.values()] + [
            cocotb.start_soon(self.watch())
        ]
        for name, payloads in (
            ("i", [job.word for job in jobs]),
            ("i_values", [word for job in jobs for word in job.groups]),
            ("i_row", [word for job in jobs for word in job.rows]),
        ):
            tasks.append(cocotb.start_soon(send(dut, name, payloads, stalls=self.stalls * random.random())))
        cycles = 0
        while self.done < len(jobs) and not int(dut.fault.value) & 1 and cycles < limit:
            await ClockCycles(dut.clk, 5)
            cycles += 5
        await ClockCycles(dut.clk, 5)
        for task in tasks:
            task.cancel()

    def judge(self, jobs):
        assert not int(self.dut.fault.value) & 1
        assert self.done == len(jobs)
        wanted = {}
        for job in jobs:
            wanted |= job.records
        assert self.memories["records"].bytes == wanted
        wanted = {}
        for job in jobs:
            wanted |= job.map
        assert self.memories["map"].bytes == wanted
        wanted = {}
        for job in jobs:
            wanted |= job.a
        assert self.a == wanted
        assert self.counts == [job.count for job in jobs if job.count]
        rest = {"macs_done": 0, "attention_macs": 0, "padding_macs": 0}
        assert self.increments == [job.increment | rest for job in jobs if job.increment]


def grids():
    sizes = [
        (Grid("t / h / w", 2, (2, 2)), {"t": 4, "h": 4, "w": 4}),
        (Grid("t / h / w", 3, (2, 3)), {"t": 5, "h": 3, "w": 5}),
        (Grid("- / t / hw", 1, (4, 1)), {"t": 6, "h": 2, "w": 2}),
        (Grid("t / h / w", 4, (1, 1)), {"t": 5, "h": 2, "w": 3}),
        (Grid("t / h / w", 1, (1, 1)), {"t": 2, "h": 2, "w": 3}),
    ]
    for grid, size in sizes:
        for width in random.sample((1, LANES, 24, 25, 31, 32, 33, 56, 64, 100), 1 if LANES > 8 else 2):
            yield grid, size, width


@cocotb.test()
async def instructions_leave_what_the_golden_model_leaves(dut):
    for stalls in (0.0, 0.4):
        jobs = []
        for n, (grid, size, width) in enumerate(grids()):
            where = {"out": OUT + (n << 30), "map_out": MAP + (n << 20)}
            jobs.append(compared(grid, size, width, **where))
            if n % 3 == 0:
                jobs.append(
                    linear(random.randint(1, 9), random.choice((1, 24, 40, 250)), to_a=False, out=OUT + (n + 50 << 30))
                )
            if n % 3 == 1:
                jobs.append(linear(random.randint(1, 2 * ROWS + 1), 56, to_a=True, a=32 * ROWS * random.randrange(20)))
            if n % 4 == 0:
                jobs.append(compared(grid, size, width, count=0))
                jobs.append(linear(0, 10, to_a=True))
                jobs.append(Job(command(body__rows__count=7, body__rows__width=32)))
        bench = Bench(dut, stalls)
        await bench.run(jobs, 60000)
        bench.judge(jobs)


@cocotb.test()
async def full_rows_and_extremes(dut):
    jobs = [compared(Grid("t / h / w", 2, (2, 2)), {"t": 2, "h": 2, "w": 2}, 256), linear(2 * ROWS, 256, to_a=False)]
    bench = Bench(dut, 0.1)
    await bench.run(jobs, 20000)
    bench.judge(jobs)


@cocotb.test()
async def rows_follow_each_other_quickly(dut):
    for width in (LANES * 16, 32):
        if width > 256:
            continue
        grid, size = Grid("t / h / w", 2, (2, 2)), {"t": 2, "h": 8, "w": 8}
        job = compared(grid, size, width)
        bench = Bench(dut, 0.0)
        began = get_sim_time("ns") / 10
        await bench.run([job], 20000)
        bench.judge([job])
        cycles = bench.done_cycles[0] - began
        row = max(16, width // LANES, width // 32 + 3)
        assert cycles <= 128 * row + 150, (width, cycles)


async def fails(dut, job, code, address):
    bench = Bench(dut, 0.1)
    await bench.run([job], 8000)
    fault = int(dut.fault.value)
    assert fault & 1
    assert fault >> 1 & 31 == code
    assert fault >> 6 & 0xFFFFFF == 99
    assert fault >> 30 == address
    assert bench.done == 0
    return bench


@cocotb.test()
async def faults_come_before_a_wrong_write(dut):
    grid, size = Grid("t / h / w", 2, (2, 2)), {"t": 4, "h": 4, "w": 4}
    full = compared(grid, size, 40)
    kept = full.count[1]
    job = compared(grid, size, 40, limit=3)
    while job.count[1] <= 3:
        job = compared(grid, size, 40, limit=3)
    bench = await fails(dut, job, ErrorCode.COUNT_OVERRUN, OUT)
    assert len(bench.memories["records"].requests) <= 3
    assert kept
    assert bench.memories["records"].bytes.items() <= job.records.items()
    await fails(dut, compared(grid, size, 40, out=OUT + 4), ErrorCode.MISALIGNED, OUT + 4)
    await fails(dut, compared(grid, size, 40, map_out=MAP + 16), ErrorCode.MISALIGNED, MAP + 16)
    last = 32 * ROWS * (WORDS - 2)
    bench = await fails(dut, linear(ROWS + 1, 40, to_a=True, a=last), ErrorCode.BUFFER_OVERRUN, last)
    assert all(word < WORDS for _, word in bench.a)
    bench = Bench(dut, 0.0)
    job = linear(ROWS, 40, to_a=True, a=last)
    await bench.run([job], 8000)
    bench.judge([job])


@cocotb.test()
async def bad_answers_are_faults(dut):
    grid, size = Grid("t / h / w", 2, (2, 2)), {"t": 2, "h": 2, "w": 2}
    for name, address in (("records", OUT), ("map", MAP)):
        for error, code in ((1, ErrorCode.ADDRESS_WINDOW), (2, ErrorCode.AXI_SLVERR), (3, ErrorCode.AXI_DECERR)):
            bench = Bench(dut, 0.0)
            bench.memories[name].error = error
            await bench.run([compared(grid, size, 40)], 4000)
            fault = int(dut.fault.value)
            assert fault & 1
            assert fault >> 1 & 31 == code
            assert fault >> 30 == address
            assert bench.done == 0
