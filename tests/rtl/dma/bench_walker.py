"""Row addresses are those of numpy's formula, mapped or not, at one a cycle."""

import random

import cocotb
import numpy as np
from cocotb.utils import get_sim_time

from harness.drive import receive, reset, send, start
from rtl.dma.read_client import DECERR, OK, WINDOW, ReadServer

FIELDS = (
    ("base", 40), ("pitch", 21), ("start", 24), ("count", 24), ("stride", 24), ("outer", 24), ("outer_stride", 24),
    ("mapped", 1), ("map", 40),
)  # fmt: skip


def pack(**fields):
    word, place = 0, 0
    for name, bits in FIELDS:
        value = fields.get(name, 0)
        assert value < 1 << bits
        word |= value << place
        place += bits
    return word


def unpack(word):
    return word & (1 << 40) - 1, word >> 40 & 0xFFFFFFFF, word >> 72 & 15, word >> 76


def expected(memory, job):
    words = np.frombuffer(memory, "<u4")
    for o in range(job["outer"]):
        for i in range(job["count"]):
            number = job["start"] + o * job.get("outer_stride", 0) + i * job.get("stride", 0)
            if job.get("mapped"):
                number = int(words[job["map"] // 4 + number])
            flags = (i == 0) | (i == job["count"] - 1) << 1 | (o == 0) << 2 | (o == job["outer"] - 1) << 3
            address = job["base"] + number * job["pitch"]
            fits = address < 1 << 40
            yield address if fits else None, number if number < 1 << 32 else None, flags, OK if fits else WINDOW


async def check(dut, memory, jobs, *, stalls=0.0):
    sender = cocotb.start_soon(send(dut, "job", [pack(**job) for job in jobs], stalls=stalls))
    wanted = [row for job in jobs for row in expected(memory, job)]
    found = [unpack(word) for word in await receive(dut, "o", len(wanted), stalls=stalls)]
    await sender
    for index, (row, want) in enumerate(zip(found, wanted, strict=True)):
        assert all(b is None or a == b for a, b in zip(row, want, strict=True)), (index, row, want)


def randomly(memory, *, mapped):
    outer, count = random.choice([1, 1, 2, 5]), random.choice([1, 2, 7, 40])
    job = {
        "base": 32 * random.randrange(1 << 33), "pitch": 32 * random.randrange(1 << 16), "count": count, "outer": outer,
        "start": random.randrange(50), "stride": random.choice([1, 1, 3, 100]), "outer_stride": random.randrange(500),
    }  # fmt: skip
    if mapped:
        job |= {"mapped": 1, "map": 32 * random.randrange(100)}
    return job


def fresh_memory():
    return np.array([random.randrange(1 << 20) for _ in range(1 << 14)], "<u4").tobytes()


@cocotb.test(timeout_time=200, timeout_unit="us")
async def addresses_are_those_of_the_formula(dut):
    memory = fresh_memory()
    await start(dut)
    ReadServer(dut, "read", memory, latency=20)
    most = (1 << 24) - 1
    edges = [
        {"base": 0, "pitch": 32, "start": 0, "count": 1, "outer": 1},
        {"base": 64, "pitch": 0, "start": 5, "count": 3, "stride": 0, "outer": 2},
        {"base": 32, "pitch": (1 << 21) - 32, "start": most, "count": 2, "stride": most, "outer": 2, "outer_stride": 1},
        {"base": (1 << 40) - 32, "pitch": 32, "start": 0, "count": 2, "stride": 1, "outer": 1},
        {"base": (1 << 40) - 64, "pitch": 32, "start": 1, "count": 1, "outer": 3},
    ]
    for stalls in (0.0, 0.4):
        await check(dut, memory, edges, stalls=stalls)
        jobs = [randomly(memory, mapped=random.random() < 0.5) for _ in range(25)]
        await check(dut, memory, jobs, stalls=stalls)


@cocotb.test(timeout_time=200, timeout_unit="us")
async def a_number_beyond_its_bits_is_refused(dut):
    await start(dut)
    most = (1 << 24) - 1
    job = {"base": 0, "pitch": 32, "start": 0, "count": 300, "stride": most, "outer": 1}
    sender = cocotb.start_soon(send(dut, "job", [pack(**job)]))
    rows = [unpack(word) for word in await receive(dut, "o", 300)]
    await sender
    for number, (address, _, _, error) in enumerate(rows):
        assert error == (WINDOW if number * most >= 1 << 32 else OK)
        assert error or address == number * most * 32


@cocotb.test(timeout_time=200, timeout_unit="us")
async def a_failed_lookup_names_its_address(dut):
    memory = fresh_memory()
    await start(dut)
    server = ReadServer(dut, "read", memory, latency=20)
    server.broken[4096 + 64] = DECERR
    job = {"base": 0, "pitch": 32, "start": 0, "count": 40, "stride": 1, "outer": 1, "mapped": 1, "map": 4096}
    sender = cocotb.start_soon(send(dut, "job", [pack(**job)]))
    rows = [unpack(word) for word in await receive(dut, "o", 40)]
    await sender
    assert [row[3] for row in rows] == [DECERR if 16 <= n < 24 else OK for n in range(40)]
    assert rows[16][0] == 4096 + 64
    await reset(dut)
    job["map"] = (1 << 40) - 64
    sender = cocotb.start_soon(send(dut, "job", [pack(**job)]))
    rows = [unpack(word) for word in await receive(dut, "o", 40)]
    await sender
    assert all(row[3] == WINDOW for row in rows)


@cocotb.test(timeout_time=200, timeout_unit="us")
async def one_row_a_cycle(dut):
    memory = fresh_memory()
    await start(dut)
    server = ReadServer(dut, "read", memory, latency=120)
    for mapped, least in ((0, 20), (1, 150)):
        job = {
            "base": 0,
            "pitch": 1024,
            "start": 3,
            "count": 1000,
            "stride": 1,
            "outer": 1,
            "mapped": mapped,
            "map": 64,
        }
        began = get_sim_time("ns")
        await check(dut, memory, [job])
        assert (get_sim_time("ns") - began) / 10 <= 1000 + least
    assert len(server.requests) == 126
