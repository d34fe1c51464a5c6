"""Tokens go out, rows come back, and what is left is that of the golden model."""

import cocotb

from flightvgm_arch.errors import ErrorCode
from flightvgm_arch.grid import Grid
from harness.drive import PARAMETERS
from harness.layout import pack, unpack
from harness.walk import steps
from rtl.recovery.bench_emit import MAP, OUT, Bench, body, compared, linear

CASES = [
    (Grid("t / h / w", 3, (2, 2)), {"t": 5, "h": 3, "w": 4}, 40, 1, 2),
    (Grid("- / t / hw", 1, (4, 1)), {"t": 6, "h": 2, "w": 2}, 24, 0, 2),
    (Grid("t / w / h", 2, (1, 2)), {"t": 4, "h": 3, "w": 2}, 64, 0, 4),
]


@cocotb.test()
async def tokens_rows_and_records_agree(dut):
    jobs, tokens = [], []
    for n, (grid, size, width, first, count) in enumerate(CASES):
        jobs.append(compared(grid, size, width, first=first, count=count, out=OUT + (n << 30), map_out=MAP + (n << 20)))
        tokens += [step.token for step in steps(grid, size, first, count)]
        jobs.append(linear(5, 40, to_a=n == 1, out=OUT + (n + 50 << 30)))
        tokens += range(5, 10)
    bench = Bench(dut, 0.2)
    await bench.run(jobs, 20000)
    bench.judge(jobs)
    assert [unpack(PARAMETERS["token"], word)["token"] for word in bench.tokens] == tokens


@cocotb.test()
async def a_site_that_is_unknown_is_a_fault(dut):
    bench = Bench(dut, 0.0)
    job = compared(*CASES[0][:3])
    flags = body(flag_compare=1, flag_quantise=1, width=40, count=2, out=OUT, map_out=MAP)
    job.word = pack(PARAMETERS["command"], {"pc": 99, **flags})
    await bench.run([job], 2000)
    fault = int(dut.fault.value)
    assert fault & 1
    assert fault >> 1 & 31 == ErrorCode.FIELD_RANGE
    assert fault >> 6 & 0xFFFFFF == 99
    assert bench.done == 0
