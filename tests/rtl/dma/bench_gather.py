"""Rows of 1 KiB through a map, with walker and engine: four fifths of the port's peak."""

import random

import cocotb
import numpy as np
from cocotb.utils import get_sim_time

from harness.drive import receive, send, start
from rtl.dma.axi_memory import Memory, pack_windows
from rtl.dma.bench_walker import pack

ROWS = 60


@cocotb.test(timeout_time=200, timeout_unit="us")
async def gathers_keep_the_port_busy(dut):
    memory = bytearray(random.randbytes(1 << 20))
    numbers = np.array([random.randrange(800) for _ in range(ROWS)], "<u4")
    memory[:240] = numbers.tobytes()
    await start(dut)
    dut.windows.value = pack_windows([(0, 1 << 20)])
    bus = Memory(dut, "axi", memory)
    for stalls, base, latency in ((0.0, 4096, 120), (0.0, 4128, 120), (0.1, 4128, 120)):
        bus.stalls, bus.latency = stalls, latency
        began = get_sim_time("ns")
        job = pack(base=base, pitch=1024, start=0, count=ROWS, stride=1, outer=1, mapped=1, map=0)
        cocotb.start_soon(send(dut, "job", [job]))
        found = await receive(dut, "beat", 32 * ROWS)
        cycles = (get_sim_time("ns") - began) / 10
        for index, number in enumerate(numbers.tolist()):
            place = base + 1024 * number
            words = np.frombuffer(memory[place : place + 1024], "V32")
            for beat in range(32):
                assert found[32 * index + beat] & (1 << 256) - 1 == int.from_bytes(words[beat].tobytes(), "little")
        dut._log.info("%d rows at %d, stalls of %s: %d cycles", ROWS, base % 1024, stalls, cycles)
        assert stalls or 32 * ROWS / cycles >= 0.8
