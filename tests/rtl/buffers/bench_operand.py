"""What writers of an operand buffer wrote is what is read back, in the order of the transfers, and nobody starves."""

import random

import cocotb
from cocotb.triggers import ReadOnly, RisingEdge

from harness.drive import PARAMETERS, start

BANKS, WORDS, WRITERS, COLUMNS = (PARAMETERS[name] for name in ("banks", "words", "writers", "columns"))
FIELDS = PARAMETERS["fields"]
ROW, PAIR, VALUES = 0, 1, 2
GROUP = min(8, BANKS)


def pack(**values):
    return sum(value << FIELDS[name][0] for name, value in values.items())


def part(word, name):
    offset, width = FIELDS[name]
    return word >> offset & (1 << width) - 1


def targets(word):
    """Banks that a write reaches, each with the data that it takes."""
    kind, bank, data = (part(word, name) for name in ("kind", "bank", "data"))
    if kind == ROW:
        return {bank: data}
    if kind == PAIR:
        return {bank + i: (data >> 128 * i & (1 << 128) - 1) * (1 << 128 | 1) for i in range(2)}
    return {bank + i: (data >> 16 * i & 0xFFFF) * sum(1 << 16 * n for n in range(16)) for i in range(GROUP)}


def random_write():
    kind = random.choice([ROW, PAIR, VALUES]) if COLUMNS else ROW
    step = {ROW: 1, PAIR: 2, VALUES: GROUP}[kind]
    strobe = random.choice([0, 0xFFFF, 1 << random.randrange(16), 0xFF00, random.getrandbits(16)])
    return pack(
        kind=kind,
        bank=random.randrange(BANKS // step) * step,
        word=random.randrange(WORDS),
        data=random.getrandbits(256),
        strobe=strobe,
        entry=random.getrandbits(64),
        entry_enable=random.getrandbits(1),
    )


def apply(memory, word):
    for bank, data in targets(word).items():
        for granule in range(16):
            if part(word, "strobe") >> granule & 1:
                mask = 0xFFFF << 16 * granule
                memory[bank][part(word, "word")] = memory[bank][part(word, "word")] & ~mask | data & mask


async def play(dut, cycles, writing, reading):
    """Offer accesses at random, and keep the books of what was taken; gives how long accesses waited at most."""
    memory = [[0] * WORDS for _ in range(BANKS)]
    offers = [None] * WRITERS
    asked, due = None, {}
    waits, longest = [0] * (WRITERS + 1), [0] * (WRITERS + 1)
    for cycle in range(cycles):
        for number in range(WRITERS):
            if offers[number] is None and random.random() < writing:
                offers[number] = random_write()
            getattr(dut, f"i__{number}__valid").value = int(offers[number] is not None)
            getattr(dut, f"i__{number}__payload").value = offers[number] or 0
        if asked is None and random.random() < reading:
            asked = (random.randrange(BANKS), random.randrange(WORDS))
        dut.back__request__valid.value = int(asked is not None)
        if asked:
            dut.back__request__payload.value = asked[0] | asked[1] << max(1, (BANKS - 1).bit_length())
        await ReadOnly()
        assert int(dut.back__valid.value) == (cycle in due), cycle
        if cycle in due:
            assert int(dut.back__data.value) == due.pop(cycle)
        taken = [offer is not None and int(getattr(dut, f"i__{n}__ready").value) == 1 for n, offer in enumerate(offers)]
        back = asked is not None and int(dut.back__request__ready.value) == 1
        assert sum(taken) + back <= 1
        for number, (moves, waiting) in enumerate(zip([*taken, back], [*offers, asked], strict=True)):
            waits[number] = waits[number] + 1 if waiting is not None and not moves else 0
            longest[number] = max(longest[number], waits[number])
        for number, moves in enumerate(taken):
            if moves:
                apply(memory, offers[number])
                offers[number] = None
        if back:
            due[cycle + PARAMETERS["latency"]] = memory[asked[0]][asked[1]]
            asked = None
        await RisingEdge(dut.clk)
    return longest


@cocotb.test()
async def reads_give_what_was_written_before(dut):
    for writing, reading in ((0.1, 0.9), (0.5, 0.5), (1.0, 0.3), (0.0, 1.0)):
        await start(dut)
        # The memories outlive a reset: zero them.
        for bank in range(BANKS):
            for word in range(WORDS):
                dut.i__0__valid.value = 1
                dut.i__0__payload.value = pack(kind=ROW, bank=bank, word=word, strobe=0xFFFF)
                await RisingEdge(dut.clk)
        dut.i__0__valid.value = 0
        await play(dut, 500, writing, reading)


@cocotb.test()
async def nobody_starves(dut):
    await start(dut)
    for bank in range(BANKS):
        for word in range(WORDS):
            dut.i__0__valid.value = 1
            dut.i__0__payload.value = pack(kind=ROW, bank=bank, word=word, strobe=0xFFFF)
            await RisingEdge(dut.clk)
    dut.i__0__valid.value = 0
    longest = await play(dut, 200, 1.0, 1.0)
    assert longest[-1] <= 8
    assert max(longest[:-1]) <= WRITERS
