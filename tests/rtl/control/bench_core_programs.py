"""Random programs issue what the golden front end issues, whatever takes how long."""

import random

import cocotb

from harness.drive import start
from rtl.control.core_model import ISSUED, Surroundings, compare, golden, words_of
from rtl.control.core_programs import ARGUMENTS, data, instruction, program, work


async def check(dut, words, content, slow):
    issued, error = golden(words, content, ARGUMENTS)
    assert error is None, error
    around = Surroundings(dut, words, content, ARGUMENTS, slow=slow)
    ended = await around.run()
    assert ended == "ended", f"{ended} {int(dut.fault.value):#x} at {int(dut.pc.value)}"
    for queue in ISSUED:
        assert len(around.taken[queue]) == len(issued[queue]), queue
        for command, item in zip(around.taken[queue], issued[queue], strict=True):
            compare(queue, command, item)
    return around


@cocotb.test(timeout_time=400, timeout_unit="us")
async def random_programs(dut):
    await start(dut)
    for number in range(6):
        around = await check(dut, words_of(program(8)), data(), random.choice((0.1, 1.0)))
        dut._log.info("program %d: %d cycles, %d reads", number, around.cycle, around.fetches)


@cocotb.test(timeout_time=400, timeout_unit="us")
async def six_cycles_an_instruction(dut):
    await start(dut)
    body = [work() for _ in range(30)]
    words = [instruction("SET", rd=9, value=2), *body, instruction("LOOP", rd=9, target=1), instruction("END")]
    around = await check(dut, words_of(words), data(), 0.01)
    assert around.cycle <= 6.5 * 62 + 60
