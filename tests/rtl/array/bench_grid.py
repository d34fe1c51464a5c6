"""All sums of a grid leave, each in its cycle and nothing else, with tiles as dense as the drain allows."""

import random

import cocotb
import numpy as np
from cocotb.triggers import ReadOnly, RisingEdge

from harness.drive import PARAMETERS, start
from harness.feeds import FP16, INT8, corrections, edge_values, formatted, pack_flags, pack_operands

ROWS, COLUMNS, DEPTH, SEGMENTS = (PARAMETERS[name] for name in ("rows", "columns", "depth", "segments"))
WIDTH = COLUMNS // SEGMENTS
VALUES = {INT8: 4 * DEPTH, FP16: 2 * DEPTH}


class Tile:
    """Operands of all rows and columns, and when each feed comes."""

    def __init__(self, mode, feeds, times):
        self.mode, self.times = mode, times
        count = feeds * VALUES[mode]
        self.x = np.stack([edge_values(mode, count, "row", 0.2) for _ in range(ROWS)])
        self.y = np.stack([edge_values(mode, count, "column", 0.2) for _ in range(COLUMNS)])

    def sums(self):
        """Raw sums, in exact integers."""
        left = np.array([corrections(row) for row in self.x], dtype=object)
        right = np.array([corrections(column) for column in self.y], dtype=object)
        return self.x.astype(object) @ self.y.T.astype(object) + left[:, None] + right[None, :]


def plan(shapes, gaps):
    """Times of the feeds: last feeds at least WIDTH cycles apart."""
    now, last, tiles = 0, -WIDTH, []
    for mode, feeds in shapes:
        now = max(now, last + WIDTH - feeds + 1)
        times = []
        for _ in range(feeds):
            while random.random() < gaps:
                now += 1
            times.append(now)
            now += 1
        last = times[-1]
        tiles.append(Tile(mode, feeds, times))
    return tiles, now


def drive(tiles):
    """What enters row r and column c, by time."""
    rows, columns = [{} for _ in range(ROWS)], [{} for _ in range(COLUMNS)]
    for tile in tiles:
        for feed, at in enumerate(tile.times):
            part = slice(feed * VALUES[tile.mode], (feed + 1) * VALUES[tile.mode])
            flags = pack_flags(tile.mode, feed == 0, feed == len(tile.times) - 1) << 1 | 1
            for row in range(ROWS):
                rows[row][at + row] = flags, pack_operands(formatted(tile.mode, tile.x[row, part], "row"))
            for column in range(COLUMNS):
                columns[column][at + column] = pack_operands(formatted(tile.mode, tile.y[column, part], "column"))
    return rows, columns


def outcomes(tiles):
    """What leaves each row and segment, by time."""
    leaving = {(row, segment): {} for row in range(ROWS) for segment in range(SEGMENTS)}
    for tile in tiles:
        sums = tile.sums()
        for row in range(ROWS):
            for column in range(COLUMNS):
                at = tile.times[-1] + row + PARAMETERS["latency"] + column
                value = (int(sums[row, column]) & (1 << 58) - 1) << 4
                flags = 1 | tile.mode << 1 | (column == 0) << 2 | (column == COLUMNS - 1) << 3
                assert at not in leaving[row, column // WIDTH]
                leaving[row, column // WIDTH][at] = value | flags
    return leaving


async def play(dut, shapes, gaps):
    """Drive tiles and check every output in every cycle; give the number of cycles of feeding."""
    tiles, length = plan(shapes, gaps)
    rows, columns = drive(tiles)
    leaving = outcomes(tiles)
    for now in range(length + ROWS + COLUMNS + PARAMETERS["latency"] + 2):
        for row in range(ROWS):
            flags, operands = rows[row].get(now, (0, random.getrandbits(51 * DEPTH)))
            getattr(dut, f"i_flags__{row}").value = flags
            getattr(dut, f"i_rows__{row}").value = operands
        for column in range(COLUMNS):
            getattr(dut, f"i_columns__{column}").value = columns[column].get(now, random.getrandbits(51 * DEPTH))
        await ReadOnly()
        for (row, segment), expected in leaving.items():
            assert int(getattr(dut, f"o_results__{row}__{segment}").value) == expected.get(now, 0), (now, row, segment)
        await RisingEdge(dut.clk)
    return length


@cocotb.test()
async def modes_and_gaps(dut):
    await start(dut)
    for gaps in (0.0, 0.3):
        await play(
            dut, [(random.choice((INT8, FP16)), random.randint(1, 2 * WIDTH)) for _ in range(PARAMETERS["tiles"])], gaps
        )


@cocotb.test()
async def a_tile_takes_its_feeds_or_the_drain(dut):
    await start(dut)
    for mode, products in ((INT8, 4), (FP16, 2)):
        for feeds in (1, WIDTH, WIDTH + 3):
            cycles = await play(dut, [(mode, feeds)] * 3, 0.0)
            assert cycles == 2 * max(feeds, WIDTH) + feeds
            if feeds >= WIDTH:
                work = 3 * feeds * VALUES[mode] * ROWS * COLUMNS
                assert work / cycles == products * ROWS * COLUMNS * DEPTH
