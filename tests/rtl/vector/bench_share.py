"""The reciprocal of a count is the correctly rounded one."""

import random

import cocotb
import numpy as np
from cocotb.triggers import ClockCycles, ReadOnly, RisingEdge

from harness.drive import PARAMETERS, start


@cocotb.test()
async def shares_equal_the_quotients(dut):
    await start(dut)
    counts = [*range(1, 20), 144, 576, 1152, 8191, 8192, *random.sample(range(20, 8192), 100)]
    for count in counts:
        dut.start.value = 1
        if random.random() < 0.3:  # Another count comes before this one is done with.
            dut.i.value = random.randrange(1, 8192)
            await RisingEdge(dut.clk)
            dut.start.value = 0
            await ClockCycles(dut.clk, random.randrange(PARAMETERS["latency"]))
            dut.start.value = 1
        dut.i.value = count
        await RisingEdge(dut.clk)
        dut.start.value = 0
        dut.i.value = 0
        await ClockCycles(dut.clk, PARAMETERS["latency"] - 1)
        await ReadOnly()
        expected = (np.float32(1) / np.float32(count)).view(np.uint32)
        assert int(dut.o.value) == int(expected), count
        await RisingEdge(dut.clk)
