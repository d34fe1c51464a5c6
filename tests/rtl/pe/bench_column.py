"""A PE gives exact sums in both modes, tile by tile, at its latency, with gaps and without."""

import random

import cocotb
import numpy as np
from cocotb.triggers import ReadOnly, RisingEdge

from flightvgm_sim.golden.pe import fp16_dot, int8_dot
from harness.drive import PARAMETERS, start
from harness.feeds import FP16, INT8, corrections, edge_values, formatted, pack_flags, pack_operands

DEPTH = PARAMETERS["depth"]
VALUES = {INT8: 4 * DEPTH, FP16: 2 * DEPTH}


def random_tile(mode, feeds, edges):
    """Operands of a tile: INT8, or 23-bit integers."""
    count = feeds * VALUES[mode]
    return edge_values(mode, count, "row", edges), edge_values(mode, count, "column", edges)


def expected(mode, x, y):
    """Raw sum that leaves the PE, from the exact inner product and the corrections."""
    dot = sum(int(a) * int(b) for a, b in zip(x, y, strict=True))
    golden = int8_dot(x.astype(np.int8), y.astype(np.int8), DEPTH) if mode == INT8 else fp16_dot(x, y, DEPTH)
    assert int(golden) == dot
    bits = 28 if mode == INT8 else 58
    return (dot + corrections(x) + corrections(y)) & (1 << bits) - 1


def schedule(tiles, gaps):
    """Cycle by cycle: flags and operands of all slices, unskewed; where the last feeds are."""
    cycles, ends = [], {}
    for mode, x, y in tiles:
        feeds = len(x) // VALUES[mode]
        for feed in range(feeds):
            while random.random() < gaps:
                cycles.append(
                    (0, random.getrandbits(3), [(random.getrandbits(27), random.getrandbits(24))] * DEPTH, None)
                )
            at = slice(feed * VALUES[mode], (feed + 1) * VALUES[mode])
            flags = pack_flags(mode, feed == 0, feed == feeds - 1)
            if feed == feeds - 1:
                ends[len(cycles)] = (mode, expected(mode, x, y))
            cycles.append((1, flags, formatted(mode, x[at], "row"), formatted(mode, y[at], "column")))
    return cycles, ends


async def play(dut, tiles, gaps):
    """Drive a schedule, slices skewed, and check every cycle of the outputs."""
    cycles, ends = schedule(tiles, gaps)
    idle = [(0, 0)] * DEPTH
    outcomes = {"fp16": {}, "int8": {}}
    for at, (mode, value) in ends.items():
        name = "int8" if mode == INT8 else "fp16"
        outcomes[name][at + PARAMETERS["latency"][name]] = value
    done = {at + PARAMETERS["latency"]["int8"]: mode for at, (mode, _) in ends.items()}
    for now in range(len(cycles) + 20):
        valid, flags, _, _ = cycles[now] if now < len(cycles) else (0, 0, idle, idle)
        row, column = [], []
        for part in range(DEPTH):
            known = 0 <= now - part < len(cycles)
            source = cycles[now - part] if known else (0, 0, idle, idle)
            row.append(source[2][part])
            column.append((source[3] or source[2])[part])
        dut.i_flags.value = flags << 1 | valid
        dut.i_row.value, dut.i_column.value = pack_operands(row), pack_operands(column)
        await ReadOnly()
        assert int(dut.o_fp16.value) == outcomes["fp16"].get(now, 0), now
        assert int(dut.o_int8.value) == outcomes["int8"].get(now, 0), now
        assert int(dut.o_done.value) == (now in done)
        assert int(dut.o_mode.value) == done.get(now, 0)
        await RisingEdge(dut.clk)
    return len(cycles)


def mixed(count, longest, edges):
    return [
        (mode, *random_tile(mode, random.randint(1, longest), edges)) for mode in random.choices((INT8, FP16), k=count)
    ]


@cocotb.test()
async def extremes(dut):
    await start(dut)
    for mode in (INT8, FP16):
        await play(dut, [(mode, *random_tile(mode, 3, 1.0)) for _ in range(60)], 0.0)


@cocotb.test()
async def modes_alternate_with_gaps(dut):
    await start(dut)
    for gaps in (0.0, 0.4):
        await play(dut, mixed(60, 6, 0.3), gaps)


@cocotb.test()
async def one_feed_a_tile_back_to_back(dut):
    await start(dut)
    tiles = [(mode, *random_tile(mode, 1, 0.2)) for mode in (INT8, FP16) * 60]
    assert await play(dut, tiles, 0.0) == len(tiles)


@cocotb.test()
async def four_and_two_products_a_slice_and_cycle(dut):
    await start(dut)
    for mode, rate in ((INT8, 4.0), (FP16, 2.0)):
        tiles = [(mode, *random_tile(mode, 20, 0.1)) for _ in range(5)]
        cycles = await play(dut, tiles, 0.0)
        assert sum(len(x) for _, x, _ in tiles) / cycles / DEPTH == rate


@cocotb.test()
async def longest_int8_tile(dut):
    await start(dut)
    feeds = 8256 // VALUES[INT8]
    x, y = np.full(feeds * VALUES[INT8], -128), np.full(feeds * VALUES[INT8], 127)
    await play(dut, [(INT8, x, y), (INT8, x, -y)], 0.0)


@cocotb.test()
async def operands_and_flags_hop(dut):
    await start(dut)
    last = None
    for _ in range(100):
        row, column = (
            pack_operands([(random.getrandbits(27), random.getrandbits(24)) for _ in range(DEPTH)]) for _ in range(2)
        )
        flags = random.getrandbits(3) << 1 | 1
        dut.i_flags.value, dut.i_row.value, dut.i_column.value = flags, row, column
        await ReadOnly()
        if last:
            assert (int(dut.o_flags.value), int(dut.o_row.value), int(dut.o_column.value)) == last
        await RisingEdge(dut.clk)
        last = (flags, row, column)
