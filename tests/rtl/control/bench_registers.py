"""The registers of the host are those of the table."""

import random

import cocotb
from cocotb.triggers import ClockCycles, RisingEdge

from flightvgm_arch.registers import BY_NAME, ID, REGISTER_MAP, VERSION
from harness.drive import PARAMETERS, start
from rtl.control.host import Host

START, DONE, IDLE, READY, AUTO = 1, 2, 4, 8, 128


async def pulse(dut, name):
    getattr(dut, name).value = 1
    await RisingEdge(dut.clk)
    getattr(dut, name).value = 0
    await RisingEdge(dut.clk)


async def begin(dut):
    await start(dut)
    dut.idle.value = 1
    return Host(dut)


def stored(register):
    return register.access == "rw" and register.name != "CONTROL"


@cocotb.test(timeout_time=400, timeout_unit="us")
async def written_registers_are_read_back(dut):
    host, values = await begin(dut), {}
    for register in filter(stored, REGISTER_MAP):
        bits = (
            2 if register.name == "IER" else 1 if register.name == "GIE" else 64 if register.name == "WATCHDOG" else 40
        )
        values[register.name] = random.choice([(1 << bits) - 1, random.getrandbits(bits)])
        await host.write(register.name, values[register.name])
    for name, value in values.items():
        assert await host.read(name) == value, name
    assert await host.read("ID") == ID
    assert await host.read("VERSION") == VERSION[0] << 24 | VERSION[1] << 16 | VERSION[2]
    assert await host.read("CONFIG_DIGEST") == int(PARAMETERS["digest"], 16)
    for place in (0x3C, 0xC0, 0x1A0, 0x248, 0xFFC):
        await host.write_word(place, 0xFFFFFFFF)
        assert await host.read_word(place) == 0
    assert int(dut.entry.value) == values["ENTRY"]
    assert int(dut.watchdog.value) == values["WATCHDOG"]
    assert int(dut.ledger.value) == values["LEDGER"]
    for number in range(8):
        window = int(dut.windows.value) >> 80 * number
        assert window & (1 << 40) - 1 == values[f"WINDOW{number}_BASE"]
        assert window >> 40 & (1 << 40) - 1 == values[f"WINDOW{number}_LIMIT"]
    for number in range(16):
        dut.index.value = number
        await ClockCycles(dut.clk, 2)
        assert int(dut.argument.value) == values[f"R{16 + number}"]


@cocotb.test(timeout_time=400, timeout_unit="us")
async def strobes_choose_bytes(dut):
    host = await begin(dut)
    await host.write("ENTRY", 0)
    await host.write_word(BY_NAME["ENTRY"].offset, 0xAABBCCDD, 0b0101)
    await host.write_word(BY_NAME["ENTRY"].offset + 4, 0xAABBCCDD, 0b1110)
    assert await host.read("ENTRY") == 0x00BB00DD


@cocotb.test(timeout_time=400, timeout_unit="us")
async def reports_are_read_and_latched(dut):
    host = await begin(dut)
    values = {name: random.getrandbits(width) for name, (_, width) in PARAMETERS["report"].items()}
    dut.report.value = sum(values[name] << low for name, (low, _) in PARAMETERS["report"].items())
    for name, value in values.items():
        assert await host.read(name.upper()) == value, name
    cycles = BY_NAME["CYCLES"].offset
    low = await host.read_word(cycles)
    dut.report.value = 0
    assert await host.read("STATUS") == 0
    assert low | await host.read_word(cycles + 4) << 32 == values["cycles"]
    assert await host.read_word(cycles + 4) == 0


@cocotb.test(timeout_time=400, timeout_unit="us")
async def start_done_and_interrupt(dut):
    host = await begin(dut)
    assert await host.read("CONTROL") == IDLE | READY
    await host.write("GIE", 1)
    await host.write("IER", 1)
    await host.write("CONTROL", START)
    assert await host.read("CONTROL") == START | IDLE
    assert int(dut.start.value) == 1
    dut.idle.value = 0
    await pulse(dut, "started")
    assert int(dut.start.value) == 0
    assert await host.read("CONTROL") == READY
    assert int(dut.interrupt.value) == 0
    dut.idle.value = 1
    await pulse(dut, "stopped")
    assert int(dut.interrupt.value) == 1
    assert await host.read("CONTROL") == DONE | IDLE | READY
    assert await host.read("CONTROL") == IDLE | READY
    assert await host.read("ISR") == 1
    await host.write("ISR", 1)
    assert await host.read("ISR") == 0
    assert int(dut.interrupt.value) == 0
    await host.write("IER", 2)
    await pulse(dut, "stopped")
    assert int(dut.interrupt.value) == 0
    await pulse(dut, "started")
    assert int(dut.interrupt.value) == 1
    await host.write("GIE", 0)
    assert int(dut.interrupt.value) == 0


@cocotb.test(timeout_time=400, timeout_unit="us")
async def auto_restart_keeps_start(dut):
    host = await begin(dut)
    await host.write("CONTROL", START | AUTO)
    await pulse(dut, "started")
    assert await host.read("CONTROL") == START | IDLE | READY | AUTO
    await host.write("CONTROL", 0)
    assert await host.read("CONTROL") == IDLE | READY
    assert int(dut.start.value) == 0


@cocotb.test(timeout_time=400, timeout_unit="us")
async def reset_is_a_pulse(dut):
    host = await begin(dut)
    seen = 0

    async def watch():
        nonlocal seen
        while True:
            await RisingEdge(dut.clk)
            seen += int(dut.reset.value)

    cocotb.start_soon(watch())
    await host.write("RESET", 1)
    await host.write("RESET", 0)
    assert await host.read("RESET") == 0
    assert seen == 1
