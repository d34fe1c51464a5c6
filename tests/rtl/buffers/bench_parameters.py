"""A copy of the parameters holds what was written, and gives it from any address."""

import random

import cocotb
import numpy as np
from cocotb.triggers import ReadOnly, RisingEdge

from harness.drive import PARAMETERS, start

WORDS, VALUES = PARAMETERS["words"], PARAMETERS["values"]
UNIT = 16 if VALUES == 4 else 32  # Bytes that an address counts.


@cocotb.test()
async def reads_give_what_was_written(dut):
    await start(dut)
    await RisingEdge(dut.clk)
    memory, held = np.zeros(32 * WORDS, np.uint8), None
    for _ in range(600):
        write, read = random.random() < 0.5, random.random() < 0.6
        word, strobe = random.randrange(WORDS), random.choice((0xFFFF, random.randrange(1 << 16)))
        data = random.randbytes(32)
        shift = 1 + (WORDS - 1).bit_length()
        value = int(write) | word << 1 | int.from_bytes(data, "little") << shift | strobe << shift + 256
        dut.write.value = value
        address = random.randrange(32 * WORDS // UNIT)
        dut.read_enable.value = int(read)
        dut.read_address.value = address
        await ReadOnly()
        if held is not None:
            assert int(dut.read_data.value).to_bytes(4 * VALUES, "little") == held
        await RisingEdge(dut.clk)
        if read:
            held = np.roll(memory, -address * UNIT)[: 4 * VALUES].tobytes()
        if write:
            for lane in range(16):
                if strobe >> lane & 1:
                    place = 32 * word + 2 * lane
                    memory[place : place + 2] = np.frombuffer(data[2 * lane : 2 * lane + 2], np.uint8)
