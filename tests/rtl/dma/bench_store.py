"""STORE and FILL leave memory as the golden unit does, and stop where it stops."""

import random
from types import SimpleNamespace

import cocotb
import numpy as np
from cocotb.triggers import ReadOnly, RisingEdge
from cocotb.utils import get_sim_time

from flightvgm_arch.errors import ErrorCode
from flightvgm_sim.machine.buffers import Buffer
from flightvgm_sim.machine.errors import FaultError
from flightvgm_sim.machine.memory import Memory as GoldenMemory
from flightvgm_sim.machine.units import store
from harness.drive import PARAMETERS, reset, send, start
from rtl.dma.axi_memory import DECERR, SLVERR, Memory, pack_windows
from rtl.dma.commands import pack_command, unpack_fault

SIZE = 1 << 18
WINDOW = (4096, SIZE)
MOST = PARAMETERS["result_bytes"]


class Golden:
    """The golden unit on a memory of its own."""

    def __init__(self, memory, result):
        self.memory = GoldenMemory(1 << 40)
        self.memory.open_window(WINDOW[0], WINDOW[1] - WINDOW[0])
        self.memory.write(WINDOW[0], np.frombuffer(bytes(memory[WINDOW[0] : WINDOW[1]]), np.uint8))
        buffer = Buffer("R", MOST)
        buffer.data[...] = np.frombuffer(result, np.uint8)
        counters = SimpleNamespace(store_bytes=0)
        self._state = SimpleNamespace(result=buffer, shared=SimpleNamespace(memory=self.memory, counters=counters))

    def run(self, name, fields, flags):
        """Execute; the code of the fault, if any."""
        zeros = dict.fromkeys(("to", "list", "count", "outer", "start", "stride", "outer_stride", "value"), 0)
        zeros |= dict.fromkeys(("result", "result_pitch", "result_outer", "pitch", "row_bytes"), 0)
        try:
            unit = store.fill if name == "FILL" else store.store_rows
            unit(self._state, SimpleNamespace(fields=zeros | fields, flags=flags))
        except FaultError as fault:
            return int(fault.code)
        return 0

    @property
    def bytes(self):
        return self.memory.read(WINDOW[0], WINDOW[1] - WINDOW[0]).tobytes()


async def result_buffer(dut, content, stalls):
    """Answers reads of the result buffer, three cycles later."""
    port = [getattr(dut, f"result__{c}__{p}") for c in ("request", "word") for p in ("valid", "ready", "payload")]
    ask_valid, ask_ready, ask, valid, ready, payload = port
    queue, cycle = [], 0
    while True:
        ask_ready.value = int(len(queue) < 16 and random.random() >= stalls)
        go = bool(queue) and queue[0][0] <= cycle
        valid.value = int(go)
        if go:
            payload.value = queue[0][1]
        await ReadOnly()
        if int(ask_valid.value) and int(ask_ready.value):
            place = 32 * int(ask.value)
            queue.append((cycle + 3, int.from_bytes(content[place : place + 32], "little")))
        if go and int(ready.value):
            queue.pop(0)
        await RisingEdge(dut.clk)
        cycle += 1


class Bench:
    """A unit, its memories, and the golden unit beside it."""

    async def begin(self, dut, *, latency=120, stalls=0.0):
        await start(dut)
        dut.windows.value = pack_windows([WINDOW])
        self.dut, self.content = dut, random.randbytes(MOST)
        self.memory = bytearray(random.randbytes(SIZE))
        options = {"latency": latency, "stalls": stalls, "windows": [WINDOW]}
        self.reads = Memory(dut, "axi_read", self.memory, **options)
        self.writes = Memory(dut, "axi_write", self.memory, write=True, **options)
        self.server = cocotb.start_soon(result_buffer(dut, self.content, stalls))
        self.golden = Golden(self.memory, self.content)

    async def finish(self, count):
        """Wait for ``count`` instructions; the fault, if there is one."""
        done = 0
        while done < count:
            await ReadOnly()
            fault = unpack_fault(int(self.dut.fault.value))
            if fault:
                return fault
            done += int(self.dut.done.value)
            await RisingEdge(self.dut.clk)
        return None

    async def run(self, items):
        """Execute instructions ``(name, fields, flags)``; compare memory with the golden unit's."""
        words = [pack_command(name, pc, flags, **fields) for pc, (name, fields, flags) in enumerate(items)]
        sender = cocotb.start_soon(send(self.dut, "command", words))
        assert await self.finish(len(items)) is None
        await sender
        for item in items:
            assert self.golden.run(*item) == 0
        assert bytes(self.memory[WINDOW[0] : WINDOW[1]]) == self.golden.bytes
        assert self.writes.outstanding == 0

    async def refuse(self, name, fields, flags=()):
        """Execute an instruction that both must refuse with the same code."""
        sender = cocotb.start_soon(send(self.dut, "command", [pack_command(name, 77, flags, **fields)]))
        fault = await self.finish(1)
        await sender
        code = self.golden.run(name, fields, flags)
        assert fault, (name, fields)
        assert (fault[0], fault[1]) == (code, 77), (name, fields)
        await RisingEdge(self.dut.clk)
        await reset(self.dut)
        return fault[2]


def random_store(bench):
    size, count, outer = 2 * random.randrange(1, 150), random.choice([0, 1, 2, 9, 20]), random.choice([1, 1, 1, 2, 3])
    pitch = -(-size // 32) * 32 + random.choice([0, 32, 64])
    result_pitch = -(-size // 32) * 32 + random.choice([0, 32])
    fields = {
        "result": 32 * random.randrange(64), "result_pitch": result_pitch, "result_outer": 32 * random.randrange(400),
        "to": WINDOW[0] + 8192 + 32 * random.randrange(100), "pitch": pitch, "count": count, "outer": outer,
        "row_bytes": size, "start": random.randrange(20), "stride": random.choice([1, 2]), "outer_stride": 40,
    }  # fmt: skip
    if random.random() < 0.5:
        return "STORE", fields, ()
    numbers = np.array(random.sample(range(300), 128), "<u4")
    address = WINDOW[0] + 1024 * random.randrange(8)
    if bench.golden.bytes[address - WINDOW[0] :][:4] != numbers.tobytes()[:4]:
        bench.memory[address : address + 512] = numbers.tobytes()
        bench.golden.memory.write(address, numbers)
    return "STORE", fields | {"list": address}, ("scattered",)


EDGES = [
    ("STORE", {"count": 0, "outer": 1}, ()),
    ("STORE", {"count": 1, "outer": 1, "row_bytes": 2, "to": SIZE - 32, "result": MOST - 32}, ()),
    ("STORE", {"count": 5, "outer": 0}, ()),
    (
        "STORE",
        {"count": 2, "outer": 1, "row_bytes": 32, "to": 4096, "result_pitch": MOST - 32, "pitch": 32, "stride": 1},
        (),
    ),
    ("FILL", {"count": 0, "to": 0}, ()),
    ("FILL", {"count": 1, "to": SIZE - 32, "value": 0xDEADBEEF}, ()),
    ("FILL", {"count": 300, "to": 4096 + 8192, "value": 0x12345678}, ()),
    ("STORE", {"count": 1, "outer": 1, "row_bytes": 4096, "to": 8192 - 64, "result": 64, "start": 9}, ()),
]


@cocotb.test(timeout_time=600, timeout_unit="us")
async def memory_is_that_of_the_golden_unit(dut):
    for stalls, latency in ((0.0, 120), (0.3, 10)):
        bench = Bench()
        await bench.begin(dut, latency=latency, stalls=stalls)
        await bench.run(EDGES)
        for _ in range(10):
            await bench.run([random_store(bench)])
        plain = [item for item in (random_store(bench) for _ in range(20)) if not item[2]]
        await bench.run(plain)
        for task in (bench.reads.task, bench.writes.task, bench.server):
            task.cancel()


@cocotb.test(timeout_time=200, timeout_unit="us")
async def faults_are_those_of_the_golden_unit(dut):
    bench = Bench()
    await bench.begin(dut, latency=10)
    good = {"count": 3, "outer": 2, "row_bytes": 64, "to": 8192, "pitch": 64, "result_pitch": 64, "result_outer": 192}
    good |= {"stride": 1, "outer_stride": 3}
    bad = [
        {"to": 8208}, {"pitch": 65}, {"result_pitch": 80}, {"result_outer": 8}, {"result": 16}, {"row_bytes": 0},
        {"row_bytes": 63}, {"result": MOST - 320}, {"result_outer": MOST}, {"count": 1 << 20}, {"pitch": 32},
        {"to": 0}, {"to": SIZE - 64}, {"to": (1 << 40) - 64}, {"start": (1 << 24) - 1},
        {"outer": (1 << 24) - 1, "count": 1, "result_outer": (1 << 24) - 32},
    ]  # fmt: skip
    for change in bad:
        await bench.refuse("STORE", good | change)
    assert await bench.refuse("STORE", good | {"list": 64}, ("scattered",)) == 64
    await bench.refuse("STORE", good | {"list": 8208}, ("scattered",))
    await bench.refuse("FILL", {"count": 3, "to": 8200})
    assert await bench.refuse("FILL", {"count": 3, "to": SIZE - 64}) == SIZE - 64


@cocotb.test(timeout_time=200, timeout_unit="us")
async def errors_of_the_bus_name_the_row(dut):
    bench = Bench()
    await bench.begin(dut, latency=10)
    bench.writes.broken = {8192 + 3 * 64 + 32: SLVERR}
    bench.reads.broken = {16384 + 32: DECERR}
    good = {"count": 20, "outer": 1, "row_bytes": 64, "to": 8192, "pitch": 64, "result_pitch": 64, "stride": 1}
    cocotb.start_soon(send(dut, "command", [pack_command("STORE", 5, (), **good)]))
    assert await bench.finish(1) == (ErrorCode.AXI_SLVERR, 5, 8192 + 3 * 64)
    await RisingEdge(dut.clk)
    await reset(dut)
    bench.writes.task.cancel()
    bench.reads.task.cancel()
    bench.memory[16384:16416] = np.arange(100, 108, dtype="<u4").tobytes()
    bench.writes = Memory(dut, "axi_write", bench.memory, write=True, latency=10)
    reads = Memory(dut, "axi_read", bench.memory, latency=10)
    reads.broken = {16384 + 32: DECERR}
    word = pack_command("STORE", 6, ("scattered",), **good, list=16384)
    cocotb.start_soon(send(dut, "command", [word]))
    assert await bench.finish(1) == (ErrorCode.AXI_DECERR, 6, 16384 + 32)


@cocotb.test(timeout_time=200, timeout_unit="us")
async def a_word_leaves_in_each_cycle(dut):
    bench = Bench()
    await bench.begin(dut)
    fields = {"count": 40, "outer": 1, "row_bytes": 1024, "to": 8192, "pitch": 1024, "result_pitch": 1024, "stride": 1}
    for name, item, words in (("STORE", fields, 1280), ("FILL", {"count": 1280, "to": 65536, "value": 7}, 1280)):
        began = get_sim_time("ns")
        await bench.run([(name, item, ())])
        cycles = (get_sim_time("ns") - began) / 10
        dut._log.info("%s of %d words: %d cycles", name, words, cycles)
        assert words / (cycles - 120) >= 0.9
