"""Rows are normed, modulated and quantised as by the golden model, whoever stalls."""

import random

import cocotb
import numpy as np
from cocotb.triggers import ReadOnly, RisingEdge
from cocotb.utils import get_sim_time

from flightvgm_sim.golden.fp import to_fp16
from flightvgm_sim.golden.norm import layer_norm
from flightvgm_sim.golden.quantize import correction, quantize
from flightvgm_sim.golden.residual import modulate
from harness.drive import PARAMETERS, receive, send, start
from rtl.vector.rows_model import bits_of, groups_of, row_of, some_row, values_of

LANES, WORDS = PARAMETERS["lanes"], PARAMETERS["words"]
PLACE = (WORDS * (2 if LANES == 4 else 1) - 1).bit_length()


async def write_parameters(dut, address, values):
    """FP32 values at a byte address of the parameter buffer."""
    data = np.asarray(values, np.float32).tobytes()
    data += bytes(-len(data) % 32)
    for number in range(len(data) // 32):
        part = int.from_bytes(data[32 * number : 32 * number + 32], "little")
        word = address // 32 + number
        bits = 1 | word << 1 | part << 1 + (WORDS - 1).bit_length() | 0xFFFF << 257 + (WORDS - 1).bit_length()
        dut.parameters.value = bits
        await RisingEdge(dut.clk)
    dut.parameters.value = 0


def place(address):
    return address // 16 if LANES == 4 else address // 32


def set_jobs(dut, slot, job):
    width = job["width"]
    share = bits_of(np.float32(1) / np.float32(width))
    getattr(dut, f"norm_jobs__{slot}").value = job["norm"] | width << 1 | share << 15
    tail = (1 << (width - 1) % LANES + 1) - 1
    fields = job["modulate"] | place(job["scale"]) << 1 | place(job["shift"]) << 1 + PLACE | tail << 1 + 2 * PLACE
    getattr(dut, f"modulate_jobs__{slot}").value = fields


def expect(rows, job, parameters):
    stacked = np.stack(rows)
    v, saturated = stacked, 0
    if job["norm"] or job["modulate"]:
        wide = layer_norm(stacked) if job["norm"] else stacked.astype(np.float32)
        if job["modulate"]:
            wide = modulate(wide, parameters["scale"], parameters["shift"])
        v, saturated = to_fp16(wide)
    q, scale = quantize(v)
    return q, scale, correction(q), saturated


def some_job(width):
    flags = {"norm": random.random() < 0.7, "modulate": random.random() < 0.7}
    return {"width": width, "scale": 32 * random.randrange(4), "shift": 32 * random.randrange(4), **flags}


async def check(dut, instructions, stalls):
    """Send the rows of several instructions, whose slots alternate; returns the values that saturated."""
    groups, tokens, values, closing, saturations = [], [], [], [], 0
    for number, (job, rows, parameters) in enumerate(instructions):
        q, scale, total, saturated = expect(rows, job, parameters)
        saturations += saturated
        for place, row in enumerate(rows):
            last = place == len(rows) - 1
            info = random.getrandbits(18)
            token = random.getrandbits(24)
            groups += groups_of(row, LANES, slot=number % 2)
            tokens.append(token | last << 24 | info << 25)
            values += values_of(q[place], LANES, info)
            closing.append(row_of(token, last, scale[place], total[place]))
    tasks = [
        cocotb.start_soon(send(dut, "i", groups, stalls=stalls[0])),
        cocotb.start_soon(send(dut, "i_token", tokens, stalls=stalls[1])),
        cocotb.start_soon(receive(dut, "o_values", len(values), stalls=stalls[2])),
    ]
    assert await receive(dut, "o_row", len(closing), stalls=stalls[3]) == closing
    assert await tasks[2] == values
    return saturations


async def watch(dut, seen):
    while True:
        await RisingEdge(dut.clk)
        await ReadOnly()
        seen["saturated"] += int(dut.saturated.value)
        seen["beyond"] |= int(dut.beyond.value)


async def prepare(dut, width, count):
    """Two jobs in their slots, and rows for them."""
    instructions = []
    for slot in range(2):
        job = some_job(width)
        parameters = {
            "scale": np.array([random.gauss(1, 1) for _ in range(width)], np.float32),
            "shift": np.array([random.gauss(0, 1) for _ in range(width)], np.float32),
        }
        parameters["scale"][random.randrange(width)] = np.float32(2.0**47)  # Saturates.
        parameters["shift"][random.randrange(width)] = np.float32(2.0**-130)  # Counts as zero.
        quarter = 8 * WORDS  # Bytes of the buffer for each of the four vectors.
        for number, name in enumerate(("scale", "shift")):
            job[name] += quarter * (2 * slot + number)
            await write_parameters(dut, job[name], parameters[name])
        set_jobs(dut, slot, job)
        instructions.append((job, [some_row(width) for _ in range(count)], parameters))
    return instructions


@cocotb.test()
async def rows_equal_the_golden_ones(dut):
    await start(dut)
    seen = {"saturated": 0, "beyond": 0}
    cocotb.start_soon(watch(dut, seen))
    expected = 0
    for width in (144, 1, 10, 37, 8):
        for stalls in ((0, 0, 0, 0), (0.3, 0.3, 0.3, 0.5), (0, 0.9, 0, 0), (0, 0, 0.7, 0.9)):
            if width > 16 and stalls[1] > 0.5:
                continue
            expected += await check(dut, await prepare(dut, width, 4), stalls)
    assert seen == {"saturated": expected, "beyond": 0}


@cocotb.test()
async def the_widest_rows_fit(dut):
    await start(dut)
    await check(dut, await prepare(dut, PARAMETERS["channels"], 2), (0, 0, 0, 0))


@cocotb.test()
async def a_group_enters_each_cycle(dut):
    await start(dut)
    width, count = 144, 8
    instructions = await prepare(dut, width, count)
    began = get_sim_time("ns")
    await check(dut, instructions, (0, 0, 0, 0))
    spent = (get_sim_time("ns") - began) / 10
    groups = -(-width // LANES)
    dut._log.info(f"{spent - 2 * count * groups} cycles beside those of the groups")
    assert spent <= 2 * count * groups + 3 * groups + 130


@cocotb.test()
async def large_parameters_are_told(dut):
    await start(dut)
    seen = {"saturated": 0, "beyond": 0}
    cocotb.start_soon(watch(dut, seen))
    instructions = await prepare(dut, 10, 1)
    job, rows, parameters = instructions[0]
    job["modulate"] = True
    set_jobs(dut, 0, job)
    values = np.concatenate([parameters["shift"], np.full(22, np.nan, np.float32)])
    await write_parameters(dut, job["shift"], values)
    await check(dut, instructions[:1], (0, 0, 0, 0))
    assert not seen["beyond"]  # What lies behind the row does not count.
    values[9] = np.float32(2.0**48)
    await write_parameters(dut, job["shift"], values)
    await check_values_only(dut, job, rows[0])
    assert seen["beyond"]


async def check_values_only(dut, job, row):
    cocotb.start_soon(send(dut, "i", groups_of(row, LANES)))
    cocotb.start_soon(send(dut, "i_token", [0]))
    cocotb.start_soon(receive(dut, "o_values", -(-job["width"] // LANES)))
    await receive(dut, "o_row", 1)
