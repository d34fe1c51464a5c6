"""Aligned values are those of the golden model, for all exponents of value and row."""

import random

import cocotb
import numpy as np
from cocotb.triggers import ReadOnly, RisingEdge

from flightvgm_sim.golden.align import align
from harness.drive import PARAMETERS, start


def cases():
    """Pairs of a value and the exponent of its row, all combinations of exponents with the ends of fractions."""
    fractions = [0, 1, 0x200, 0x3FE, 0x3FF]
    for largest in range(1, 31):
        for exponent in range(largest + 1):
            for fraction in (*fractions, random.getrandbits(10)):
                yield random.getrandbits(1) << 15 | exponent << 10 | fraction, largest
        yield largest << 10 | 0x8000, largest


@cocotb.test()
async def values_match(dut):
    await start(dut)
    given = list(cases())
    values = np.array([value for value, _ in given], np.uint16).view(np.float16)
    ends = np.array([largest << 10 for _, largest in given], np.uint16).view(np.float16)
    wanted = align(np.stack((values, ends), axis=1))[0][:, 0]
    masks = [int(random.random() < 0.1) for _ in given]
    for cycle in range(len(given) + PARAMETERS["latency"]):
        if cycle < len(given):
            dut.i.value, dut.i_exponent.value = given[cycle]
            dut.i_mask.value = masks[cycle]
        await ReadOnly()
        at = cycle - PARAMETERS["latency"]
        if at >= 0:
            assert dut.o.value.to_signed() == (0 if masks[at] else wanted[at]), (hex(given[at][0]), given[at][1])
        await RisingEdge(dut.clk)
