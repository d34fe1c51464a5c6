"""Rows are quantised as by the golden model, at one group a cycle, whoever stalls."""

import random

import cocotb
import numpy as np
from cocotb.utils import get_sim_time

from flightvgm_sim.golden.quantize import correction, quantize
from harness.drive import PARAMETERS, receive, send, start
from rtl.vector.rows_model import groups_of, row_of, some_row, values_of

LANES = PARAMETERS["lanes"]


def answers(rows):
    values, closing = [], []
    for number, row in enumerate(rows):
        q, scales = quantize(row[None])
        values += values_of(q[0], LANES, number & 0x3FFFF)
        closing.append(row_of(1000 + number, number == len(rows) - 1, scales[0], correction(q)[0]))
    return values, closing


async def check(dut, rows, stalls):
    values, closing = answers(rows)
    tokens = [
        (1000 + number) | (number == len(rows) - 1) << 24 | (number & 0x3FFFF) << 25 for number in range(len(rows))
    ]
    maxima = [int((np.abs(row).view(np.uint16)).max()) for row in rows]
    senders = [
        cocotb.start_soon(send(dut, "i", [word for row in rows for word in groups_of(row, LANES)], stalls=stalls[0])),
        cocotb.start_soon(send(dut, "i_maximum", maxima, stalls=stalls[1])),
        cocotb.start_soon(send(dut, "i_token", tokens, stalls=stalls[2])),
    ]
    found = cocotb.start_soon(receive(dut, "o_values", len(values), stalls=stalls[3]))
    assert await receive(dut, "o_row", len(closing), stalls=stalls[4]) == closing
    assert await found == values
    for sender in senders:
        await sender


@cocotb.test()
async def rows_equal_the_golden_ones(dut):
    await start(dut)
    for stalls in ((0, 0, 0, 0, 0), (0.5, 0, 0, 0, 0), (0, 0.9, 0.5, 0, 0), (0, 0, 0, 0.5, 0), (0, 0, 0, 0, 0.95)):
        rows = [some_row(random.choice([1, 2, 3, 7, 8, 9, 16, 33])) for _ in range(40)]
        await check(dut, rows, stalls)


@cocotb.test()
async def a_group_leaves_each_cycle(dut):
    await start(dut)
    rows = [some_row(9 * LANES) for _ in range(20)]
    began = get_sim_time("ns")
    await check(dut, rows, (0,) * 5)
    assert (get_sim_time("ns") - began) / 10 <= 20 * 9 + 25
