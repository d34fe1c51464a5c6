"""Fetch gives the instructions that are asked for, in any order, and keeps loops."""

import random
from collections import deque

import cocotb
from cocotb.triggers import RisingEdge

from harness.drive import start

ENTRY, WINDOW = 0x3_FFFF_FFE0, 0x4_0001_0000  # The first address is 64 bytes below a carry into the upper half.
WINDOW_ERROR, SLVERR = 1, 2
BAD = 700  # An instruction that memory answers with an error.


class Bench:
    """Memory, and a front end that asks for one instruction after another."""

    def __init__(self, dut, *, latency):
        self.dut, self.latency, self.now, self.reads = dut, latency, 0, 0
        self.beats = deque()
        self.seed = random.getrandbits(32)

    def beat(self, address):
        """What lies at an address."""
        return random.Random(self.seed ^ address).getrandbits(256)

    def expected(self, number):
        address = ENTRY + 64 * number
        if address + 64 > WINDOW:
            return None, WINDOW_ERROR
        return self.beat(address) | self.beat(address + 32) << 256, SLVERR if number == BAD else 0

    async def edge(self):
        """A cycle of the memory."""
        dut = self.dut
        await RisingEdge(dut.clk)
        self.now += 1
        if int(dut.port__beat__valid.value):
            self.beats.popleft()
        if int(dut.port__request__valid.value) and int(dut.port__request__ready.value):
            request = int(dut.port__request__payload.value)
            self.reads += 1
            self.answer(request & (1 << 40) - 1, request >> 40)
        ready = bool(self.beats) and self.beats[0][0] <= self.now and random.random() < 0.9
        dut.port__beat__valid.value = int(ready)
        if ready:
            dut.port__beat__payload.value = self.beats[0][1]
        dut.port__request__ready.value = int(random.random() < 0.9)

    def answer(self, address, beats):
        due = self.now + self.latency
        if address + 32 * beats > WINDOW:
            self.beats.append((due, 1 << 256 | WINDOW_ERROR << 257))
            return
        for beat in range(beats):
            place = address + 32 * beat
            error = SLVERR if place == ENTRY + 64 * BAD + 32 else 0
            self.beats.append((due, self.beat(place) | (beat == beats - 1) << 256 | error << 257))

    async def fetch(self, numbers):
        """Ask for instructions, and check them; ``get`` of a word in between where a number is negative."""
        dut = self.dut
        for number in numbers:
            if number < 0:
                await self.get(WINDOW - 4 * random.randrange(1, 64))
                continue
            dut.i__payload.value, dut.i__valid.value = number, 1
            while True:
                await self.edge()
                if int(dut.i__ready.value):
                    break
            dut.i__valid.value = 0
            while random.random() < 0.3:
                await self.edge()
            dut.o__ready.value = 1
            while True:
                await self.edge()
                if int(dut.o__valid.value):
                    break
            found = int(dut.o__payload.value)
            dut.o__ready.value = 0
            word, error = self.expected(number)
            assert found >> 512 == error, number
            assert error or found & (1 << 512) - 1 == word, number

    async def get(self, address):
        dut = self.dut
        dut.get__payload.value, dut.get__valid.value = address, 1
        while True:
            await self.edge()
            if int(dut.get__ready.value):
                break
        dut.get__valid.value = 0
        got = 0
        while not got & 1:
            await self.edge()
            got = int(dut.got.value)
        assert got >> 33 == 0
        assert got >> 1 & 0xFFFFFFFF == self.beat(address & -32) >> address % 32 * 8 & 0xFFFFFFFF


async def begin(dut, latency=30):
    await start(dut)
    dut.entry.value, dut.run.value = ENTRY, 1
    return Bench(dut, latency=latency)


@cocotb.test(timeout_time=400, timeout_unit="us")
async def a_loop_of_128_is_read_once(dut):
    bench = await begin(dut)
    await bench.fetch([*range(130)] + [*range(2, 130)] * 3)
    assert bench.reads <= 130 + 16 + 1


@cocotb.test(timeout_time=400, timeout_unit="us")
async def jumps_anywhere(dut):
    bench = await begin(dut)
    for latency in (1, 40):
        bench.latency = latency
        numbers, place = [], 0
        for _ in range(40):
            numbers += range(place, place + random.choice([1, 1, 2, 20]))
            near = max(0, place + random.randrange(-30, 30))
            place = random.choice([near, near, random.randrange(600), 16, 272])
            numbers += [-1] if random.random() < 0.2 else []
        await bench.fetch(numbers)


@cocotb.test(timeout_time=400, timeout_unit="us")
async def a_long_loop_is_read_again(dut):
    bench = await begin(dut, 10)
    await bench.fetch([*range(300)] * 2)


@cocotb.test(timeout_time=400, timeout_unit="us")
async def errors_come_with_their_instruction(dut):
    bench = await begin(dut, 10)
    last = (WINDOW - ENTRY) // 64
    await bench.fetch([BAD - 1, BAD, BAD + 1, last - 2, last - 1, last, 5, last + 100, BAD])


@cocotb.test(timeout_time=400, timeout_unit="us")
async def reading_ahead_hides_the_latency(dut):
    bench = await begin(dut, 40)
    await bench.fetch([0])
    began = bench.now
    await bench.fetch(range(1, 101))
    assert bench.now - began < 100 * 6 + 50
