"""Results of all kinds of tiles are the golden ones, bit for bit, each at its place."""

import random

import cocotb
import numpy as np
from cocotb.triggers import ReadOnly, RisingEdge

from flightvgm_sim.golden.epilogue import epilogue
from flightvgm_sim.golden.fp import from_int, mul, to_fp16
from harness.drive import PARAMETERS, start
from rtl.vector.drained import COLUMNS, MM8, MM16, PV, ROWS, SCORE, Player, tile

GELU_ROWS = PARAMETERS["gelu_rows"]
APART = 150  # Cycles in which all results with GELU have left.


class Monitor:
    """Results of each row, in their order."""

    def __init__(self, dut):
        self._dut = dut
        self.found = [[] for _ in range(ROWS)]
        self.saturated = 0
        self.beyond = []

    def look(self, cycle):
        self.saturated += int(self._dut.saturations.value)
        if int(self._dut.beyond.value):
            self.beyond.append(cycle)
        for row, found in enumerate(self.found):
            value = int(getattr(self._dut, f"o__{row}").value)
            if value & 1:
                found.append((value >> 1 & 15, value >> 5 & 1, value >> 6))


def placed(halves, out):
    """Results of a row with their places in words; the last one of a word, and of the row, pushes it."""
    count = len(halves)
    for number, half in enumerate(halves.view(np.uint16).tolist()):
        at = (out // 2 + number) % 16
        yield at, int(at == 15 or number == count - 1), half


async def play(dut, player, monitor, until):
    while player.cycle < until:
        player.play()
        await ReadOnly()
        monitor.look(player.cycle - 1)
        await RisingEdge(dut.clk)


@cocotb.test()
async def results_are_the_golden_ones(dut):
    await start(dut)
    rng = np.random.default_rng(3)
    player, monitor = Player(dut), Monitor(dut)
    wanted = [[] for _ in range(ROWS)]
    saturations, at, before = 0, 5, None
    kinds = [MM8, MM8, MM16, PV, MM8, "gelu", "gelu", "gelu", MM16, PV, PV, SCORE, "gelu", MM8]
    for number, kind in enumerate(kinds):
        rows = random.choice((ROWS, random.randrange(1, ROWS + 1)))
        low = random.randrange(COLUMNS) if kind == PV else 0
        count = random.randrange(1, COLUMNS - low + 1) if number % 3 else COLUMNS - low
        out, pitch, slot = 2 * random.randrange(64), 32 * random.randrange(1, 5), random.randrange(4)
        tag = {"kind": kind, "out": out, "pitch": pitch, "slot": slot}
        more = {}
        if before == "gelu" and kind != "gelu":
            at += APART
        if kind in (MM8, "gelu"):
            sums = rng.integers(-(2**24), 2**24, (rows, count)).astype(np.int32)
            row_scale = np.float32(rng.random(rows) * 1e-3)
            column_scale, bias = np.float32(rng.random(count) * 1e-3), np.float32(rng.standard_normal(count))
            row_scale[0], bias[-1] = (30, 1e-40) if number % 2 else (1e-39, 2)
            halves, saturated = epilogue(sums, row_scale, column_scale, bias, gelu=kind == "gelu")
            values = from_int(sums)
            names = ("row_scales", "column_scales", "biases")
            factors = (row_scale, column_scale, bias)
            more = {name: factor.view(np.uint32) for name, factor in zip(names, factors, strict=True)}
            tag |= {"kind": MM8, "gelu": int(kind == "gelu")}
        else:
            values = np.float32(rng.normal(0, 3e4, (rows, count)))
            factor = np.float32(rng.random(rows) + 0.5)
            halves, saturated = to_fp16(mul(values, factor[:, None]) if kind == PV else values)
            if kind == PV:
                bits = factor.view(np.uint32).tolist()
                player.add((at, f"reciprocal__{row}", 1 | slot << 1 | bits[row] << 3) for row in range(rows))
                at += 4
        player.add(tile(at, values.view(np.uint32), low=low, **more, **tag))
        if kind != SCORE:
            saturations += saturated
            for row in range(rows):
                wanted[row] += placed(halves[row], out + row * pitch)
        at += COLUMNS * (GELU_ROWS if kind == "gelu" else 1) + random.choice((0, 0, 3))
        before = kind
    await play(dut, player, monitor, at + 2 * APART)
    for row in range(ROWS):
        assert monitor.found[row] == wanted[row], row
    assert monitor.saturated == saturations > 0
    assert not monitor.beyond


@cocotb.test()
async def factors_without_number_are_seen_in_time(dut):
    """Every row is judged a fixed time after the result of row 0 in the same column."""
    await start(dut)
    player, monitor = Player(dut), Monitor(dut)
    cycles = []
    at = 5
    for row in range(ROWS):
        for name, bad in (("row_scales", np.nan), ("column_scales", -np.inf), ("biases", 2.0**48), ("biases", 2.0**47)):
            factors = {
                key: np.ones(max(ROWS, COLUMNS), np.float32) for key in ("row_scales", "column_scales", "biases")
            }
            factors[name][row if name == "row_scales" else 0] = bad
            bits = {key: factor.view(np.uint32) for key, factor in factors.items()}
            ones = np.ones((ROWS, 1), np.float32).view(np.uint32)
            player.add(tile(at, ones, kind=MM8, **bits))
            if not abs(bad) < 2.0**48:
                cycles.append(at + PARAMETERS["beyond_latency"])
            at += COLUMNS + ROWS
    await play(dut, player, monitor, at + APART)
    assert monitor.beyond == cycles
