"""A FIFO loses nothing, doubles nothing and keeps the order, whoever stalls."""

import random

import cocotb
from cocotb.triggers import ReadOnly, RisingEdge
from cocotb.utils import get_sim_time

from harness.drive import PARAMETERS, receive, send, start


@cocotb.test()
async def order_is_kept_under_stalls(dut):
    await start(dut)
    for sending, receiving in ((0.0, 0.0), (0.5, 0.0), (0.0, 0.5), (0.3, 0.3)):
        values = [random.randrange(1 << PARAMETERS["width"]) for _ in range(200)]
        sender = cocotb.start_soon(send(dut, "i", values, stalls=sending))
        assert await receive(dut, "o", len(values), stalls=receiving) == values
        await sender
        await ReadOnly()
        assert int(dut.level.value) == 0
        assert int(dut.room.value) == PARAMETERS["depth"]
        await RisingEdge(dut.clk)


@cocotb.test()
async def one_transfer_a_cycle(dut):
    await start(dut)
    values = list(range(100))
    sender = cocotb.start_soon(send(dut, "i", values))
    began = get_sim_time("ns")
    await receive(dut, "o", len(values))
    await sender
    assert (get_sim_time("ns") - began) / 10 <= len(values) + 3


@cocotb.test()
async def as_many_as_its_depth_fit(dut):
    await start(dut)
    sender = cocotb.start_soon(send(dut, "i", range(PARAMETERS["depth"])))
    await sender
    await ReadOnly()
    assert int(dut.level.value) == PARAMETERS["depth"]
    assert int(dut.i__ready.value) == 0
    await RisingEdge(dut.clk)
    assert await receive(dut, "o", PARAMETERS["depth"]) == list(range(PARAMETERS["depth"]))
