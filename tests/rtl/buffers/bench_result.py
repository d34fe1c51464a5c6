"""Both readers get their words in order, whoever stalls, and a write changes its values only."""

import random

import cocotb
from cocotb.triggers import RisingEdge

from harness.drive import PARAMETERS, receive, send, start

WORDS = PARAMETERS["words"]
ADDRESS_BITS = (WORDS - 1).bit_length()


@cocotb.test()
async def words_come_in_order(dut):
    await start(dut)
    memory = [0] * WORDS
    for _ in range(100):
        word, strobe, data = random.randrange(WORDS), random.choice((0xFFFF, random.randrange(1 << 16))), 0
        for granule in range(16):
            value = random.randrange(1 << 16)
            data |= value << 16 * granule
            if strobe >> granule & 1:
                memory[word] = memory[word] & ~(0xFFFF << 16 * granule) | value << 16 * granule
        dut.write.value = strobe | word << 16 | data << 16 + ADDRESS_BITS
        await RisingEdge(dut.clk)
    dut.write.value = 0
    for stalls in ((0, 0), (0.7, 0), (0, 0.7), (0.5, 0.5)):
        tasks = []
        for reader in range(2):
            numbers = [random.randrange(WORDS) for _ in range(60)]
            cocotb.start_soon(send(dut, f"read__{reader}__request", numbers, stalls=stalls[reader]))
            task = cocotb.start_soon(receive(dut, f"read__{reader}__word", 60, stalls=stalls[1 - reader]))
            tasks.append((numbers, task))
        for numbers, task in tasks:
            assert await task == [memory[number] for number in numbers]
