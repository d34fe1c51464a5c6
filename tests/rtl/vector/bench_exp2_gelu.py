"""Functions of tables agree with the golden ones, one result a cycle."""

import cocotb
import numpy as np
from cocotb.triggers import ReadOnly, RisingEdge

from flightvgm_sim.golden import functions
from flightvgm_sim.golden.fp import to_fp16
from harness.drive import PARAMETERS, start


def arguments():
    """Edges of segments and of the domain, their neighbours, and numbers of all magnitudes."""
    rng = np.random.default_rng(5)
    edges = np.arange(0, 33, 1 / 32, dtype=np.float32)
    near = np.concatenate([np.nextafter(edges, np.float32(direction)) for direction in (-1e9, 1e9)])
    wide = np.ldexp(rng.random(800, np.float32) + 1, rng.integers(-40, 12, 800)).astype(np.float32)
    dense = (rng.random(800, np.float32) * 34).astype(np.float32)
    tiny = np.float32([0, 1e-37, 1.2e-38, 7.999999, 8, 8.000001, 31.999998, 32, 32.000004, 1e30])
    return np.abs(np.concatenate([tiny, edges, near, wide, dense]))


@cocotb.test()
async def results_are_the_golden_ones(dut):
    x = arguments()
    x = x[(x == 0) | (x >= np.float32(2.0**-126))]
    if PARAMETERS["function"] == "Gelu":
        x = np.concatenate([x, -x])
        wanted = functions.gelu(x).view(np.uint32)
    else:
        x = np.concatenate([-x, x[:1]])
        wanted = to_fp16(functions.exp2(x))[0].view(np.uint16)
    await start(dut)
    found = []
    bits = x.view(np.uint32).tolist()
    for value in bits + [0] * (PARAMETERS["latency"]):
        dut.i.value = value
        await ReadOnly()
        found.append(int(dut.o.value) if dut.o.value.is_resolvable else None)
        await RisingEdge(dut.clk)
    assert found[PARAMETERS["latency"] :] == wanted.tolist()
