"""What is no instruction, and what an instruction must not do, stops the core with the golden machine's code."""

import random

import cocotb

from flightvgm_arch.isa import BY_NAME, OPERATIONS, Address, Event, Reg, encode
from harness.drive import start
from rtl.control.core_model import DATA, END, ISSUED, Surroundings, golden, words_of
from rtl.control.core_programs import ARGUMENTS, data, instruction, work


def changed(plain, low, bits=1):
    """An instruction's word with some bits changed."""
    return (int.from_bytes(encode(plain), "little") ^ bits << low).to_bytes(64, "little")


def stop():
    return instruction("END")


def illegal_words():
    """Words with an unknown opcode, a reserved bit, a register that does not exist, a choice too large."""
    yield b"\xff" * 64
    yield bytes([10]) + bytes(63)
    for operation in OPERATIONS:
        used = 64 + sum(item.bits for item in operation.fields)
        plain = instruction(operation.name)
        yield changed(plain, random.choice([used, 511, random.randrange(used, 512)]))
        yield changed(plain, random.choice([60, 61, 62, 63]))
        if len(operation.flags) < 10:
            yield changed(plain, random.randrange(6 + len(operation.flags), 16))
        low = 64
        for item in operation.fields:
            if item.kind == "extent":
                yield changed(plain, low, 1 << 24 | random.choice([32, 1 << 23]))
            elif item.choices and len(item.choices) < 1 << item.bits:
                yield changed(plain, low, len(item.choices))
            low += item.bits


def site(**changes):
    fields = {"t": 1, "h": 1, "w": 1, "order": 0b100100, "split": 5, "group": 1, "chunk_rows": 1, "chunk_columns": 1}
    return instruction("SITE", **{**fields, **changes})


def pool(**changes):
    fields = {"pool": 3, "counter": 60, "segments": 2, "stride": 5, "rows": 9, "largest": 8, "granule": 4}
    return {**fields, **changes}


def compares(counter, limit, **events):
    rows = work(BY_NAME["ROWS"])
    operands = {**rows.operands, "counter": counter, "limit": limit}
    return instruction("ROWS", {"compare"}, events.get("waits", ()), events.get("signals", ()), **operands)


def refused():
    """Programs that the front end or a queue refuses."""
    big = instruction("SET", rd=1, value=1 << 24)
    yield [big, instruction("FILL", count=Reg(1)), stop()]
    yield [big, site(theta_chunk=Reg(1)), stop()]
    yield [site(), site(order=0b000100), stop()]
    yield [site(order=0b110100), stop()]
    yield [site(split=0b1010), stop()]
    for name in ("t", "h", "w", "group", "chunk_rows", "chunk_columns"):
        yield [site(**{name: 0}), stop()]
    yield [site(theta_group=1 << 16), stop()]
    yield [instruction("SET", rd=1, value=DATA + 2), instruction("GET", rd=2, source=Address(1)), stop()]
    yield [instruction("GET", rd=2, source=Address(0, END)), stop()]
    yield [instruction("SET", rd=1, value=(1 << 40) - 32), instruction("GET", rd=2, source=Address(1, 32)), stop()]
    yield [instruction("LOOP", rd=0, target=END // 64)]
    yield [instruction("END", code=7)]
    yield [instruction("TILE", pool=2, start=1, count=2), stop()]
    for changes in ({"granule": 3}, {"granule": 0}, {"largest": 0}, {"counter": 63}):
        yield [instruction("OPEN", **pool(**changes)), stop()]
    yield [compares(60, 8, signals=[Event(1, 1)]), instruction("OPEN", (), [Event(1, 1)], **pool()), stop()]
    yield [instruction("OPEN", **pool()), compares(61, 8), *([work()] * 3), stop()]
    yield [instruction("OPEN", {"static"}, **pool()), compares(61, 8), stop()]
    yield [instruction("FILL", (), (), [Event(3, 63)]), instruction("FILL", (), (), [Event(3, 1)]), stop()]
    yield [instruction("MARK", (), (), [Event(3, 63), Event(3, 1)]), stop()]
    yield [instruction("FILL", (), [Event(3, 1)]), stop()]
    yield [instruction("MARK", (), [Event(3, 1)]), instruction("FILL"), stop()]
    yield [work(), instruction("MM", (), [Event(3, 40), Event(3, 30)]), *[instruction("MM")] * 20, stop()]
    yield [instruction("OPEN", **pool()), instruction("OPEN", **pool()), stop()]


async def judge(dut, program):
    words, content = words_of(program), data()
    issued, error = golden(words, content, ARGUMENTS)
    around = Surroundings(dut, words, content, ARGUMENTS, slow=0.1)
    ended = await around.run()
    assert ended != "late", program
    for queue in ISSUED:
        assert len(around.taken[queue]) <= len(issued[queue]) + 1
    if error is None:
        assert ended == "ended", (program, hex(int(dut.fault.value)))
        return
    fault = int(dut.fault.value)
    if ended == "ended":
        found = 14 if int(dut.end_code.value) else 0, int(dut.pc.value)
    elif ended == "stuck":
        found = 8, int(dut.stuck_pc.value)
    else:
        found = fault >> 1 & 31, fault >> 6 & (1 << 24) - 1
    assert found == (error.code, error.counter), (error, found)


@cocotb.test(timeout_time=400, timeout_unit="us")
async def words_that_are_no_instructions(dut):
    await start(dut)
    for word in illegal_words():
        await judge(dut, [instruction("SET", rd=3, value=5), word, stop()])


@cocotb.test(timeout_time=400, timeout_unit="us")
async def programs_that_are_refused(dut):
    await start(dut)
    for program in refused():
        await judge(dut, program)


@cocotb.test(timeout_time=400, timeout_unit="us")
async def tiles_left_at_the_end(dut):
    await start(dut)
    around = Surroundings(dut, words_of([instruction("MARK"), stop()]), data(), ARGUMENTS)
    around.ring_empty = 0
    assert await around.run() == "fault"
    assert int(dut.fault.value) & 0x3FFFFFFF == 1 | 12 << 1 | 1 << 6
