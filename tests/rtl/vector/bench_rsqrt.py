"""The reciprocal square root equals the golden one, one result a cycle."""

import random

import cocotb
import numpy as np
from cocotb.triggers import ReadOnly, RisingEdge

from flightvgm_sim.golden.functions import rsqrt
from harness.drive import PARAMETERS, start

EDGES = [0x3F800000, 0x40000000, 0x3F7FFFFF, 0x3FFFFFFF, 0x40800000, 0x407FFFFF, 0x00800000, 0x7F7FFFFF, 0x358637BD]


@cocotb.test()
async def values_equal_the_golden_ones(dut):
    await start(dut)
    words = [*EDGES, *(segment << 15 | 0x3F000000 for segment in range(1024))]
    words += [random.randrange(0x00800000, 0x7F800000) for _ in range(3000)]
    expected = rsqrt(np.array(words, np.uint32).view(np.float32)).view(np.uint32)
    latency = PARAMETERS["latency"]
    for cycle in range(len(words) + latency):
        dut.i.value = words[min(cycle, len(words) - 1)]
        await ReadOnly()
        if cycle >= latency:
            assert int(dut.o.value) == int(expected[cycle - latency]), f"rsqrt of {words[cycle - latency]:#010x}"
        await RisingEdge(dut.clk)
