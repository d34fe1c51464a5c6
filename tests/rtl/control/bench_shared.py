"""From start to stop as the host sees it, with cores that the bench plays."""

import random

import cocotb
from cocotb.triggers import ClockCycles, RisingEdge

from harness.drive import send, start
from rtl.control.host import Host
from rtl.control.ledger_model import Table, add, pack, post

TIMEOUT = 2048
START, DONE, IDLE, READY = 1, 2, 4, 8
LEDGER = 0x4_0000_0000
ARGUMENTS = [(1 << 40) - 1 - number * 0x101 for number in range(16)]


class Chip:
    """The device under test, its host, and registers of the cores as they were preset."""

    def __init__(self, dut):
        self.dut, self.host = dut, Host(dut, stalls=0.1)
        self.registers = {}
        self.resets = self.run_cycles = 0
        self.table = Table(dut, LEDGER, read="ledger_read", write="ledger_write")

    async def watch(self):
        dut = self.dut
        before = 0
        while True:
            await RisingEdge(dut.clk)
            if int(dut.rst.value):
                continue
            preset = int(dut.preset.value)
            if preset & 1 and not int(dut.run.value):
                self.registers[preset >> 1 & 31] = preset >> 6
            reset = int(dut.core_reset.value)
            if reset and not before:
                assert int(dut.stop.value)
                self.resets += 1
                self.table.drop()
            before = reset
            self.run_cycles += int(dut.run.value)

    async def start(self):
        for number, value in enumerate(ARGUMENTS):
            await self.host.write(f"R{16 + number}", value)
        await self.again()

    async def again(self):
        self.registers.clear()
        self.run_cycles = 0
        await self.host.write("CONTROL", START)
        while not int(self.dut.run.value):
            await RisingEdge(self.dut.clk)
        await RisingEdge(self.dut.clk)
        expected = dict.fromkeys(range(16), 0) | {16 + number: value for number, value in enumerate(ARGUMENTS)}
        assert self.registers == expected

    async def stopped(self):
        """Wait for DONE; the registers that tell how it ended."""
        while not int(self.dut.interrupt.value):
            await RisingEdge(self.dut.clk)
        await self.host.write("ISR", 1)
        assert await self.host.read("CONTROL") == DONE | IDLE | READY
        for name in ("ended", "end_codes", "faults__0", "faults__1", "stuck", "starved", "progress"):
            getattr(self.dut, name).value = 0
        names = ("ERROR", "ERROR_CORE", "ERROR_PC")
        return tuple([await self.host.read(name) for name in names])


async def begin(dut):
    await start(dut)
    dut.quiet.value = 1
    chip = Chip(dut)
    cocotb.start_soon(chip.watch())
    cocotb.start_soon(chip.table.serve())
    await chip.host.write("GIE", 1)
    await chip.host.write("IER", 1)
    await chip.host.write("LEDGER", LEDGER)
    return chip


def fault(code, pc, address=0):
    return 1 | code << 1 | pc << 6 | address << 30


@cocotb.test(timeout_time=400, timeout_unit="us")
async def a_run_ends_with_its_ledger_in_memory(dut):
    chip = await begin(dut)
    expected = bytearray(chip.table.bytes)
    for _ in range(2):
        await chip.start()
        posts = [post([8, 9, 30, 31, 44, 45]) for _ in range(8)]
        for item in posts:
            add(expected, item)
        dut.busy_matrix.value = 3
        dut.busy_front.value = 1
        dut.saturations.value = 5 | 7 << 8
        await RisingEdge(dut.clk)
        dut.saturations.value = 0
        await send(dut, "posts__3", map(pack, posts[:4]))
        await send(dut, "posts__0", map(pack, posts[4:]))
        dut.ended.value = 1
        await ClockCycles(dut.clk, 50)
        assert int(dut.run.value)
        dut.ended.value = 3
        assert await chip.stopped() == (0, 0, 0)
        assert chip.table.bytes == expected
        assert await chip.host.read("CYCLES") == chip.run_cycles
        assert abs(await chip.host.read("BUSY_MATRIX") - 2 * chip.run_cycles) <= 6
        assert abs(await chip.host.read("BUSY_FRONT") - chip.run_cycles) <= 3
        assert await chip.host.read("BUSY_LOAD") == 0
        assert await chip.host.read("STATUS") == 0
    assert await chip.host.read("SATURATIONS") == 24
    assert await chip.host.read("PADDING_MACS") > 0


@cocotb.test(timeout_time=400, timeout_unit="us")
async def ends_and_errors_are_reported(dut):
    chip = await begin(dut)
    await chip.start()
    dut.end_codes.value, dut.pcs.value, dut.ended.value = 9 << 8, 77 << 24 | 5, 3
    assert await chip.stopped() == (14, 1, 77)
    assert await chip.host.read("END_CODE") == 9
    assert await chip.host.read("STATUS") == 2
    await chip.again()
    assert await chip.host.read("STATUS") == 1
    assert await chip.host.read("ERROR") == 0
    await send(dut, "posts__0", [pack({**post([0]), "macs_done": 1, "macs_offered": 0, "macs_skipped": 0})])
    dut.ended.value = 3
    assert await chip.stopped() == (13, 0, 5)
    resets = chip.resets
    await chip.again()
    dut.faults__1.value = fault(3, 1000, 0xABCDE12345)
    assert await chip.stopped() == (3, 1, 1000)
    assert await chip.host.read("ERROR_ADDRESS") == 0xABCDE12345
    assert chip.resets == resets + 2
    await chip.again()
    dut.ended.value = 3
    assert await chip.stopped() == (0, 0, 0)
    assert await chip.host.read("END_CODE") == 0


@cocotb.test(timeout_time=400, timeout_unit="us")
async def deadlock_and_watchdog(dut):
    chip = await begin(dut)
    await chip.host.write("WATCHDOG", 150)
    await chip.start()
    dut.stuck_pcs.value, dut.stuck.value, dut.ended.value = 4 << 24 | 3, 2, 1
    assert await chip.stopped() == (8, 1, 4)
    await chip.again()
    for _ in range(4):
        await ClockCycles(dut.clk, 120)
        dut.progress.value = 1
        await RisingEdge(dut.clk)
        dut.progress.value = 0
    assert int(dut.run.value)
    assert await chip.stopped() == (9, 0, 3)
    await chip.again()
    for _ in range(3):
        dut.stuck.value = 3
        await ClockCycles(dut.clk, 50)
        dut.stuck.value = 1
        await RisingEdge(dut.clk)
        dut.moved.value = 1
        await RisingEdge(dut.clk)
        dut.moved.value = 0
    dut.stuck.value, dut.ended.value = 0, 3
    assert await chip.stopped() == (0, 0, 0)


@cocotb.test(timeout_time=400, timeout_unit="us")
async def a_reset_drains_bursts_first(dut):
    chip = await begin(dut)
    await chip.start()
    dut.quiet.value = 0
    await chip.host.write("RESET", 1)
    await ClockCycles(dut.clk, 60)
    assert await chip.host.read("STATUS") == 4
    assert int(dut.stop.value) == 1
    assert int(dut.core_reset.value) == 0
    dut.quiet.value = 1
    assert await chip.stopped() == (0, 0, 0)
    assert await chip.host.read("STATUS") == 0
    dut.quiet.value = 0
    await chip.host.write("RESET", 1)
    await ClockCycles(dut.clk, TIMEOUT + 500)  # And the reset itself.
    assert await chip.host.read("STATUS") == 8
    dut.quiet.value = 1
    await chip.again()
    assert await chip.host.read("STATUS") == 1
    dut.ended.value = 3
    assert await chip.stopped() == (0, 0, 0)


@cocotb.test(timeout_time=400, timeout_unit="us")
async def an_error_with_a_burst_under_way(dut):
    chip = await begin(dut)
    expected = bytearray(chip.table.bytes)
    posts = [post(range(6)) for _ in range(6)]
    for item in posts:
        add(expected, item)
    await chip.start()
    await send(dut, "posts__2", map(pack, posts))
    dut.faults__0.value = fault(6, 12)
    while not int(dut.stop.value):
        await RisingEdge(dut.clk)
    await ClockCycles(dut.clk, 4)
    dut.quiet.value = 0  # A burst began when the engines were told to stop.
    await ClockCycles(dut.clk, random.randrange(40, 90))
    assert not int(dut.core_reset.value)
    dut.quiet.value = 1
    assert await chip.stopped() == (6, 0, 12)
    assert chip.table.bytes == expected
