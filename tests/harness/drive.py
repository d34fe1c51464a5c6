"""Clock, reset and streams of a unit under test, in cocotb."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Iterable
from typing import Any

from cocotb.clock import Clock
from cocotb.triggers import ReadOnly, RisingEdge

PARAMETERS: dict[str, Any] = json.loads(os.environ.get("BENCH", "{}"))


SETTLING = 4  # Cycles after a reset in which parts that it reaches later are still in reset.


async def start(dut: Any) -> None:
    """Start the clock, with all inputs at zero, and reset."""
    for name in PARAMETERS["inputs"]:
        getattr(dut, name).value = 0
    Clock(dut.clk, 10, unit="ns").start()
    await reset(dut)


async def reset(dut: Any, *, cycles: int = 8) -> None:
    """Reset, and return when all parts are out of it."""
    dut.rst.value = 1
    for _ in range(cycles):
        await RisingEdge(dut.clk)
    dut.rst.value = 0
    for _ in range(SETTLING):
        await RisingEdge(dut.clk)


async def send(dut: Any, name: str, payloads: Iterable[int], *, stalls: float = 0.0) -> None:
    """Send transfers to the stream input ``name``; each waits with a probability of ``stalls`` a cycle."""
    valid, ready, payload = (getattr(dut, f"{name}__{part}") for part in ("valid", "ready", "payload"))
    for value in payloads:
        while random.random() < stalls:
            valid.value = 0
            await RisingEdge(dut.clk)
        valid.value = 1
        payload.value = value
        while True:
            await ReadOnly()
            taken = bool(ready.value)
            await RisingEdge(dut.clk)
            if taken:
                break
    valid.value = 0


async def receive(dut: Any, name: str, count: int, *, stalls: float = 0.0) -> list[int]:
    """Receive ``count`` transfers of the output ``name``; a cycle is refused with a probability of ``stalls``."""
    valid, ready, payload = (getattr(dut, f"{name}__{part}") for part in ("valid", "ready", "payload"))
    values: list[int] = []
    while len(values) < count:
        ready.value = int(random.random() >= stalls)
        await ReadOnly()
        if int(valid.value) and int(ready.value):
            values.append(int(payload.value))
        await RisingEdge(dut.clk)
    ready.value = 0
    return values
