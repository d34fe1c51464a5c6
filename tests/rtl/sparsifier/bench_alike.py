"""Rows are alike exactly where the golden model says so."""

import random

import cocotb
import numpy as np
from cocotb.triggers import ReadOnly, RisingEdge

from flightvgm_sim.golden.sparsifier import alike
from harness.drive import PARAMETERS, start

MOST = 8192 * 127**2
THETA = (1 << 16) - 1


def cases():
    values = [(dot, a, b, theta) for dot in (0, 1, -1, MOST, -MOST, 1 << 26) for a in (0, 1, MOST) for b in (0, 1, MOST)
              for theta in (0, 1, THETA)]  # fmt: skip
    for _ in range(300):
        # Both sides equal, and next to that.
        k, x = random.randint(1, 255), random.randint(1, MOST >> 8)
        values += [(k * x + offset, x << 8, x << 8, k * k) for offset in (-1, 0, 1)]
        a, b = (random.randint(0, MOST) >> random.randrange(20) for _ in range(2))
        theta = random.randint(0, THETA)
        close = int((theta * a * b / 65536) ** 0.5)
        values.append((max(-MOST, min(MOST, close + random.randint(-3, 3))), a, b, theta))
        values.append((random.randint(-MOST, MOST), a, b, theta))
    return values


@cocotb.test()
async def verdicts_are_exact(dut):
    await start(dut)
    values = cases()
    columns = [np.array(column, np.int64) for column in zip(*values, strict=True)]
    wanted = [bool(alike(*(c[i : i + 1] for c in columns[:3]), int(columns[3][i]))[0]) for i in range(len(values))]
    assert 300 < sum(wanted) < len(wanted) - 300
    begun, seen, cycle = [], [], 0
    gap = 0
    while len(seen) < len(values):
        go = len(begun) < len(values) and gap == 0
        dut.start.value = int(go)
        if go:
            dot, a, b, theta = values[len(begun)]
            dut.dot.value, dut.a_square.value, dut.b_square.value, dut.theta.value = dot & (1 << 28) - 1, a, b, theta
        await ReadOnly()
        if go:
            assert int(dut.ready.value)
            begun.append(cycle)
            gap = PARAMETERS["interval"] + random.choice((0, 0, 0, 1, 5, 30))
        gap = max(0, gap - 1)
        if int(dut.done.value):
            assert cycle == begun[len(seen)] + PARAMETERS["latency"]
            seen.append(bool(int(dut.alike.value)))
        await RisingEdge(dut.clk)
        dut.theta.value, dut.a_square.value = random.getrandbits(16), random.getrandbits(27)
        cycle += 1
    wrong = [value for value, x, y in zip(values, seen, wanted, strict=True) if x != y]
    assert not wrong, wrong[:5]
