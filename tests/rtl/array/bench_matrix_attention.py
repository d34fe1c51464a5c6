"""Attention of the matrix unit is the golden one, bit for bit."""

import cocotb
import numpy as np

from flightvgm_arch.errors import ErrorCode
from flightvgm_arch.formats import fp16_pitch, operand_bytes, round_up, transposed_pitch
from flightvgm_sim.golden.attention import attention
from harness.drive import PARAMETERS, start
from rtl.array.matrix_driver import DEPTH, C, Driver, R, instruction


async def begin(dut):
    await start(dut)
    driver = Driver(dut)
    cocotb.start_soon(driver.watch())
    return driver, np.random.default_rng(9)


def padding(problems, rows, k, columns):
    return problems * (round_up(rows, R) * round_up(k, 2 * DEPTH) * round_up(columns, C) - rows * k * columns)


class Case:
    """An ATTN, its operands, and what must come out."""

    def __init__(self, driver, rng, a, b, out, *, batch, rows, keys, heads, dim, flags=(), scale=1.0):
        width = heads * dim
        self.extents, self.flags = (batch, rows, keys, heads, dim), flags
        self.q, self.k, self.v = (
            (rng.standard_normal((batch, count, width)) * size).astype(np.float16)
            for count, size in ((rows, scale), (keys, 1), (keys, 3))
        )
        self.pitch, self.v_pitch = fp16_pitch(width) + 32, transposed_pitch(width, C)
        steps = [
            operand_bytes(rows, self.pitch, R, R),
            operand_bytes(keys, self.pitch, C, C),
            operand_bytes(keys, self.v_pitch, 16, C),
        ]
        places = [a, b, b + batch * steps[1]]
        for problem in range(batch):
            driver.rows("a", places[0] + problem * steps[0], self.pitch, self.q[problem], heads, dim)
            driver.rows("b", places[1] + problem * steps[1], self.pitch, self.k[problem], heads, dim)
            driver.channels(places[2] + problem * steps[2], self.v[problem])
        self.ends = places[0] + batch * steps[0], places[2] + batch * steps[2], out + batch * rows * self.pitch
        self.out = out
        self.fields = {
            "q": places[0], "k": places[1], "v": places[2], "out": out, "q_pitch": self.pitch, "k_pitch": self.pitch,
            "v_pitch": self.v_pitch, "out_pitch": self.pitch, "rows": rows, "keys": keys, "heads": heads,
            "head_dim": dim, "batch": batch, "dq": steps[0], "dk": steps[1], "dv": steps[2],
            "dout": rows * self.pitch,
        }  # fmt: skip

    @property
    def command(self):
        return instruction("ATTN", *self.flags, **self.fields)

    async def check(self, driver, post):
        batch, rows, keys, heads, dim = self.extents
        split = [x.reshape(batch, -1, heads, dim).swapaxes(1, 2) for x in (self.q, self.k, self.v)]
        halves, saturated = attention(*split)
        wanted = halves.swapaxes(1, 2).reshape(batch * rows, heads * dim)
        found = await driver.results(self.out, self.pitch, batch * rows, heads * dim)
        wrong = np.argwhere(found != wanted.view(np.uint16)).tolist()
        assert not wrong, (self.extents, wrong[:40])
        held, streamed = (dim, rows) if self.flags else (rows, dim)
        assert post["attention_macs"] == 2 * batch * heads * rows * keys * dim
        assert post["padding_macs"] == padding(batch * heads, rows, dim, keys) + padding(
            batch * heads, held, keys, streamed
        )
        return saturated


@cocotb.test()
async def attention_of_problems_and_heads(dut):
    """Heads that begin inside a group of channels, one key, keys that end inside a word, rows that end inside a
    tile."""
    driver, rng = await begin(dut)
    extents = [
        {"batch": 2, "rows": R + 1, "keys": 7, "heads": 2, "dim": 16},
        {"batch": 3, "rows": 1, "keys": 1, "heads": 1, "dim": 6},
        {"batch": 1, "rows": 2 * R, "keys": C + 1, "heads": 3, "dim": 24, "flags": ["transposed"]},
        {"batch": 1, "rows": R, "keys": 35, "heads": 1, "dim": 5, "scale": 9.0},
        {"batch": 5, "rows": 2, "keys": 16, "heads": 1, "dim": 8},
    ]
    cases, place = [], (0, 0, 0)
    for extent in extents:
        cases.append(Case(driver, rng, *place, **extent))
        place = cases[-1].ends
    await driver.load()
    void = instruction("ATTN", batch=0)
    await driver.run(cases[0].command, void, *(case.command for case in cases[1:]))
    for case, post in zip(cases, driver.posts, strict=True):
        await case.check(driver, post)


@cocotb.test()
async def no_keys_give_zeros(dut):
    driver, rng = await begin(dut)
    case = Case(driver, rng, 0, 0, 0, batch=2, rows=R + 1, keys=3, heads=2, dim=24)
    await driver.load()
    await driver.run(case.command)
    await case.check(driver, driver.posts[0])
    await driver.run(instruction("ATTN", **case.fields | {"keys": 0}))
    found = await driver.results(0, case.pitch, 2 * R + 2, 48)
    assert not found.any()
    assert len(driver.posts) == 1


@cocotb.test()
async def faults_stop_the_unit(dut):
    good = {
        "q_pitch": 32, "k_pitch": 32, "v_pitch": 64, "out_pitch": 32, "rows": 1, "keys": 1, "heads": 1, "head_dim": 8,
        "batch": 1,
    }  # fmt: skip
    cases = [
        ({"heads": 0}, ErrorCode.FIELD_RANGE),
        ({"keys": PARAMETERS["score_keys"] + 1}, ErrorCode.FIELD_RANGE),
        ({"k_pitch": 0}, ErrorCode.FIELD_RANGE),
        ({"dv": 32 * C + 32}, ErrorCode.MISALIGNED),
        ({"v_pitch": 40}, ErrorCode.MISALIGNED),
        ({"k": 32 * C * PARAMETERS["b_words"] % (1 << 24)}, ErrorCode.BUFFER_OVERRUN),
        ({"v": 32 * C * PARAMETERS["b_words"] % (1 << 24)}, ErrorCode.BUFFER_OVERRUN),
    ]
    for changes, code in cases:
        driver, _ = await begin(dut)
        cocotb.start_soon(driver.run(instruction("ATTN", **good | changes)))
        assert await driver.fault() == (code, 77), changes
        assert driver.dones == 0
