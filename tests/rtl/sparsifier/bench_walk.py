"""Tokens come in the order of the grid, with what each is compared with."""

import random
from itertools import permutations

import cocotb
from cocotb.triggers import ClockCycles, ReadOnly
from cocotb.utils import get_sim_time

from flightvgm_arch.errors import ErrorCode
from flightvgm_arch.formats import reference_bytes
from flightvgm_arch.grid import Grid
from harness.drive import PARAMETERS, receive, send, start
from harness.layout import pack, unpack
from harness.walk import steps

COMMAND, TOKEN = PARAMETERS["command"], PARAMETERS["token"]
LIMIT = PARAMETERS["reference_bytes"]
AXES = ("t", "h", "w")


def rows(grid, size, *, first, count, width=64, **site):
    values = {f"site.{name}": value for name, value in {**grid.fields, **size, "known": 1, **site}.items()}
    body = {"first": first, "count": count, "width": width, "flag_compare": 1}
    return pack(COMMAND, {"pc": 77, **values, **{f"body.rows.{name}": value for name, value in body.items()}})


def linear(first, count):
    return pack(COMMAND, {"body.rows.first": first, "body.rows.count": count})


def seen(words):
    found = [unpack(TOKEN, word) for word in words]
    assert [item["last"] for item in found] == [0] * (len(found) - 1) + [1]
    names = ("token", "info.middle", "info.reference", "info.hold", "info.slot")
    return [tuple(item[name] for name in names) for item in found]


def slots():
    cuts = [(a, b) for a in range(4) for b in range(a, 4)]
    orders = ["".join(order) for order in permutations("thw")]
    return [" / ".join(part or "-" for part in (o[:a], o[a:b], o[b:])) for o in orders for a, b in cuts]


def cases():
    names = slots()
    for name in names:
        size = {axis: random.randint(1, 5) for axis in AXES}
        yield Grid(name, random.randint(1, 5), (random.randint(1, 4), random.randint(1, 4))), size
    yield Grid("t / h / w", 3, (15, 15)), {"t": 4, "h": 17, "w": 16}
    yield Grid("t / h / w", 63, (1, 1)), {"t": 64, "h": 1, "w": 2}
    yield Grid("t / h / w", 1, (2, 2)), {"t": 1, "h": 30, "w": 24}
    yield Grid("- / h / tw", 1, (1, 7)), {"t": 3, "h": 2, "w": 5}


@cocotb.test()
async def order_is_that_of_the_grid(dut):
    await start(dut)
    commands, tokens = [], []
    for grid, size in cases():
        bands = grid.bands(**size)
        first = random.randrange(bands) if random.random() < 0.5 else 0
        count = random.randint(1, bands - first)
        if reference_bytes(grid.reference_tokens(**size), 32) > LIMIT:
            continue
        commands.append(rows(grid, size, first=first, count=count, width=random.randint(1, 32)))
        tokens.append(steps(grid, size, first, count))
        if random.random() < 0.3:
            commands.append(rows(grid, size, first=first, count=0))
        if random.random() < 0.3:
            begin, length = random.randrange(1000), random.randint(1, 20)
            commands.append(linear(begin, length))
            tokens.append([(begin + i, 0, 0, 0, 0) for i in range(length)])
    sender = cocotb.start_soon(send(dut, "i", commands, stalls=0.2))
    for wanted in tokens:
        got = await receive(dut, "o", len(wanted), stalls=random.choice((0.0, 0.3)))
        assert seen(got) == wanted
    await sender
    await ReadOnly()
    assert not int(dut.fault.value) & 1


@cocotb.test()
async def two_tokens_take_three_cycles_at_most(dut):
    for chunk in ((2, 2), (1, 1), (1, 2), (3, 3)):
        await start(dut)
        grid, size = Grid("t / h / w", 2, chunk), {"t": 2, "h": 6, "w": 24}
        count = grid.bands(**size)
        wanted = steps(grid, size, 0, count)
        sender = cocotb.start_soon(send(dut, "i", [rows(grid, size, first=0, count=count)]))
        began = get_sim_time("ns")
        got = await receive(dut, "o", len(wanted))
        assert seen(got) == wanted
        cycles = (get_sim_time("ns") - began) / 10
        assert cycles <= 1.5 * len(wanted) + 10 * count + 50, (chunk, cycles, len(wanted))
        await sender


async def refused(dut, word):
    await start(dut)
    cocotb.start_soon(send(dut, "i", [word]))
    dut.o__ready.value = 1
    for _ in range(60):
        await ClockCycles(dut.clk, 10)
        await ReadOnly()
        if int(dut.fault.value) & 1:
            break
    value = int(dut.fault.value)
    await ClockCycles(dut.clk, 1)
    return value & 1 and value >> 1 & 31 == ErrorCode.FIELD_RANGE and value >> 6 & 0xFFFFFF == 77


@cocotb.test()
async def malformed_sites_are_refused(dut):
    grid, size = Grid("t / h / w", 2, (2, 2)), {"t": 4, "h": 4, "w": 4}
    wrong = [{"known": 0}, {"order": 0b000100}, {"order": 0b110100}, {"split": 0b1010}]
    wrong += [{"group": 0}, {"chunk_rows": 0}, {"chunk_columns": 0}, {"t": 0}, {"h": 0}, {"w": 0}]
    wrong += [{"theta_group": 1 << 16}, {"theta_chunk": 1 << 20}]
    for change in wrong:
        assert await refused(dut, rows(grid, size, first=0, count=1, **change)), change
    assert await refused(dut, rows(grid, size, first=3, count=2))
    assert await refused(dut, rows(grid, size, first=40, count=1))


@cocotb.test()
async def the_reference_memory_bounds_a_band(dut):
    for grid, size, width in (
        (Grid("t / h / w", 2, (2, 2)), {"t": 2, "h": 3, "w": 16}, 256),
        (Grid("t / h / w", 2, (4, 2)), {"t": 2, "h": 2, "w": 16}, 256),
        (Grid("- / h / tw", 1, (4, 2)), {"t": 8000, "h": 2, "w": 8000}, 256),
        (Grid("t / h / w", 2, (4, 2)), {"t": 1, "h": 8000, "w": 8000}, 256),
    ):
        room = reference_bytes(grid.reference_tokens(**size), width) <= LIMIT
        assert room
        assert not await refused(dut, rows(grid, size, first=0, count=1, width=width))
    for grid, size, width in (
        (Grid("t / h / w", 2, (2, 2)), {"t": 2, "h": 3, "w": 16}, 257),
        (Grid("t / h / w", 2, (3, 2)), {"t": 2, "h": 3, "w": 16}, 256),
        (Grid("t / - / hw", 2, (3, 2)), {"t": 2, "h": 8191, "w": 8191}, 32),
    ):
        assert reference_bytes(grid.reference_tokens(**size), width) > LIMIT
        assert await refused(dut, rows(grid, size, first=0, count=1, width=width))
