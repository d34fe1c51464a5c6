"""Blocks arrive in the result buffer as they are, and nothing beside them."""

import random

import cocotb
import numpy as np
from cocotb.triggers import ReadOnly, RisingEdge

from harness.drive import PARAMETERS, send, start

ROWS, WORDS = PARAMETERS["rows"], PARAMETERS["words"]


def pack(*fields):
    total, position = 0, 0
    for value, bits in fields:
        assert 0 <= value < 1 << bits
        total |= value << position
        position += bits
    return total


def blocks():
    """Blocks of all alignments that do not overlap in time: each is (place, pitch, rows, values, zero)."""
    rng = random.Random(3)
    for number in range(40):
        pitch = rng.randrange(3, 6)
        values = rng.choice((1, 2, 15, 16, 17, 24, rng.randrange(1, 33)))
        yield rng.randrange(16), pitch, rng.randrange(ROWS + 1), values, number % 7 == 3


async def feed(dut, row, jobs):
    """Values of a row, which come in bursts."""
    port = getattr(dut, f"i__{row}")
    for place, _, rows, values, zero, data in jobs:
        if zero or row >= rows:
            continue
        for number in range(values):
            while random.random() < 0.6:
                port.value = 0
                await RisingEdge(dut.clk)
            at = (place + number) % 16
            push = at == 15 or number == values - 1
            port.value = pack((1, 1), (at, 4), (push, 1), (int(data[row, number]), 16))
            await RisingEdge(dut.clk)
    port.value = 0


@cocotb.test()
async def words_are_those_of_the_blocks(dut):
    await start(dut)
    memory = np.zeros((WORDS, 16), np.uint16)
    wanted = memory.copy()
    rng = np.random.default_rng(1)
    jobs, descriptors = [], []
    for number, (place, pitch, rows, values, zero) in enumerate(blocks()):
        data = rng.integers(1, 1 << 16, (ROWS, values))
        if zero:
            data[:] = 0
        word = int(rng.integers(0, WORDS - 5 * ROWS))
        jobs.append((place, pitch, rows, values, zero, data))
        descriptors.append(
            pack((word, 6), (place, 4), (pitch, 16), (rows, 7), (values, 16), (zero, 1), (number % 3 == 0, 1))
        )
        for row in range(rows):
            flat = wanted.reshape(-1)
            begin = (word + row * pitch) * 16 + place
            flat[begin : begin + values] = data[row]
    cocotb.start_soon(send(dut, "block", descriptors, stalls=0.2))
    for row in range(ROWS):
        cocotb.start_soon(feed(dut, row, jobs))
    written, done = 0, 0
    for _ in range(20000):
        await ReadOnly()
        value = int(dut.write.value)
        strobe, word = value & 0xFFFF, value >> 16 & WORDS - 1
        data = value >> 16 + 6
        for granule in range(16):
            if strobe >> granule & 1:
                memory[word, granule] = data >> 16 * granule & 0xFFFF
        written += int(dut.written.value)
        done += int(dut.done.value)
        await RisingEdge(dut.clk)
        if written == len(jobs):
            break
    assert written == len(jobs)
    assert done == sum(number % 3 == 0 for number in range(len(jobs)))
    assert np.array_equal(memory, wanted)
