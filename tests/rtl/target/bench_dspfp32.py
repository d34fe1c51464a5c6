"""The twin of a DSPFP32 gives correctly rounded products and sums, in the cycles that its registers say."""

import random
from collections import deque
from fractions import Fraction

import cocotb
from cocotb.triggers import ReadOnly, RisingEdge

from harness.drive import PARAMETERS, start

SETTINGS = PARAMETERS["settings"]
SIGN = 1 << 31


def decode(bits):
    """Exact value of an FP32 pattern; subnormals are zeros."""
    exponent = bits >> 23 & 255
    size = Fraction(0) if exponent == 0 else Fraction(bits & 0x7FFFFF | 1 << 23) * Fraction(2) ** (exponent - 150)
    return -size if bits & SIGN else size


def encode(value, negative_zero):
    """FP32 pattern of an exact value: nearest even to 24 bits, then flushed."""
    if value == 0:
        return SIGN if negative_zero else 0
    sign, size = (SIGN, -value) if value < 0 else (0, value)
    exponent = size.numerator.bit_length() - size.denominator.bit_length()
    while Fraction(2) ** exponent > size:
        exponent -= 1
    while Fraction(2) ** (exponent + 1) <= size:
        exponent += 1
    whole = round(size * Fraction(2) ** (23 - exponent))  # Python rounds halves to even.
    if whole == 1 << 24:
        whole, exponent = 1 << 23, exponent + 1
    if exponent < -126:
        return sign
    if exponent > 127:
        return sign | 255 << 23
    return sign | exponent + 127 << 23 | whole & 0x7FFFFF


def multiply(a, b):
    return encode(decode(a) * decode(b), (a ^ b) & SIGN)


def add(a, b):
    return encode(decode(a) + decode(b), a & b & SIGN)


def widened(half):
    """FP32 pattern of an FP16 pattern in FP32 fields; subnormals are zeros."""
    exponent = half >> 23 & 31
    return half & SIGN | (exponent + 112 << 23 if exponent else 0) | half & 0x7FFFFF


def number(previous):
    """An FP32 pattern: often near another one, an end, a zero or a subnormal."""
    kind = random.random()
    if kind < 0.25:
        return previous ^ random.choice((SIGN, 1, 3, SIGN | 1, 1 << 23, random.getrandbits(3)))
    if kind < 0.35:
        return random.choice((0, SIGN, 1, SIGN | 0x7FFFFF, 0x00800000, 0x80800001, 0x3F800000, 0xBF7FFFFF))
    exponent = random.randint(90, 160) if kind < 0.9 else random.randint(1, 254)
    fraction = random.choice((random.getrandbits(23), 0, 0x7FFFFF, random.getrandbits(5) << 18))
    return random.getrandbits(1) << 31 | exponent << 23 | fraction


def half():
    """An FP16 pattern in FP32 fields."""
    return random.getrandbits(1) << 31 | random.randint(0, 30) << 23 | random.getrandbits(10) << 13


class Model:
    """Delays as queues, P as a register."""

    def __init__(self):
        depth = {
            "a": SETTINGS["areg"], "b": SETTINGS["fpbreg"], "c": SETTINGS["fpcreg"], "d": SETTINGS["fpdreg"],
            "fpopmode": SETTINGS["fpopmreg"],
        }  # fmt: skip
        self.lines = {name: deque([0] * count) for name, count in depth.items()}
        self.products = deque([0] * (SETTINGS["fpmpipereg"] + SETTINGS["fpm_preg"]))
        self.p = 0

    def step(self, inputs):
        """Outputs before the edge; then pass it."""
        behind = {name: self.through(line, inputs[name]) for name, line in self.lines.items()}
        a = widened(behind["a"]) if SETTINGS["a_fptype"] == "B16" else behind["a"]
        b = widened(behind["b"]) if SETTINGS["b_d_fptype"] == "B16" else behind["b"]
        product = self.through(self.products, multiply(a, b))
        mode, pcin = behind["fpopmode"], inputs["pcin"]
        first = (0, product, pcin, behind["d"])[mode & 3] ^ (SIGN if mode & 32 else 0)
        second = (0, 0, 0, 0, self.p, self.p, behind["c"], pcin)[mode >> 2 & 7] ^ (SIGN if mode & 64 else 0)
        total = add(first, second)
        shown = self.p if SETTINGS["fpa_preg"] else total
        self.p = 0 if inputs["rstfpa"] else total if inputs["cefpa"] else self.p
        return {"fpm_out": product, "fpa_out": shown, "pcout": shown if SETTINGS["pcoutsel"] == "FPA" else product}

    @staticmethod
    def through(line, value):
        line.append(value)
        return line.popleft()


def finite(*patterns):
    return all(pattern >> 23 & 255 != 255 for pattern in patterns)


@cocotb.test()
async def every_cycle(dut):
    await start(dut)
    for _ in range(8):
        await RisingEdge(dut.clk)
    dut.rstfpa.value = 1
    await RisingEdge(dut.clk)
    model, previous = Model(), 0x3F800000
    modes = [mode for mode in range(128) if SETTINGS["fpa_preg"] or mode >> 3 & 3 != 2]
    for _ in range(1500):
        inputs = {name: number(previous) for name in ("a", "b", "c", "d", "pcin")}
        if SETTINGS["a_fptype"] == "B16":
            inputs["a"] = half()
        if SETTINGS["b_d_fptype"] == "B16":
            inputs["b"] = inputs["d"] = half()
        previous = random.choice((inputs["c"], inputs["pcin"], model.p))
        inputs["fpopmode"] = random.choice((random.choice(modes), 0x01, 0x11 if 0x11 in modes else 0x19))
        inputs["cefpa"], inputs["rstfpa"] = int(random.random() < 0.9), int(random.random() < 0.05)
        if not finite(model.p):
            inputs["rstfpa"], inputs["fpopmode"] = 1, 0
        for name, value in inputs.items():
            getattr(dut, name).value = value
        await ReadOnly()
        expected = model.step(inputs)
        if finite(*expected.values()):
            for name, value in expected.items():
                assert int(getattr(dut, name).value) == value, (name, inputs)
        await RisingEdge(dut.clk)
