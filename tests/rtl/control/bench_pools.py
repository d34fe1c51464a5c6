"""Pools hand out the units of the golden machine, each once, to whichever core asks."""

import random

import cocotb
from cocotb.triggers import ClockCycles, ReadOnly, RisingEdge

from flightvgm_sim.machine.pools import cut
from harness.drive import PARAMETERS, start

CORES = PARAMETERS["cores"]
OPEN, TILE = 0, 1
FIELD_RANGE, COUNT_OVERRUN = 2, 11


async def ask(dut, core, **fields):
    """A request of a core, and its answer."""
    word = sum(int(value) << PARAMETERS["request"][name][0] for name, value in fields.items())
    port = f"ports__{core}__"
    getattr(dut, port + "request__payload").value = word
    getattr(dut, port + "request__valid").value = 1
    while True:
        await RisingEdge(dut.clk)
        if int(getattr(dut, port + "request__ready").value):
            break
    getattr(dut, port + "request__valid").value = 0
    while True:
        await RisingEdge(dut.clk)
        answer = int(getattr(dut, port + "answer").value)
        if answer & 1:
            return {name: answer >> low & (1 << width) - 1 for name, (low, width) in PARAMETERS["answer"].items()}


async def count(dut, counter, value):
    core = random.randrange(CORES)
    getattr(dut, f"writes__{core}").value = 1 | counter << 1 | value << 7
    await RisingEdge(dut.clk)
    getattr(dut, f"writes__{core}").value = 0


async def held(dut, counter):
    await RisingEdge(dut.clk)
    getattr(dut, f"guard_counters__{CORES - 1}").value = counter
    await ClockCycles(dut.clk, 2)
    await ReadOnly()
    found = int(dut.guard_held.value) >> CORES - 1 & 1
    await RisingEdge(dut.clk)
    return found


async def work(dut, core, fields, units):
    """Open, and take units until none is left."""
    answer = await ask(dut, core, operation=OPEN, **fields)
    assert answer["error"] == 0
    while True:
        await ClockCycles(dut.clk, random.randrange(1, 40))
        answer = await ask(dut, core, operation=TILE, pool=fields["pool"])
        assert answer["error"] == 0
        if answer["empty"]:
            return
        units.append((answer["start"], answer["rows"]))


def sizes():
    granule = random.choice([1, 2, 7, 255])
    return {"granule": granule, "largest": granule * random.randrange(1, 4095 // granule + 1)}


@cocotb.test(timeout_time=900, timeout_unit="us")
async def units_are_those_of_the_golden_machine(dut):
    await start(dut)
    for number in range(14):
        first, segments, pool = random.randrange(40), random.randrange(6), random.randrange(8)
        stride = random.choice([0, 100, 5000, (1 << 24) - 1])
        counts = [random.choice([0, 1, min(stride, 777), min(stride, 5000)]) % (stride + 1) for _ in range(segments)]
        fixed = number % 4 == 3
        if segments == 1:
            counts = [random.choice([0, stride, 3000])]
        counts = [min(value, 9000) for value in counts]
        for segment, value in enumerate(counts):
            await count(dut, first + segment, value)
        if fixed:
            counts = [random.choice([0, 1, 900])]
        given = {
            "pool": pool,
            "counter": first,
            "segments": segments,
            "stride": stride,
            "rows": counts[0] if fixed else 9,
        }
        given |= sizes() | {"flag_static": fixed}
        expected = cut(counts, stride=stride, cores=CORES, largest=given["largest"], granule=given["granule"])
        if len(expected) > 60:
            continue
        units = []
        workers = [cocotb.start_soon(work(dut, core, given, units)) for core in range(CORES)]
        for worker in workers:
            await worker
        assert sorted(units) == [(unit.start, unit.rows) for unit in expected], given


@cocotb.test(timeout_time=400, timeout_unit="us")
async def units_one_row_longer_or_shorter(dut):
    await start(dut)
    for rows in (7, 8, 9, 15, 16, 17, 8 * CORES + 1):
        fields = {"pool": 0, "segments": 1, "rows": rows, "largest": 8, "granule": 8, "flag_static": 1}
        units = []
        for worker in [cocotb.start_soon(work(dut, core, fields, units)) for core in range(CORES)]:
            await worker
        expected = cut([rows], stride=0, cores=CORES, largest=8, granule=8)
        assert sorted(units) == [(unit.start, unit.rows) for unit in expected], rows


@cocotb.test(timeout_time=400, timeout_unit="us")
async def an_open_pool_is_not_opened_again(dut):
    await start(dut)
    await count(dut, 5, 10)
    fields = {"pool": 2, "counter": 5, "segments": 2, "largest": 8, "granule": 8, "stride": 20}
    assert not await held(dut, 5)
    for core in range(CORES):
        assert not (await ask(dut, core, operation=OPEN, **fields))["error"]
    assert [await held(dut, counter) for counter in (4, 5, 6, 7)] == [0, 1, 1, 0]
    again = [cocotb.start_soon(ask(dut, core, operation=OPEN, **fields)) for core in range(1)]
    await ClockCycles(dut.clk, 50)
    assert int(dut.ports__0__blocked.value) == 1
    assert not again[0].done()
    if CORES == 1:
        return
    for core in range(1, CORES):
        while not (await ask(dut, core, operation=TILE, pool=2))["empty"]:
            pass
    assert not again[0].done()


@cocotb.test(timeout_time=400, timeout_unit="us")
async def an_empty_pool_lets_its_counters_go(dut):
    await start(dut)
    fields = {"pool": 7, "counter": 63, "segments": 1, "largest": 8, "granule": 8}
    for _ in range(2):
        for core in range(CORES):
            assert not (await ask(dut, core, operation=OPEN, **fields))["error"]
        for core in range(CORES):
            assert await held(dut, 63)
            for _ in range(2):
                assert (await ask(dut, core, operation=TILE, pool=7))["empty"]
        assert not await held(dut, 63)


@cocotb.test(timeout_time=400, timeout_unit="us")
async def what_is_wrong_is_refused(dut):
    await start(dut)
    await count(dut, 8, 21)
    good = {"pool": 1, "counter": 7, "segments": 2, "largest": 8, "granule": 4, "stride": 21}
    assert (await ask(dut, 0, operation=TILE, pool=1))["error"] == FIELD_RANGE
    for wrong, code in (
        ({"granule": 3}, FIELD_RANGE), ({"granule": 0}, FIELD_RANGE), ({"largest": 0}, FIELD_RANGE),
        ({"counter": 63}, FIELD_RANGE), ({"stride": 20}, COUNT_OVERRUN), ({"granule": 16}, FIELD_RANGE),
    ):  # fmt: skip
        assert (await ask(dut, 0, operation=OPEN, **{**good, **wrong}))["error"] == code, wrong
        assert (await ask(dut, 0, operation=TILE, pool=1))["error"] == FIELD_RANGE
    assert (await ask(dut, 0, operation=OPEN, **good))["error"] == 0
    answer = await ask(dut, 0, operation=TILE, pool=1)
    assert (answer["start"], answer["rows"]) == (21, min(8, -(-21 // (CORES * 4)) * 4 if CORES > 2 else 8))
    if CORES > 1:
        assert (await ask(dut, 1, operation=TILE, pool=1))["error"] == FIELD_RANGE
