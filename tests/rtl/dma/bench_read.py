"""Nothing is lost, doubled or mixed up between clients; the bus sees legal bursts in open windows only; rates
hold."""

import random

import cocotb
from cocotb.triggers import ClockCycles, ReadOnly, RisingEdge
from cocotb.utils import get_sim_time

from harness.drive import receive, send, start
from rtl.dma.axi_memory import DECERR, OK, SLVERR, WINDOW, Memory, pack_windows
from rtl.dma.read_client import request

CLIENTS = 3
WINDOWS = [(4096, 16384), (1 << 19, (1 << 19) + 65536), ((1 << 40) - 8192, (1 << 40) - 32)]


def fresh_memory():
    return bytearray(random.randbytes(1 << 20))


def unpack(word):
    return word & (1 << 256) - 1, word >> 256 & 1, word >> 257


def refused(address, beats):
    return not any(low <= address and address + 32 * beats <= high for low, high in WINDOWS)


def expected(memory, broken, address, beats):
    if refused(address, beats):
        return [(None, 1, WINDOW)]
    places = [address + 32 * number for number in range(beats)]
    return [
        (
            int.from_bytes(memory[place % len(memory) : place % len(memory) + 32], "little"),
            int(place == places[-1]),
            broken.get(place, OK),
        )
        for place in places
    ]


async def client(dut, number, memory, broken, requests, stalls):
    """Send requests on a port, and check all that comes back."""
    words = [request(*item) for item in requests]
    sender = cocotb.start_soon(send(dut, f"ports__{number}__request", words, stalls=stalls))
    wanted = [beat for item in requests for beat in expected(memory, broken, *item)]
    found = [unpack(word) for word in await receive(dut, f"ports__{number}__beat", len(wanted), stalls=stalls)]
    await sender
    for index, ((data, last, error), want) in enumerate(zip(found, wanted, strict=True)):
        assert (last, error) == want[1:], (number, index)
        assert want[0] is None or data == want[0], (number, index)


def random_request():
    low, high = random.choice(WINDOWS)
    beats = random.choice([1, 1, 2, 31, 32, 33, 64, random.randrange(1, 200)])
    place = random.choice(
        [low, high - 32 * beats, low + 32 * random.randrange((high - low) // 32), high - 32, low - 32]
    )
    return max(0, place), beats


EDGES = [
    (4096, 384), (4096, 385), (4064, 1), (16384 - 32, 1), (16384 - 32, 2), (0, 1), ((1 << 40) - 64, 1),
    ((1 << 40) - 64, 2), ((1 << 40) - 8192, 255), ((1 << 40) - 8192, 256), (4096, (1 << 24) - 1),
    ((1 << 40) - 32, (1 << 24) - 1),
    (4096 + 31 * 32, 33), (8192 - 32, 2),
]  # fmt: skip


async def begin(dut, memory, **options):
    await start(dut)
    dut.windows.value = pack_windows(WINDOWS)
    return Memory(dut, "axi", memory, windows=WINDOWS, **options)


@cocotb.test(timeout_time=200, timeout_unit="us")
async def every_beat_reaches_its_client(dut):
    memory = fresh_memory()
    bus = await begin(dut, memory)
    for stalls, latency in ((0.0, 120), (0.3, 10)):
        bus.stalls, bus.latency = stalls, latency
        bus.broken = {4096 + 32 * number: random.choice([SLVERR, DECERR]) for number in random.sample(range(384), 40)}
        tasks = []
        for number in range(CLIENTS):
            requests = [random_request() for _ in range(25)]
            if not number:
                requests = EDGES + requests
            tasks.append(cocotb.start_soon(client(dut, number, memory, bus.broken, requests, stalls)))
        for task in tasks:
            await task
    assert bus.outstanding == 0
    assert bus.most > 8


@cocotb.test(timeout_time=200, timeout_unit="us")
async def a_client_that_takes_nothing_stops_nobody(dut):
    memory = fresh_memory()
    bus = await begin(dut, memory, latency=30)
    place = (1 << 19) + 160  # The FIFO's places are no multiple of the bursts.
    await send(dut, "ports__0__request", [request(place, 1000)] * 4)
    await ClockCycles(dut.clk, 400)
    await client(dut, 1, memory, {}, [(1 << 19, 500)], 0.0)
    found = [unpack(word) for word in await receive(dut, "ports__0__beat", 4000)]
    assert found == expected(memory, {}, place, 1000) * 4
    assert bus.outstanding == 0


@cocotb.test(timeout_time=200, timeout_unit="us")
async def stop_ends_what_has_begun(dut):
    memory = fresh_memory()
    bus = await begin(dut, memory, stalls=0.1, latency=40)
    requests = [(1 << 19, 700), (4096, 100), (0, 5)]
    tasks = [cocotb.start_soon(client(dut, number, memory, {}, requests, 0.1)) for number in range(CLIENTS)]
    for _ in range(6):
        await ClockCycles(dut.clk, random.randrange(60, 200))
        dut.stop.value = 1
        await RisingEdge(dut.clk)
        while True:
            await ReadOnly()
            if int(dut.idle.value):
                break
            await RisingEdge(dut.clk)
        bursts = bus.bursts
        assert bus.outstanding == 0
        await ClockCycles(dut.clk, 30)
        assert bus.bursts == bursts
        dut.stop.value = 0
    for task in tasks:
        await task


@cocotb.test(timeout_time=200, timeout_unit="us")
async def long_transfers_reach_nine_tenths_of_the_peak(dut):
    memory = fresh_memory()
    bus = await begin(dut, memory, latency=120)
    for stalls in (0.0, 0.1):
        bus.stalls = stalls
        await send(dut, "ports__0__request", [request((1 << 19) + 32, 1900)])
        began = get_sim_time("ns")
        await receive(dut, "ports__0__beat", 1900)
        cycles = (get_sim_time("ns") - began) / 10
        dut._log.info("1900 beats, stalls of %s: %d cycles", stalls, cycles)
        assert stalls or 1900 / cycles >= 0.9
