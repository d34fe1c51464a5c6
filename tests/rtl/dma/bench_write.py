"""Memory holds what clients wrote, and no byte more; answers come in order; the bus sees legal bursts; rates hold."""

import random

import cocotb
from cocotb.triggers import ClockCycles, ReadOnly, RisingEdge
from cocotb.utils import get_sim_time

from harness.drive import send, start
from rtl.dma.axi_memory import DECERR, OK, OPEN, SLVERR, WINDOW, Memory, pack_windows
from rtl.dma.read_client import request

CLIENTS = 3
FREE = 2  # This client's requests are not checked.
SIZE = 1 << 20
WINDOWS = [(4096, 16384), (1 << 19, (1 << 19) + 131072), ((1 << 40) - 8192, (1 << 40) - 32)]
EDGES = [
    (4096, 384), (4096, 385), (4064, 1), (16384 - 32, 1), (16384 - 32, 2), ((1 << 40) - 64, 1), ((1 << 40) - 64, 2),
    (4096 + 31 * 32, 33), (8192 - 32, 2),
]  # fmt: skip


def allowed(number, address, beats):
    return number == FREE or any(low <= address and address + 32 * beats <= high for low, high in WINDOWS)


class Client:
    """Writes random beats, and knows what memory and answers must be."""

    def __init__(self, dut, number, requests, bus, *, stalls=0.0, whole=False):
        self.answers = []
        beats = []
        for address, count in requests:
            answer = OK if allowed(number, address, count) else WINDOW
            for place in range(address, address + 32 * count, 32):
                data, strobe = random.randbytes(32), (1 << 32) - 1 if whole else random.getrandbits(32)
                beats.append(int.from_bytes(data, "little") | strobe << 256)
                if answer == WINDOW:
                    continue
                answer = max(answer, bus.broken.get(place, OK))
                at = place % SIZE
                for byte in range(32):
                    if strobe >> byte & 1:
                        bus.wanted[at + byte] = data[byte]
            self.answers.append(answer)
        self.found, self._dut, self._port = [], dut, f"ports__{number}"
        words = [request(*item) for item in requests]
        cocotb.start_soon(send(dut, f"ports__{number}__request", words, stalls=stalls))
        cocotb.start_soon(send(dut, f"ports__{number}__beat", beats, stalls=stalls))
        self.task = cocotb.start_soon(self._run())

    async def _run(self):
        done = getattr(self._dut, f"{self._port}__done")
        while len(self.found) < len(self.answers):
            await ReadOnly()
            word = int(done.value)
            if word & 1:
                self.found.append(word >> 1)
            await RisingEdge(self._dut.clk)
        assert self.found == self.answers


def random_request(number):
    beats = random.choice([1, 1, 2, 31, 32, 33, 64, random.randrange(1, 150)])
    if number == FREE:
        return (1 << 18) + 32 * random.randrange(4000), beats
    low, high = random.choice(
        [(4096 + 6144 * number, 4096 + 6144 * (number + 1)), (WINDOWS[1][0] + 65536 * number,) * 2]
    )
    high = high if high > low else low + 65536
    return random.choice([low, high - 32 * beats, 0]), beats


async def begin(dut, **options):
    await start(dut)
    dut.windows.value = pack_windows(WINDOWS)
    bus = Memory(dut, "axi", bytearray(random.randbytes(SIZE)), windows=OPEN, write=True, **options)
    bus.wanted = bytearray(bus.memory)
    return bus


@cocotb.test(timeout_time=400, timeout_unit="us")
async def memory_holds_what_was_written(dut):
    bus = await begin(dut)
    bus.windows = [*WINDOWS, (1 << 18, (1 << 18) + (1 << 18))]
    for stalls, latency in ((0.0, 120), (0.3, 10)):
        bus.stalls, bus.latency = stalls, latency
        bus.broken = {4096 + 32 * number: random.choice([SLVERR, DECERR]) for number in random.sample(range(384), 20)}
        clients = [Client(dut, 0, EDGES, bus, stalls=stalls)]
        await clients[0].task
        clients = [
            Client(dut, number, [random_request(number) for _ in range(15)], bus, stalls=stalls)
            for number in range(CLIENTS)
        ]
        for client in clients:
            await client.task
        assert bus.memory == bus.wanted
    assert bus.outstanding == 0


@cocotb.test(timeout_time=400, timeout_unit="us")
async def a_client_without_data_stops_nobody(dut):
    bus = await begin(dut, latency=30)
    await send(dut, "ports__0__request", [request(4096, 100)] * 4)
    await send(dut, "ports__0__beat", range(31))
    await Client(dut, 1, [(1 << 19, 200), (1 << 19, 3)], bus).task
    assert bus.memory == bus.wanted


@cocotb.test(timeout_time=400, timeout_unit="us")
async def stop_ends_what_has_begun(dut):
    bus = await begin(dut, stalls=0.2, latency=40)
    clients = [Client(dut, number, [((1 << 19) + 16384 * number, 400)], bus, stalls=0.1) for number in range(CLIENTS)]
    for _ in range(6):
        await ClockCycles(dut.clk, random.randrange(60, 150))
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
    for client in clients:
        await client.task
    assert bus.memory == bus.wanted


@cocotb.test(timeout_time=400, timeout_unit="us")
async def long_and_short_transfers_reach_nine_tenths_of_the_peak(dut):
    bus = await begin(dut)
    for requests, stalls in (([((1 << 19) + 32, 1900)], 0.0), ([(4096, 5)] * 400, 0.0), ([(1 << 19, 1900)], 0.1)):
        bus.stalls = stalls
        began = get_sim_time("ns")
        await Client(dut, 0, requests, bus, whole=True).task
        beats, cycles = sum(count for _, count in requests), (get_sim_time("ns") - began) / 10
        dut._log.info("%d beats in %d requests, stalls of %s: %d cycles", beats, len(requests), stalls, cycles)
        assert stalls or beats / (cycles - 120) >= 0.9
    assert bus.memory == bus.wanted
