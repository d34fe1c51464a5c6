"""The array is kept busy: cycles of instructions that follow each other."""

import cocotb
import numpy as np

from flightvgm_arch.formats import record_pitch
from harness.drive import PARAMETERS, start
from rtl.array.bench_matrix_attention import Case
from rtl.array.matrix_driver import DEPTH, C, Driver, R, instruction

AROUND = 160  # Cycles of an instruction before its first feed, and behind its last one.


@cocotb.test()
async def integer_products_follow_each_other(dut):
    await start(dut)
    driver = Driver(dut)
    driver.patient = False
    cocotb.start_soon(driver.watch())
    rows, k, columns = 3 * R, 4 * DEPTH * C, 3 * C
    driver.weights(0, np.ones((columns, k), np.int8), np.ones(columns), np.zeros(columns))
    driver.weights(0, np.ones((columns, k), np.int8), np.ones(columns), np.zeros(columns))
    driver.records(0, record_pitch(k), np.ones((rows, k), np.int8), np.ones(rows))
    await driver.load()
    fields = {"a_pitch": record_pitch(k), "rows": rows, "k": k, "columns": columns, "batch0": 1, "batch1": 1}
    command = instruction("MM", **fields, out_pitch=32 * columns)
    cycles = await driver.run(command, command)
    dut._log.info("%d cycles, %d of feeds", cycles, 18 * C)
    assert cycles <= 18 * C + AROUND


@cocotb.test()
async def items_of_attention_follow_each_other(dut):
    await start(dut)
    driver = Driver(dut)
    driver.patient = False
    cocotb.start_soon(driver.watch())
    keys, dim, items = 64, 16, 6
    case = Case(driver, np.random.default_rng(1), 0, 0, 0, batch=1, rows=3 * R, keys=keys, heads=2, dim=dim)
    await driver.load()
    cycles = await driver.run(case.command)
    lanes = max(count for count in range(1, min(R, PARAMETERS["exp_lanes"]) + 1) if R % count == 0)
    softmax = R // lanes * keys
    array = -(-keys // C) * max(dim // (2 * DEPTH), C // PARAMETERS["segments"]) + dim // C * keys // (2 * DEPTH)
    dut._log.info("%d cycles, %d of the softmax, %d of the array an item", cycles, softmax, array)
    assert cycles <= items * (max(softmax, array) + 16) + array + 2 * AROUND
