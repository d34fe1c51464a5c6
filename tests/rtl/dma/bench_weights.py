"""Tiles arrive whole and in order, no slot is touched before its release, and faults are those of the golden unit."""

import random
from collections import deque
from types import SimpleNamespace

import cocotb
import numpy as np
from cocotb.triggers import ReadOnly, RisingEdge
from cocotb.utils import get_sim_time

from flightvgm_arch.errors import ErrorCode
from flightvgm_arch.formats import tile_bytes
from flightvgm_sim.machine.errors import FaultError
from flightvgm_sim.machine.operands import OperandBuffer
from flightvgm_sim.machine.ring import Ring
from flightvgm_sim.machine.units.load import load_weights
from harness.drive import PARAMETERS, reset, send, start
from rtl.dma.commands import pack_command, unpack_fault
from rtl.dma.read_client import DECERR, ReadServer

C, BYTES = PARAMETERS["columns"], PARAMETERS["b_bytes"]
WORDS = BYTES // (32 * C)
LINE = 32 * C
BANK, WORD = max(1, (max(2, C) - 1).bit_length()), (WORDS - 1).bit_length()
SETTLED = 8


def golden_state(ring):
    buffer = OperandBuffer("B", BYTES, banks=C)
    tiles = SimpleNamespace(count=1, size=0)
    shared = SimpleNamespace(tiles=lambda *_: tiles, counters=SimpleNamespace(weight_bytes=0))
    return SimpleNamespace(ring=ring, b=buffer, shared=shared)


def golden_code(fields):
    """Code of the golden unit's fault; a tile that fits no K counts as a mismatch."""
    try:
        load_weights(golden_state(Ring(C)), SimpleNamespace(fields=fields, appended=False))
    except FaultError as fault:
        return int(fault.code)
    return ErrorCode.RING_MISMATCH if fields["tile_bytes"] % (16 * C) else 0


class Bench:
    """The unit, the memory of its tiles, buffer B, and a consumer."""

    async def begin(self, dut, *, latency=120, stalls=0.0, pace=0):
        await start(dut)
        self.dut, self.stalls, self.pace = dut, stalls, pace
        self.memory = random.randbytes(1 << 18)
        self.server = ReadServer(dut, "read", self.memory, latency=latency, stalls=stalls)
        self.b = np.zeros((C, 2 * WORDS, 16), np.uint8)
        self.b_ready = cocotb.start_soon(self._write())
        self.wanted = deque()
        self.written = self.taken = self.done = 0

    async def _write(self):
        dut = self.dut
        valid, ready, payload = dut.write__valid, dut.write__ready, dut.write__payload
        while True:
            ready.value = int(random.random() >= self.stalls)
            await ReadOnly()
            if int(valid.value) and int(ready.value):
                self._put(int(payload.value))
            self.done += int(dut.done.value)
            await RisingEdge(dut.clk)

    def _put(self, word):
        kind, bank = word & 3, word >> 2 & (1 << BANK) - 1
        at = word >> 2 + BANK & (1 << WORD) - 1
        word >>= 2 + BANK + WORD
        data, strobe, entry = (word & (1 << 256) - 1).to_bytes(32, "little"), word >> 256 & 0xFFFF, word >> 336
        assert (kind, entry) == (1, 0)
        assert strobe in (0x00FF, 0xFF00)
        line = 2 * at + (strobe == 0xFF00)
        self.b[bank, line] = np.frombuffer(data[:16], np.uint8)
        self.b[bank + 1, line] = np.frombuffer(data[16:], np.uint8)
        self.written += 1

    async def consume(self, count):
        """Take tiles, hold up to three of them for a while, and compare each when it is taken and released."""
        dut, held = self.dut, deque()
        while count or held:
            take = release = 0
            valid, place, size = dut.tiles__valid, dut.tiles__place, dut.tiles__bytes
            await ReadOnly()
            if count and len(held) < 3 and int(valid.value) and random.random() >= self.stalls:
                tile = self.wanted.popleft()
                assert int(size.value) == len(tile)
                held.append((int(place.value), tile))
                self._compare(*held[-1])
                take, count = 1, count - 1
                self.taken += 1
            elif held and (not self.pace or random.random() < 1 / self.pace):
                self._compare(*held.popleft())
                release = 1
            await RisingEdge(dut.clk)
            dut.tiles__take.value, dut.tiles__release.value = take, release
            await RisingEdge(dut.clk)
            dut.tiles__take.value, dut.tiles__release.value = 0, 0

    def _compare(self, place, tile):
        lines = len(tile) // (16 * C)
        content = np.frombuffer(tile, np.uint8).reshape(lines, C, 16).transpose(1, 0, 2)
        assert np.array_equal(self.b[:, place : place + lines], content)

    def load(self, source, k, tiles, ring, depth, gate=1):
        size = tile_bytes(C, k)
        if gate:
            self.wanted.extend(self.memory[source + n * size : source + (n + 1) * size] for n in range(tiles))
        fields = {"source": source, "tile_bytes": size, "tiles": tiles, "ring": ring, "depth": depth, "gate": gate}
        return pack_command("LOADW", **fields)


async def wait_until(dut, condition):
    while not condition():
        await RisingEdge(dut.clk)


@cocotb.test(timeout_time=1000, timeout_unit="us")
async def tiles_arrive_in_order(dut):
    for stalls, latency, pace in ((0.0, 120, 0), (0.3, 10, 5), (0.0, 10, 60)):
        bench = Bench()
        await bench.begin(dut, latency=latency, stalls=stalls, pace=pace)
        words, last = [], (0, 0)
        for _ in range(12):
            k, depth, tiles = random.choice([1, 16, 17, 100]), random.choice([3, 4, 5]), random.choice([0, 1, 2, 7])
            if random.random() < 0.5 and words:
                k, depth = last
            last = k, depth
            room = BYTES // LINE * LINE - depth * tile_bytes(C, k)
            if room < 0:
                continue
            ring = random.choice([0, room // LINE * LINE, random.randrange(room // LINE + 1) * LINE])
            source = 32 * random.randrange(1024)
            words.append(bench.load(source, k, tiles, ring, depth, random.choice([0, 1, 1, 1])))
        count = len(bench.wanted)
        sender = cocotb.start_soon(send(dut, "command", words, stalls=stalls))
        await bench.consume(count)
        await sender
        await wait_until(dut, lambda bench=bench, words=words: bench.done == len(words))
        for _ in range(20):
            await RisingEdge(dut.clk)
        await ReadOnly()
        assert (int(dut.empty.value), int(dut.busy.value), int(dut.tiles__valid.value)) == (1, 0, 0)
        assert bench.done == len(words)
        await RisingEdge(dut.clk)
        bench.b_ready.cancel()
        bench.server.task.cancel()


@cocotb.test(timeout_time=200, timeout_unit="us")
async def it_is_done_when_the_last_tile_is_on_chip(dut):
    bench = Bench()
    await bench.begin(dut, latency=10)
    cocotb.start_soon(send(dut, "command", [bench.load(64, 16, 5, 0, 3)]))
    beats = tile_bytes(C, 16) // 32
    await wait_until(dut, lambda: bench.written == 3 * beats)
    for _ in range(100):
        await RisingEdge(dut.clk)
    assert (bench.written, bench.done) == (3 * beats, 0)
    await bench.consume(1)
    for _ in range(100):
        await RisingEdge(dut.clk)
    assert (bench.written, bench.done) == (4 * beats, 0)
    await bench.consume(1)
    await wait_until(dut, lambda: bench.written == 5 * beats)
    assert bench.done == 0
    for _ in range(SETTLED + 2):
        await RisingEdge(dut.clk)
    assert bench.done == 1
    await ReadOnly()
    assert int(dut.empty.value) == 0
    await RisingEdge(dut.clk)
    await bench.consume(3)
    for _ in range(3):
        await RisingEdge(dut.clk)
    assert int(dut.empty.value) == 1


async def fault_of(bench, fields):
    cocotb.start_soon(send(bench.dut, "command", [pack_command("LOADW", 9, **fields)]))
    for _ in range(300):
        await ReadOnly()
        fault = unpack_fault(int(bench.dut.fault.value))
        await RisingEdge(bench.dut.clk)
        if fault:
            break
    await reset(bench.dut)
    return fault


@cocotb.test(timeout_time=200, timeout_unit="us")
async def faults_are_those_of_the_golden_unit(dut):
    bench = Bench()
    await bench.begin(dut, latency=10)
    size, end = tile_bytes(C, 16), BYTES // LINE * LINE
    good = {"source": 64, "tile_bytes": size, "tiles": 2, "ring": 0, "depth": 2, "gate": 1}
    bad = [
        {"source": 72}, {"tile_bytes": size + 8}, {"depth": 0}, {"tile_bytes": 0}, {"ring": 16}, {"ring": LINE // 2},
        {"ring": LINE + 32}, {"ring": end}, {"ring": end - LINE}, {"ring": (1 << 24) // LINE * LINE - LINE},
        {"tile_bytes": (1 << 24) - 32, "depth": 255}, {"tile_bytes": 16 * C * ((1 << 24) // (16 * C) - 2) // 32 * 32},
    ]  # fmt: skip
    for change in bad:
        fields = good | change
        code = golden_code(fields)
        assert code, fields
        assert await fault_of(bench, fields) == (code, 9, 64 + 8 * (fields["source"] == 72)), fields
    if C > 2:
        fields = good | {"tile_bytes": size + 32}
        assert await fault_of(bench, fields) == (ErrorCode.RING_MISMATCH, 9, 64)


@cocotb.test(timeout_time=200, timeout_unit="us")
async def errors_of_memory_name_the_tile(dut):
    bench = Bench()
    await bench.begin(dut, latency=10)
    size = tile_bytes(C, 16)
    bench.server.broken = {64 + size + 32: DECERR}
    fields = {"source": 64, "tile_bytes": size, "tiles": 3, "ring": 0, "depth": 3, "gate": 1}
    assert await fault_of(bench, fields) == (ErrorCode.AXI_DECERR, 9, 64 + size)
    assert bench.done == 0
    bench.server.task.cancel()


@cocotb.test(timeout_time=200, timeout_unit="us")
async def a_beat_a_cycle(dut):
    bench = Bench()
    await bench.begin(dut)
    tiles, size = 24, tile_bytes(C, 100)
    depth = min(8, BYTES // LINE * LINE // size)
    began = get_sim_time("ns")
    words = [bench.load(source, 100, tiles // 2, 0, depth) for source in (0, 4096)]
    cocotb.start_soon(send(dut, "command", words))
    await bench.consume(tiles)
    cycles, beats = (get_sim_time("ns") - began) / 10, tiles * size // 32
    dut._log.info("%d beats: %d cycles", beats, cycles)
    assert beats / (cycles - 150) >= 0.9
