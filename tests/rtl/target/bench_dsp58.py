"""The twin of a DSP58 does what the model does, in every cycle."""

import random

import cocotb
from cocotb.triggers import ReadOnly, RisingEdge

from harness.drive import PARAMETERS, start
from rtl.target.dsp58_model import WIDTHS, Model

SETTINGS = PARAMETERS["settings"]
ENABLES = ("cea1", "cea2", "ceb1", "ceb2", "cec", "ced", "cead", "cem", "cep", "cectrl", "cealumode", "ceinmode")
RESETS = ("rsta", "rstb", "rstc", "rstd", "rstm", "rstp", "rstctrl", "rstalumode", "rstinmode")
MODES = {"opmode": PARAMETERS["opmodes"], "alumode": PARAMETERS["alumodes"], "inmode": PARAMETERS["inmodes"]}
MODES_AT_REST = {name: values[0] for name, values in MODES.items()}
IDLE = {**dict.fromkeys(WIDTHS, 0), **dict.fromkeys(ENABLES, 1), **dict.fromkeys(RESETS, 0)}


def operand(bits):
    """Bits of a port: often an end of its range, or about zero."""
    ends = (0, 1, (1 << bits) - 1, 1 << bits - 1, (1 << bits - 1) - 1)
    return random.choice(ends) if random.random() < 0.3 else random.getrandbits(bits)


def stimulus(enabled, resetting):
    """Inputs of a cycle."""
    inputs = {name: random.choice(MODES[name]) if name in MODES else operand(bits) for name, bits in WIDTHS.items()}
    for name in ENABLES:
        inputs[name] = int(name not in SETTINGS["controls"] or random.random() < enabled)
    for name in RESETS:
        inputs[name] = int(name in SETTINGS["controls"] and random.random() < resetting)
    if "negate" not in SETTINGS["controls"]:
        inputs["negate"] = 0
    return inputs


async def compare(dut, model, sequence):
    """Drive a sequence, and compare before each edge."""
    ports = {name: getattr(dut, name) for name in IDLE if name in PARAMETERS["inputs"]}
    for inputs in sequence:
        for name, port in ports.items():
            port.value = inputs[name]
        await ReadOnly()
        for name, value in model.outputs(inputs).items():
            assert int(getattr(dut, name).value) == value, (name, inputs)
        await RisingEdge(dut.clk)
        model.clock(inputs)


async def begin(dut):
    """Flush and reset the primitive: zeros everywhere."""
    await start(dut)
    model = Model(SETTINGS)
    reset = {name: int(name in SETTINGS["controls"] and name in RESETS) for name in IDLE}
    for cycle in range(8):
        inputs = {**IDLE, **MODES_AT_REST, **reset} if cycle > 4 else {**IDLE, **MODES_AT_REST}
        for name in IDLE:
            if name in PARAMETERS["inputs"]:
                getattr(dut, name).value = inputs[name]
        await RisingEdge(dut.clk)
        model.clock(inputs)
    return model


@cocotb.test()
async def every_cycle(dut):
    model = await begin(dut)
    await compare(dut, model, [stimulus(1.0, 0.0) for _ in range(300)])
    await compare(dut, model, [stimulus(0.7, 0.05) for _ in range(500)])


@cocotb.test()
async def latencies(dut):
    """A value enters for one cycle; what depends on it moves as many edges later as the registers say."""
    if PARAMETERS["latency"] is None:
        return
    model = await begin(dut)
    for port, opmode in (("a", 0x005), ("b", 0x005), ("c", 0x030), ("pcin", 0x010)):
        quiet = {**IDLE, "opmode": opmode, "a": 3, "b": 5, "inmode": PARAMETERS["inmodes"][0]}
        await compare(dut, model, [quiet] * 8)
        await ReadOnly()
        before, edges = int(dut.p.value), 0
        await RisingEdge(dut.clk)
        model.clock(quiet)
        while edges < 8:
            inputs = {**quiet, port: 7} if edges == 0 else quiet
            for name in ("opmode", "a", "b", "c", "pcin"):
                getattr(dut, name).value = inputs[name]
            await ReadOnly()
            moved = int(dut.p.value) != before
            assert int(dut.p.value) == model.outputs(inputs)["p"]
            assert moved == (edges == PARAMETERS["latency"][port]), (port, edges)
            await RisingEdge(dut.clk)
            model.clock(inputs)
            edges += 1
