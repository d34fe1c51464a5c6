"""Corrections are subtracted in the arithmetic of each mode."""

import random
from fractions import Fraction

import cocotb
from cocotb.triggers import ReadOnly, RisingEdge

from harness.drive import PARAMETERS, start
from rtl.array.rounding_array import nearest_fp32

BITS = {0: 28, 1: 58}
MASK = (1 << 58) - 1


def number(bits):
    """A value near the ends or the middle of ``bits`` bits, or any."""
    half = 1 << bits - 1
    return random.choice([half - 1, -half, 0, -1, 1, random.randrange(-half, half), random.randrange(-half, half)])


@cocotb.test()
async def differences_match(dut):
    await start(dut)
    cases = []
    for _ in range(600):
        mode = random.getrandbits(1)
        bits = BITS[mode]
        cases.append((mode, number(bits), number(32 if mode == 0 else 58), number(32 if mode == 0 else 58),
                      random.randint(2, 60) if mode else 72))  # fmt: skip
    for cycle in range(len(cases) + PARAMETERS["latency"]):
        if cycle < len(cases):
            mode, raw, row, column, scale = cases[cycle]
            dut.i_valid.value, dut.i_mode.value, dut.i_scale.value = 1, mode, scale
            dut.i.value, dut.i_row.value, dut.i_column.value = raw & MASK, row & MASK, column & MASK
        await ReadOnly()
        at = cycle - PARAMETERS["latency"]
        if at >= 0:
            mode, raw, row, column, scale = cases[at]
            half = 1 << BITS[mode] - 1
            value = (raw - row - column + half) % (2 * half) - half
            assert int(dut.o_valid.value) == 1
            assert int(dut.o.value) == nearest_fp32(Fraction(value) * Fraction(2) ** (scale - 72)), cases[at]
        await RisingEdge(dut.clk)
