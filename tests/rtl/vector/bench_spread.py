"""The spread of a row is the exact one, rounded once."""

import random

import cocotb
import numpy as np
from cocotb.triggers import ReadOnly, RisingEdge

from flightvgm_sim.golden.norm import spread
from harness.drive import PARAMETERS, start

MOST = (1 << 22) - 1


def cases():
    for count in (1, 2, 144, 8191, 8192):
        for size in (0, 1, MOST):
            yield 0, count * size * size, count  # As many values of both signs.
            yield count * size, count * size * size, count
            yield -count * size, count * size * size, count
    for _ in range(1500):
        count = random.randrange(1, 8193)
        squares = random.randrange(count * MOST * MOST + 1) >> random.randrange(56)
        most = int((count * squares) ** 0.5 * 0.999)
        yield random.randrange(-most, most + 1), squares, count
    for _ in range(1500):  # Next to the middle between two FP32 numbers: a power of two times 25 bits, and some more.
        power = random.randrange(14)
        significand = random.randrange(1 << 24, 1 << 25) | 1
        squares = significand << random.randrange(32)
        yield random.choice([0, 0, 1, 5, -3, 1 << 17, (1 << 18) + 1]), squares, 1 << power


@cocotb.test()
async def spreads_equal_the_golden_ones(dut):
    await start(dut)
    values = [case for case in cases() if case[0] ** 2 <= case[2] * case[1]]
    totals, squares, counts = (np.array(column, np.int64) for column in zip(*values, strict=True))
    exact = [spread(total, square, int(count)) for total, square, count in zip(totals, squares, counts, strict=True)]
    for cycle in range(len(values) + PARAMETERS["latency"]):
        total, square, count = values[min(cycle, len(values) - 1)]
        dut.i_total.value = total
        dut.i_squares.value = square
        dut.i_count.value = count
        dut.i_exponent.value = 2 * (cycle % 30) - 70
        await ReadOnly()
        past = cycle - PARAMETERS["latency"]
        if past >= 0:
            expected = np.ldexp(np.float32(exact[past]), 2 * (past % 30) - 70)
            assert int(dut.o.value) == int(np.float32(expected).view(np.uint32)), values[past]
        await RisingEdge(dut.clk)
