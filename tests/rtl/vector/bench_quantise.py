"""Rows are quantised as by the golden model, at one group a cycle, whoever stalls."""

import random

import cocotb
import numpy as np
from cocotb.utils import get_sim_time

from flightvgm_sim.golden.quantize import correction, quantize
from harness.drive import PARAMETERS, receive, send, start

LANES = PARAMETERS["lanes"]


def pack(row):
    """Payloads of the groups of a row of FP16."""
    bits = np.zeros(-(-len(row) // LANES) * LANES, np.uint16)
    bits[: len(row)] = row.view(np.uint16)
    groups = bits.reshape(-1, LANES)
    words = [int.from_bytes(part.tobytes(), "little") for part in groups]
    return [word | (place == len(words) - 1) << 16 * LANES for place, word in enumerate(words)]


def some_row(width):
    kind = random.randrange(6)
    bits = np.array([random.getrandbits(16) for _ in range(width)], np.uint16)
    if kind == 0:  # Any exponent below the infinities.
        row = np.where((bits & 0x7C00) == 0x7C00, bits & 0x83FF, bits).astype(np.uint16).view(np.float16)
    elif kind == 1:  # Subnormal values.
        row = (bits & (0x8000 | random.choice([1, 3, 0x3F, 0x3FF]))).astype(np.uint16).view(np.float16)
    elif kind == 2:  # Multiples of a half of the quantum, hence many ties.
        row = (np.array([random.randrange(-127, 128) for _ in range(width)]) * 0.5).astype(np.float16)
        row[random.randrange(width)] = random.choice([63.5, -127, 127, 63.5 / 4, 31.75])
    elif kind == 3:
        row = np.zeros(width, np.float16) * random.choice([1, -1])
    elif kind == 4:  # Halves of the maximum.
        row = np.full(width, random.choice([65504, 1, 3.5, 2.0**-24, 2.0**-20 * 7]), np.float16)
        row[1:] = row[1:] / 2
    else:
        row = np.array([random.gauss(0, 1) for _ in range(width)], np.float16)
    return row


def answers(rows):
    values, closing = [], []
    for number, row in enumerate(rows):
        info, last = number & 0x3FFFF, number == len(rows) - 1
        q, scales = quantize(row[None])
        groups = pack(np.zeros(len(row), np.float16))
        padded = np.zeros(len(groups) * LANES, np.uint8)
        padded[: len(row)] = q[0].view(np.uint8)
        for place in range(len(groups)):
            word = int.from_bytes(padded[place * LANES : (place + 1) * LANES].tobytes(), "little")
            flags = (place == 0) | (place == len(groups) - 1) << 1 | info << 2
            values.append(word | flags << 8 * LANES)
        bits = int(scales[:1].view(np.uint32)[0])
        total = int(correction(q)[0]) & 0xFFFFFFFF
        closing.append((1000 + number) | last << 24 | bits << 25 | total << 57)
    return values, closing


async def check(dut, rows, stalls):
    values, closing = answers(rows)
    tokens = [
        (1000 + number) | (number == len(rows) - 1) << 24 | (number & 0x3FFFF) << 25 for number in range(len(rows))
    ]
    maxima = [int((np.abs(row).view(np.uint16)).max()) for row in rows]
    senders = [
        cocotb.start_soon(send(dut, "i", [word for row in rows for word in pack(row)], stalls=stalls[0])),
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
