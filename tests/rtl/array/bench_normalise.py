"""Integers become FP32 with one rounding to nearest even."""

import random
from fractions import Fraction

import cocotb
import numpy as np
from cocotb.triggers import ReadOnly, RisingEdge

from harness.drive import PARAMETERS, start
from rtl.array.rounding_array import nearest_fp32


def integers():
    """Zero, powers of two and their neighbours, ties and near ties of each length, extremes."""
    yield from (0, 1, -1, (1 << 57) - 1, -(1 << 57))
    for length in range(1, 58):
        power = 1 << length - 1
        yield from (power, -power, power - 1, power + 1, 2 * power - 1)
        if length > 25:
            half = 1 << length - 25
            for mantissa in (power, power + 2 * half, 2 * power - 2 * half, power + 2 * half * random.getrandbits(22)):
                yield from (mantissa + half, mantissa + half - 1, mantissa + half + 1, -mantissa - half)
    for _ in range(300):
        yield random.getrandbits(58) - (1 << 57) >> random.randrange(58)


@cocotb.test()
async def values_match(dut):
    await start(dut)
    given = [(value, random.choice([2, 60, 72, random.randint(2, 60)])) for value in integers()]
    gaps = [(value if random.random() > 0.2 else None, scale) for value, scale in given for _ in range(2)]
    for cycle in range(len(gaps) + PARAMETERS["latency"]):
        value, scale = gaps[cycle] if cycle < len(gaps) else (None, 0)
        dut.i_valid.value = int(value is not None)
        dut.i.value = 0 if value is None else value & (1 << 58) - 1
        dut.i_scale.value = scale
        await ReadOnly()
        at = cycle - PARAMETERS["latency"]
        if at >= 0:
            value, scale = gaps[at]
            assert int(dut.o_valid.value) == (value is not None)
            if value is not None:
                want = nearest_fp32(Fraction(value) * Fraction(2) ** (scale - 72))
                assert int(dut.o.value) == want, (value, scale)
        await RisingEdge(dut.clk)


@cocotb.test()
async def int64_rounds_as_numpy_does(dut):
    await start(dut)
    values = [random.getrandbits(58) - (1 << 57) >> random.randrange(58) for _ in range(200)]
    for cycle in range(len(values) + PARAMETERS["latency"]):
        value = values[cycle] if cycle < len(values) else 0
        dut.i_valid.value, dut.i.value, dut.i_scale.value = 1, value & (1 << 58) - 1, 72
        await ReadOnly()
        at = cycle - PARAMETERS["latency"]
        if at >= 0:
            assert int(dut.o.value) == int(np.int64(values[at]).astype(np.float32).view(np.uint32))
        await RisingEdge(dut.clk)
