"""Products of the matrix unit are the golden ones, bit for bit."""

import cocotb
import numpy as np

from flightvgm_arch.errors import ErrorCode
from flightvgm_arch.formats import fp16_pitch, operand_bytes, record_pitch, round_up
from flightvgm_sim.golden.epilogue import epilogue
from flightvgm_sim.golden.fp import to_fp16
from flightvgm_sim.golden.matmul import fp16_matmul, int8_matmul
from harness.drive import start
from rtl.array.matrix_driver import A_WORDS, DEPTH, C, Driver, R, instruction


async def begin(dut):
    await start(dut)
    driver = Driver(dut)
    cocotb.start_soon(driver.watch())
    return driver, np.random.default_rng(9)


def integers(rng, rows, k):
    return rng.integers(-127, 128, (rows, k)).astype(np.int8)


@cocotb.test()
async def integer_products(dut):
    """One after another without a wait; the shapes need be multiples of nothing."""
    driver, rng = await begin(dut)
    place, address, out = 0, 0, 0
    commands, wanted, saturations = [], [], 0
    shapes = [(1, 1, 1, 0), (R + 1, 16, C, 0), (2 * R, 33, 2 * C + 1, 1), (R, 24, 1, 1), (3, 4 * DEPTH + 1, 3 * C, 0)]
    for rows, k, columns, gelu in shapes:
        q, w = integers(rng, rows, k), integers(rng, columns, k)
        scale = np.float32(rng.random(rows) * 0.02)
        column_scale = np.float32(rng.random(columns) * 0.05)
        bias = np.float32(rng.standard_normal(columns))
        if rows == 3:
            scale[0], bias[-1], column_scale[0] = 3e4, 1e-40, 1e-39
        pitch = record_pitch(k) + 32 * (columns == C)
        driver.records(address, pitch, q, scale)
        place = driver.weights(place, w, column_scale, bias)
        out_pitch = fp16_pitch(columns) + 32 * (rows == 1)
        commands.append(
            instruction(
                "MM", a=address, a_pitch=pitch, rows=rows, k=k, columns=columns, out=out, out_pitch=out_pitch,
                epilogue=gelu, batch0=1, batch1=1,
            )
        )  # fmt: skip
        halves, saturated = epilogue(int8_matmul(q, w), scale, column_scale, bias, gelu=bool(gelu))
        wanted.append((out, out_pitch, rows, k, columns, halves))
        saturations += saturated
        address += operand_bytes(rows, pitch, R, R)
        out += rows * out_pitch
    await driver.load()
    void = instruction("MM", rows=0, batch0=1, batch1=1, k=1, columns=1)
    await driver.run(*commands[:2], void, *commands[2:])
    for (out, pitch, rows, k, columns, halves), post in zip(wanted, driver.posts, strict=True):
        found = await driver.results(out, pitch, rows, columns)
        assert np.array_equal(found, halves.view(np.uint16)), (rows, k, columns)
        spent = round_up(rows, R) * round_up(k, 4 * DEPTH) * round_up(columns, C)
        assert post["macs_done"] == rows * k * columns
        assert post["padding_macs"] == spent - rows * k * columns
        assert (post["place"], post["attention_macs"]) == (5, 0)
    assert saturations
    assert driver.saturations == saturations
    assert driver.taken == driver.released == len(driver.tiles)


@cocotb.test()
async def integer_batches_share_tiles(dut):
    driver, rng = await begin(dut)
    k, columns, rows = 20, C + 2, R - 1 or 1
    pitch = record_pitch(k)
    step = operand_bytes(rows, pitch, R, R)
    w, scale = integers(rng, columns, k), np.ones(columns, np.float32)
    driver.weights(3, w, scale, 0 * scale)
    values = [integers(rng, rows, k) for _ in range(6)]
    for number, q in enumerate(values):
        driver.records(step * number, pitch, q, np.full(rows, 2.0**-8, np.float32))
    out_pitch = fp16_pitch(columns)
    await driver.load()
    await driver.run(
        instruction(
            "MM", a_pitch=pitch, rows=rows, k=k, columns=columns, out_pitch=out_pitch, batch0=3, da0=step,
            dout0=rows * out_pitch, batch1=2, da1=3 * step, dout1=3 * rows * out_pitch,
        )
    )  # fmt: skip
    found = await driver.results(0, out_pitch, 6 * rows, columns)
    product = int8_matmul(np.concatenate(values), w)
    assert np.array_equal(found, to_fp16(product.astype(np.float32) / 256)[0].view(np.uint16))
    spent = round_up(6 * rows, R) * round_up(k, 4 * DEPTH) * round_up(columns, C)
    assert driver.posts[0]["padding_macs"] == spent - 6 * rows * k * columns
    assert driver.taken == driver.released == 2


@cocotb.test()
async def half_products(dut):
    """Results of the inner batch loop lie side by side, at steps that are multiples of two only."""
    driver, rng = await begin(dut)
    rows, k, columns = R + 1, 11, C + 1
    pitch = 32
    steps = [operand_bytes(count, pitch, banks, banks) for count, banks in ((rows, R), (columns, C))]
    a, b = ((rng.standard_normal((6, count, k)) * 9).astype(np.float16) for count in (rows, columns))
    a[2, 0] *= 500
    b[2, 0] = 60000
    for number in range(6):
        driver.rows("a", number * steps[0], pitch, a[number], 1, k)
        driver.rows("b", number * steps[1], pitch, b[number], 1, k)
    out_pitch = fp16_pitch(3 * columns)
    await driver.load()
    await driver.run(
        instruction(
            "MM", "fp16", a_pitch=pitch, b_pitch=pitch, rows=rows, k=k, columns=columns, out_pitch=out_pitch, batch0=3,
            da0=steps[0], db0=steps[1], dout0=2 * columns, batch1=2, da1=3 * steps[0], db1=3 * steps[1],
            dout1=rows * out_pitch,
        )
    )  # fmt: skip
    found = await driver.results(0, out_pitch, 2 * rows, 3 * columns)
    halves, saturated = to_fp16(fp16_matmul(a, b))
    wanted = halves.reshape(2, 3, rows, columns).swapaxes(1, 2).reshape(2 * rows, 3 * columns)
    assert np.array_equal(found, wanted.view(np.uint16))
    assert driver.saturations == saturated > 0
    macs = 6 * rows * k * columns
    assert driver.posts[0]["attention_macs"] == macs
    spent = 6 * round_up(rows, R) * round_up(k, 2 * DEPTH) * round_up(columns, C)
    assert driver.posts[0]["padding_macs"] == spent - macs


@cocotb.test()
async def faults_stop_the_unit(dut):
    good = {"rows": 2, "k": 8, "columns": 2, "a_pitch": 32, "out_pitch": 32, "batch0": 1, "batch1": 1}
    cases = [
        ({"k": 0}, ErrorCode.FIELD_RANGE),
        ({"out_pitch": 32, "columns": 17}, ErrorCode.FIELD_RANGE),
        ({"k": 25}, ErrorCode.FIELD_RANGE),
        ({"db0": 32 * C}, ErrorCode.FIELD_RANGE),
        ({"da1": 16}, ErrorCode.MISALIGNED),
        ({"a": 32 * R + 32}, ErrorCode.MISALIGNED),
        ({"dout0": 3}, ErrorCode.MISALIGNED),
        ({"a": 32 * R * (A_WORDS - 1), "rows": R + 1}, ErrorCode.BUFFER_OVERRUN),
        ({"out": (1 << 24) - 32}, ErrorCode.BUFFER_OVERRUN),
        ({"k": 17}, ErrorCode.RING_MISMATCH),
    ]
    for changes, code in cases:
        driver, _ = await begin(dut)
        driver.weights(0, np.ones((1, 8), np.int8), np.float32([1]), np.float32([0]))
        await driver.load()
        cocotb.start_soon(driver.run(instruction("MM", **good | changes)))
        assert await driver.fault() == (code, 77), changes
        assert driver.dones == 0


@cocotb.test()
async def a_factor_without_number_names_its_instruction(dut):
    """The last results of one instruction and the first of the next one leave the array without a gap."""
    k = 4 * DEPTH * 160  # Feeds for long enough that the next instruction is planned.
    for bad in range(2):
        driver, _ = await begin(dut)
        driver.patient = False
        place = address = 0
        commands = []
        for number, inner in enumerate((k, 8)):
            scale = np.ones(C, np.float32)
            if number == bad:
                scale[0 if number else -1] = np.nan  # Of the result that is next to those of the other one.
            q, w = np.ones((R, inner), np.int8), np.ones((C, inner), np.int8)
            driver.records(address, record_pitch(inner), q, np.ones(R, np.float32))
            place = driver.weights(place, w, scale, np.zeros(C, np.float32))
            fields = {"a": address, "a_pitch": record_pitch(inner), "rows": R, "k": inner, "columns": C}
            commands.append(instruction("MM", **fields, out_pitch=fp16_pitch(C), batch0=1, batch1=1, pc=70 + number))
            address += R * record_pitch(inner)
        await driver.load()
        cocotb.start_soon(driver.run(*commands))
        assert await driver.fault() == (ErrorCode.FIELD_RANGE, 70 + bad)
