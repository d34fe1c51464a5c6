"""Tiles of all kinds give the golden products, whatever lies beside their operands, however they follow each other."""

import random

import cocotb
import numpy as np
from cocotb.triggers import ReadOnly, RisingEdge

from harness.drive import PARAMETERS, send, start
from rtl.array.datapath_scene import (
    COLUMNS,
    DEPTH,
    DRAW,
    MM8,
    MM16,
    PV,
    ROWS,
    SCORE,
    SEGMENTS,
    WIDTH,
    WORDS,
    Scene,
    add_fp16,
    add_int8,
    bits,
    entry_of,
    garbage,
    pack,
    unpack,
)


async def load(dut, scene, stalls):
    """Write operands; the writes of a buffer are dealt to its two streams."""
    senders = []
    for name, writes in (("i_a", scene.a), ("i_b", scene.b)):
        cut = random.randrange(len(writes) + 1) if writes else 0
        for number, part in enumerate((writes[:cut], writes[cut:])):
            senders.append(cocotb.start_soon(send(dut, f"{name}__{number}", part, stalls=stalls)))
    for sender in senders:
        await sender


async def load_p(dut, slot, x):
    for word in range(-(-x.shape[1] // 16)):
        for row in range(ROWS):
            data = bits(x[row, 16 * word :][:16])
            getattr(dut, f"i_p__{row}").value = pack("p", enable=1, slot=slot, word=word, data=data)
        await RisingEdge(dut.clk)
    for row in range(ROWS):
        getattr(dut, f"i_p__{row}").value = 0
        correction = entry_of(x[row]) & (1 << 58) - 1
        getattr(dut, f"i_p_entry__{row}").value = pack("p_entry", enable=1, slot=slot, correction=correction)
    await RisingEdge(dut.clk)
    for row in range(ROWS):
        getattr(dut, f"i_p_entry__{row}").value = 0


class Monitor:
    """What leaves each lane, and in which cycles feeds are issued."""

    def __init__(self, dut):
        self.got = {(r, s): [] for r in range(ROWS) for s in range(SEGMENTS)}
        self.times = {key: [] for key in self.got}
        self.feeds = []
        self.cycle = 0
        cocotb.start_soon(self.run(dut))

    async def run(self, dut):
        ports = {key: getattr(dut, f"o__{key[0]}__{key[1]}") for key in self.got}
        while True:
            await ReadOnly()
            if dut.active.value == 1:
                self.feeds.append(self.cycle)
            for key, port in ports.items():
                word = int(port.value)
                if word & 1:
                    self.got[key].append(word)
                    self.times[key].append(self.cycle)
            self.cycle += 1
            await RisingEdge(dut.clk)


def compare(scene, got):
    for key, wanted in scene.expected.items():
        for number, (word, want) in enumerate(zip(got[key], wanted, strict=False)):
            found = unpack("drained", word)
            found["tag"] = unpack("tag", found["tag"])
            found = {name: found[name] for name in want}
            assert found == want, f"lane {key}, result {number}"
        assert len(got[key]) == len(wanted), f"lane {key}"


async def allow(dut, chance):
    while True:
        dut.i_allow.value = int(random.random() < chance)
        await RisingEdge(dut.clk)


async def settle(dut):
    for _ in range(PARAMETERS["latency"] + ROWS + COLUMNS + 4):
        await RisingEdge(dut.clk)


async def play(dut, scene, *, stalls, chance):
    if scene.p:
        for slot, x in scene.p[-2:]:
            await load_p(dut, slot, x)
    await load(dut, scene, stalls)
    await settle(dut)
    monitor = Monitor(dut)
    gate = cocotb.start_soon(allow(dut, chance))
    await send(dut, "i", scene.tiles, stalls=stalls)
    while True:
        before = len(monitor.feeds)
        for _ in range(40):
            await RisingEdge(dut.clk)
        if len(monitor.feeds) == before:
            break
    await settle(dut)
    gate.cancel()
    compare(scene, monitor.got)
    return monitor


@cocotb.test()
async def tiles_in_any_order(dut):
    DRAW[0] = np.random.default_rng(random.getrandbits(32))
    await start(dut)
    for turn in range(2 if ROWS * COLUMNS * DEPTH > 32 else 4):
        scene = Scene()
        if turn % 2 == 0:
            scene.a = garbage("a", ROWS, range(WORDS))
            scene.b = garbage("b", COLUMNS, range(WORDS))
            await load(dut, scene, 0)
            scene.a, scene.b = [], []
        probabilities = 0
        for _ in range(16):
            k = random.choice([1, 2, 3, random.randint(1, 12), random.randint(1, 70), 16, 32 * DEPTH])
            interval = random.choice([0, 1, WIDTH, WIDTH + 3, COLUMNS])
            kind = random.choice([MM8, MM8, MM16, SCORE, PV])
            if kind == MM8:
                add_int8(scene, k, interval)
            elif kind != PV or probabilities < 2:
                probabilities += add_fp16(scene, k, interval, kind) and kind == PV
        assert scene.tiles
        await play(dut, scene, stalls=random.choice([0, 0.3]), chance=random.choice([1, 1, 0.2]))


@cocotb.test()
async def equal_tiles_follow_without_a_gap(dut):
    DRAW[0] = np.random.default_rng(random.getrandbits(32))
    await start(dut)
    for kind, k in ((MM8, 4 * DEPTH * max(3, WIDTH)), (MM16, 3 * 2 * DEPTH), (MM8, 4 * DEPTH)):
        scene = Scene()
        for _ in range(4):
            assert add_int8(scene, k, 0) if kind == MM8 else add_fp16(scene, k, 0, kind)
        monitor = await play(dut, scene, stalls=0, chance=1)
        feeds = len(monitor.feeds) // len(scene.tiles)
        spacing = max(feeds, WIDTH)
        begins = monitor.feeds[::feeds]
        assert [later - begins[0] for later in begins] == [spacing * n for n in range(len(begins))]
        low = unpack("tag", unpack("tile", scene.tiles[0])["tag"])["low"]
        assert monitor.times[0, low // WIDTH][0] == monitor.feeds[feeds - 1] + PARAMETERS["latency"] + low
