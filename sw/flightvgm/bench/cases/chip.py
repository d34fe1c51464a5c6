"""Cycles of the chip: the emitted Verilog of SMALL, simulated, with every result held against the golden machine."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

from flightvgm.bench import chip, transfers
from flightvgm.bench.registry import BenchError, Figure, Report, case
from flightvgm.gateware import emit
from flightvgm.pipeline import Pipeline
from flightvgm.runtime.cosim import CosimDevice
from flightvgm.runtime.simulated import Simulation
from flightvgm_arch.presets import SMALL

_LATENCY, _STALL = 120, 0.1


@lru_cache(maxsize=1)
def _verilog() -> str:
    return emit(SMALL).text


def _device(report: Report, *, latency: int = 100, stall: float = 0.0) -> CosimDevice:
    report(0, 1)
    return CosimDevice(
        SMALL, _verilog(), verify=True, latency=latency, stall=stall, progress=lambda share: report(share / 2, 1)
    )


def _run(device: CosimDevice, program: chip.Loaded) -> dict[str, int]:
    device.start(program.entry)
    device.wait()
    return dict(device.counters())


def _ideal(program: chip.Loaded) -> float:
    """Cycles that the array needs at its peak."""
    return program.int8_macs / SMALL.int8_macs_per_cycle + program.fp16_macs / SMALL.fp16_macs_per_cycle


@case("chip-pe", "MACs of a DSP58 in a cycle over tiles that follow each other, on the simulated SMALL")
def pe(report: Report) -> list[Figure]:
    """The cycles that the second half of a product's columns adds to those of the first one."""
    figures = []
    for text, make, columns, least in (
        ("INT8", chip.int8_product, 512, 4.0),
        ("FP16", chip.fp16_product, 256, 2.0),
    ):
        macs, cycles = [], []
        for count in (columns, 2 * columns):
            device = _device(report)
            program = make(device, columns=count)
            macs.append(program.int8_macs + program.fp16_macs)
            cycles.append(_run(device, program)["busy_matrix"])
        rate = (macs[1] - macs[0]) / (SMALL.dsps * (cycles[1] - cycles[0]))
        figures.append(Figure(f"{text} MACs of a DSP58 in a cycle", rate, least=least))
    return figures


@case("chip-linear", "a linear layer of 256 rows, 1152 x 1152, INT8, on the simulated SMALL")
def linear(report: Report) -> list[Figure]:
    """Weights stream four times as often as on a machine with 256 rows a unit."""
    device = _device(report)
    program = chip.linear(device, rows=256, k=1152, outputs=1152, at_once=384)
    counters = _run(device, program)
    return [
        Figure(
            "of the peak while the matrix queue works", 100 * _ideal(program) / counters["busy_matrix"], "%", least=92
        ),
        Figure("of the peak from start to done", 100 * _ideal(program) / counters["cycles"], "%", least=85),
        Figure("cycles", counters["cycles"]),
    ]


@case("chip-attention", "attention of 405 tokens, head_dim 72, FP16, on the simulated SMALL")
def attention(report: Report) -> list[Figure]:
    """Q K^T and P V of one head."""
    device = _device(report)
    program = chip.attention(device, tokens=405, head_dim=72)
    counters = _run(device, program)
    return [
        Figure(
            "of the peak while the matrix queue works", 100 * _ideal(program) / counters["busy_matrix"], "%", least=80
        ),
        Figure("of the peak from start to done, loads included", 100 * _ideal(program) / counters["cycles"], "%"),
        Figure("cycles", counters["cycles"]),
    ]


@case("chip-mlp", "an MLP of 144 and 576 channels: 320 rows, and 96 of them, on the simulated SMALL")
def mlp(report: Report) -> list[Figure]:
    """70 % of the rows are skipped."""
    cycles = []
    for rows in (320, 96):
        device = _device(report)
        cycles.append(_run(device, chip.mlp(device, rows=rows, width=144, hidden=576))["cycles"])
    return [
        Figure("cycles of the sparse run over those of the dense run", cycles[1] / cycles[0], most=0.36),
        Figure("cycles of the dense run", cycles[0]),
    ]


@case("chip-memory", f"loads over a port with a latency of {_LATENCY} cycles, {_STALL:.0%} of all cycles refused")
def memory(report: Report) -> list[Figure]:
    """The peak is what memory offers: a beat in each cycle that it does not refuse."""
    figures = []
    programs: tuple[tuple[str, Callable[[CosimDevice], transfers.Transfer], float], ...] = (
        ("long transfers", transfers.long_load, 90),
        ("rows of 1 KiB through a map", transfers.gather, 80),
    )
    for text, make, least in programs:
        device = _device(report, latency=_LATENCY, stall=_STALL)
        transfer = make(device)
        counters = _run(device, transfer.program)
        offered = counters["busy_load"] * (1 - _STALL)
        figures.append(Figure(f"of a port's peak, {text}", 100 * transfer.beats / offered, "%", least=least))
    return figures


@case("chip-step", "a denoising step of the pocket model on the simulated SMALL, every byte verified")
def step(report: Report) -> list[Figure]:
    """Both branches, all blocks, sparsified by the checkpoint's recipe; text once."""
    pipeline = Pipeline.from_pretrained("pocket", backend="cosim", simulation=Simulation(verify=True))
    output = pipeline(
        "a red circle moving right", num_inference_steps=1, callback=lambda done, total, _: report(done, total)
    )
    if output.chip is None:
        raise BenchError("the backend 'cosim' reports no cycles; report this as a bug")
    took = output.chip
    shares = [
        Figure(f"cycles in which queue '{queue}' works", 100 * busy / took.cycles, "%")
        for queue, busy in took.busy.items()
    ]
    idle = took.cycles - took.busy["matrix"]
    exposed = took.busy["matrix"] - took.utilisation * took.cycles
    return [
        Figure("utilisation", 100 * took.utilisation, "%", least=55),
        Figure("cycles", took.cycles),
        Figure("lost: the matrix queue is empty or waits for semaphores", 100 * idle / took.cycles, "%"),
        Figure("lost: within its instructions (padding, weights, softmax, drain)", 100 * exposed / took.cycles, "%"),
        *shares,
        Figure("time of the simulation and the golden machine", took.seconds / 60, "min", most=10),
    ]
