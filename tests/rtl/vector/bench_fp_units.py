"""Operations in FP32 give the bits of NumPy, flushed, one result a cycle."""

import random

import cocotb
import numpy as np
from cocotb.triggers import ReadOnly, RisingEdge

from flightvgm_sim.golden import fp
from harness.drive import PARAMETERS, start

LATENCY = PARAMETERS["latency"]


def floats(patterns):
    return np.array(patterns, np.uint32).view(np.float32)


def edges():
    """Bit patterns at the ends of binades, subnormal numbers among them, of both signs."""
    exponents = (
        0,
        1,
        2,
        3,
        23,
        24,
        25,
        26,
        27,
        101,
        102,
        103,
        112,
        113,
        126,
        127,
        128,
        141,
        142,
        143,
        150,
        151,
        230,
        253,
    )
    fractions = (0, 1, 2, 0x1FFF, 0x2000, 0x1000, 0x1001, 0x400000, 0x7FE000, 0x7FEFFF, 0x7FFFFE, 0x7FFFFF)
    return [s << 31 | e << 23 | f for s in (0, 1) for e in exponents for f in fractions]


def patterns(count):
    near = [
        random.getrandbits(1) << 31 | random.randrange(110, 140) << 23 | random.getrandbits(23) for _ in range(count)
    ]
    few = [
        random.getrandbits(1) << 31 | random.randrange(100, 150) << 23 | random.getrandbits(3) << 20
        for _ in range(count)
    ]
    wide = [random.getrandbits(1) << 31 | random.randrange(254) << 23 | random.getrandbits(23) for _ in range(count)]
    return near + few + wide


def flushed(values):
    """Patterns of ``values``, subnormal inputs being zeros of their sign."""
    return fp.flush(floats(values))


def pairs():
    edge = edges()
    a = [random.choice(edge) for _ in range(6000)] + patterns(4000)
    b = [random.choice(edge) for _ in range(6000)] + patterns(4000)
    # Close to the least normal number from both sides, and cancellation of many bits.
    for _ in range(2000):
        exponent = random.randrange(40, 200)
        a.append(exponent << 23 | random.getrandbits(23) | random.getrandbits(1) << 31)
        b.append((126 + random.randrange(3) - exponent) % 255 << 23 | random.getrandbits(23))
        x = random.randrange(1, 250) << 23 | random.getrandbits(23)
        a.append(x)
        b.append((x + random.randrange(-3, 4) * random.choice((0, 1, 1 << 23)) ^ 1 << 31) % (1 << 32))
    # Products in [2^-126 - 2^-149, 2^-126): a factor of all ones times powers of two near them.
    for exponent in range(60, 68):
        for ones in (0x7FFFFF, 0x7FFFFE, 0x7FFFFD):
            a.append(exponent << 23 | ones)
            b.append((127 - exponent) << 23)
            a.append(exponent << 23 | ones)
            b.append((126 - exponent) << 23 | 1)
    return a, b


def binary(function):
    a, b = pairs()
    expected = function(flushed(a), flushed(b))
    keep = np.isfinite(expected)
    chosen = [{"i_a": x, "i_b": y} for x, y, k in zip(a, b, keep, strict=True) if k]
    return chosen, [{"o": int(v)} for v in expected[keep].view(np.uint32)]


def halves():
    inputs = [x for x in range(1 << 16) if x >> 10 & 31 != 31]
    return [{"i": x} for x in inputs], [
        {"o": int(v)} for v in np.array(inputs, np.uint16).view(np.float16).astype(np.float32).view(np.uint32)
    ]


def to_half():
    inputs = edges() + patterns(5000) + [0x477FEFFF, 0x477FF000, 0x477FEFFE, 0x477FE000]
    inputs += [e << 23 | random.getrandbits(11) << 12 for e in range(98, 145) for _ in range(60)]
    results = [fp.to_fp16(flushed([x])) for x in inputs]
    return [{"i": x} for x in inputs], [{"o": int(v.view(np.uint16)[0]), "o_saturated": n} for v, n in results]


def reciprocals():
    inputs = [x for x in edges() + patterns(4000) if x >> 31 == 0 and x >> 23] + [127 << 23 | f for f in range(1, 200)]
    expected = fp.flush(np.float32(1) / floats(inputs))
    return [{"i": x} for x in inputs], [{"o": int(v)} for v in expected.view(np.uint32)]


def integers():
    width = PARAMETERS["width"]
    values = [0, 1, -1, (1 << width - 1) - 1, -(1 << width - 1), 1 - (1 << width - 1)]
    for _ in range(3000):
        bits = random.randrange(1, width + 1)
        values.append(random.getrandbits(bits) - (1 << bits - 1))
    for bits in range(26, width - 1):
        for offset in (-1, 0, 1):
            for even in (0, 1):
                tie = (1 << bits) + (even << bits - 23) + (1 << bits - 24) + offset
                values += [v for v in (tie, -tie) if -(1 << width - 1) <= v < 1 << width - 1]
    scales = [random.choice((0, 0, -30, 40, -126, -150, -200, -512, 60, random.randrange(-140, 60))) for _ in values]
    exact = np.array(values, np.int64).astype(np.float32)
    expected = fp.flush(np.ldexp(exact, scales).astype(np.float32))
    scaled = exact.astype(np.float64) * np.exp2(np.array(scales, np.float64))
    expected = np.where(np.abs(scaled) < 2.0**-126, np.copysign(np.float32(0), exact), expected)
    mask = (1 << width) - 1
    inputs = [{"i": v & mask, "i_exponent": s & 0x3FF} for v, s in zip(values, scales, strict=True)]
    return inputs, [{"o": int(v)} for v in expected.view(np.uint32)]


OPERATIONS = {
    "FpMul": lambda: binary(fp.mul),
    "FpAdd": lambda: binary(fp.add),
    "HalfToFp": halves,
    "FpToHalf": to_half,
    "Reciprocal": reciprocals,
    "IntToFp": integers,
}


@cocotb.test()
async def results_are_those_of_numpy(dut):
    await start(dut)
    inputs, expected = OPERATIONS[PARAMETERS["operation"]]()
    wrong = []
    for cycle in range(len(inputs) + LATENCY):
        if cycle < len(inputs):
            for name, value in inputs[cycle].items():
                getattr(dut, name).value = value
        if cycle >= LATENCY:
            await ReadOnly()
            got = {name: int(getattr(dut, name).value) for name in expected[cycle - LATENCY]}
            if got != expected[cycle - LATENCY]:
                wrong.append((inputs[cycle - LATENCY], got, expected[cycle - LATENCY]))
        await RisingEdge(dut.clk)
    text = [" ".join(f"{k}={v:#x}" for part in item for k, v in part.items()) for item in wrong[:10]]
    assert not wrong, f"{len(wrong)} of {len(inputs)} wrong: {text}"
