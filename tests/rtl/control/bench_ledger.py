"""The ledger adds all that is posted, once, whatever stalls, and holds the law."""

import random

import cocotb
from cocotb.triggers import ClockCycles, ReadOnly, RisingEdge

from harness.drive import send, start
from rtl.control.ledger_model import Table, add, inside, pack, post

TABLE = 0x12_3456_FFC0  # Entries lie on both sides of a carry.


async def flush(dut):
    dut.flush.value = 1
    while True:
        await RisingEdge(dut.clk)
        if int(dut.flushed.value):
            break
    dut.flush.value = 0
    await ClockCycles(dut.clk, 2)


async def begin(dut, base=TABLE):
    await start(dut)
    dut.table.value = base
    table = Table(dut, base)
    cocotb.start_soon(table.serve())
    return table


async def give(dut, posts):
    """Both sources at once."""
    halves = [list(map(pack, posts[source::2])) for source in range(2)]
    senders = [cocotb.start_soon(send(dut, f"posts__{source}", half, stalls=0.2)) for source, half in enumerate(halves)]
    for sender in senders:
        await sender


@cocotb.test(timeout_time=400, timeout_unit="us")
async def all_posts_are_added(dut):
    table = await begin(dut)
    expected, padding = bytearray(table.bytes), 0
    for places in ([3], [0, 2, 4, 2047], [random.randrange(2048) for _ in range(9)]):
        posts = [post(places) for _ in range(40)]
        await give(dut, posts)
        await flush(dut)
        for item in posts:
            add(expected, item)
            padding += item["padding_macs"]
        assert table.bytes == expected
        assert int(dut.padding.value) == padding
        assert int(dut.balanced.value) == 1
    assert table.reads == table.writes


@cocotb.test(timeout_time=400, timeout_unit="us")
async def a_post_that_a_reset_takes_back_counts_for_nothing(dut):
    table = await begin(dut)
    expected, taken = bytearray(table.bytes), []
    for cycles in (1, 2, 1, 3, 1):
        item = post([3])
        dut.posts__0__payload.value, dut.posts__0__valid.value = pack(item), 1
        for _ in range(cycles):
            await ReadOnly()
            taken += [item] * int(dut.posts__0__ready.value)
            await RisingEdge(dut.clk)
            if item in taken:
                break
        dut.posts__0__valid.value = 0
        await ClockCycles(dut.clk, 5)
    await flush(dut)
    assert len(taken) == 2
    for item in taken:
        add(expected, item)
    assert table.bytes == expected


@cocotb.test(timeout_time=400, timeout_unit="us")
async def the_law_binds_all_places_but_those_outside(dut):
    await begin(dut)
    for places in ([14, 15 + 16 * 3], [0, 1], [100]):
        posts = [post(places, balanced=False) for _ in range(3)]
        await give(dut, posts)
        await flush(dut)
        bound = [item for item in posts if inside(item)]
        rest = sum(item["macs_offered"] - item["macs_skipped"] - item["macs_done"] for item in bound) % (1 << 64)
        assert int(dut.balanced.value) == (rest == 0)
        dut.clear.value = 1
        await RisingEdge(dut.clk)
        dut.clear.value = 0


@cocotb.test(timeout_time=400, timeout_unit="us")
async def without_a_table_nothing_is_kept(dut):
    table = await begin(dut, 0)
    before = bytes(table.bytes)
    await give(dut, [post(range(2048)) for _ in range(20)])
    await flush(dut)
    assert table.reads == table.writes == 0
    assert table.bytes == before
    assert int(dut.padding.value) > 0


@cocotb.test(timeout_time=400, timeout_unit="us")
async def a_reset_of_the_engines_loses_nothing(dut):
    table = await begin(dut)
    expected, posts = bytearray(table.bytes), [post(range(8)) for _ in range(40)]
    for item in posts:
        add(expected, item)
    giver = cocotb.start_soon(give(dut, posts))
    for _ in range(12):
        await ClockCycles(dut.clk, random.randrange(20, 150))
        dut.restart.value = 1
        table.drop()
        for _ in range(8):
            await RisingEdge(dut.clk)
            table.drop()
        dut.restart.value = 0
    await giver
    await flush(dut)
    assert table.bytes == expected


@cocotb.test(timeout_time=400, timeout_unit="us")
async def an_error_of_the_memory_is_a_fault(dut):
    table = await begin(dut)
    for side in range(2):
        dut.clear.value = 1
        await RisingEdge(dut.clk)
        dut.clear.value = 0
        table.error = 0 if side else 3
        await give(dut, [post([5]) for _ in range(2)])
        table.error = 2 if side else 3
        await flush(dut)
        fault = int(dut.fault.value)
        assert fault & 1
        assert fault >> 1 & 31 == (6 if side else 7)
        assert fault >> 30 == TABLE + 64 * 5
