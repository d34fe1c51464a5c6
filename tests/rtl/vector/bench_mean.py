"""The quotient of a sum and a count is the exact one, rounded once to nearest even."""

import random
from fractions import Fraction

import cocotb
import numpy as np
from cocotb.triggers import ReadOnly, RisingEdge

from harness.drive import PARAMETERS, start

SUM_BITS, COUNT_BITS, LATENCY = (PARAMETERS[name] for name in ("sum_bits", "count_bits", "latency"))


def rounded(quotient):
    """The FP32 pattern of a fraction, by integers alone."""
    if not quotient:
        return 0
    sign, quotient = int(quotient < 0), abs(quotient)
    exponent = 0
    while quotient >= 2:
        quotient, exponent = quotient / 2, exponent + 1
    while quotient < 1:
        quotient, exponent = quotient * 2, exponent - 1
    significand = round(quotient * (1 << 23))  # Python rounds ties to even.
    if significand >> 24:
        significand, exponent = significand >> 1, exponent + 1
    return sign << 31 | exponent + 127 << 23 | significand & (1 << 23) - 1


def cases():
    most = 1 << SUM_BITS - 1
    for total in (0, 1, -1, 3, most - 1, -most, (1 << 24) + 1, (1 << 25) + 2, -(1 << 25) - 6, most - 256):
        for count in (1, 2, 3, 127, 144, 1152, 8191, 8192, (1 << COUNT_BITS) - 1):
            yield total, count, 0
    for _ in range(1500):
        total = random.randrange(-most, most) >> random.randrange(SUM_BITS)
        yield total, random.randrange(1, 1 << COUNT_BITS) >> random.randrange(COUNT_BITS) or 1, random.randrange(-35, 1)
    for _ in range(1000):  # Ties: 25 significant bits over a power of two, and their neighbours.
        power = random.randrange(COUNT_BITS)
        total = (random.randrange(1 << 24, 1 << 25) | 1) << random.randrange(SUM_BITS - 26)
        yield random.choice([-1, 1]) * (total + random.choice([-1, 0, 0, 1])), 1 << power, random.randrange(-35, 1)


@cocotb.test()
async def quotients_are_rounded_once(dut):
    await start(dut)
    values = list(cases())
    for cycle in range(len(values) + LATENCY):
        total, count, exponent = values[min(cycle, len(values) - 1)]
        dut.i.value = total
        dut.i_count.value = count
        dut.i_exponent.value = exponent
        await ReadOnly()
        if cycle >= LATENCY:
            total, count, exponent = values[cycle - LATENCY]
            assert int(dut.o.value) == rounded(Fraction(total, count) * Fraction(2) ** exponent), (total, count)
        await RisingEdge(dut.clk)


@cocotb.test()
async def doubles_agree_with_the_exact_rule(dut):
    """The golden model divides in FP64 and rounds to FP32; so does not differ from one rounding."""
    await start(dut)
    for _ in range(2000):
        total, count = random.randrange(-(1 << 35), 1 << 35), random.randrange(1, 8193)
        assert np.float32(np.int64(total) / count).view(np.uint32) == rounded(Fraction(total, count))
