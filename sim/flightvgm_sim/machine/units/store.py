"""Stores: rows of the result buffer to memory, and filling."""

from __future__ import annotations

import numpy as np

from flightvgm_arch.errors import ErrorCode
from flightvgm_arch.isa import ALIGNMENT
from flightvgm_sim.machine.buffers import aligned
from flightvgm_sim.machine.errors import require
from flightvgm_sim.machine.program import Issued
from flightvgm_sim.machine.state import Outcome, State
from flightvgm_sim.machine.units.load import row_numbers


def store_rows(state: State, issued: Issued) -> Outcome:
    """STORE: write consecutive rows of the result buffer, linearly or through a list."""
    fields, memory = issued.fields, state.shared.memory
    if not fields["count"] or not fields["outer"]:
        return Outcome.DONE
    size = fields["row_bytes"]
    aligned(
        "the row address, pitch or step", fields["to"], fields["pitch"], fields["result_pitch"], fields["result_outer"]
    )
    require(size > 0 and size % 2 == 0, f"row_bytes {size} must be positive and even", ErrorCode.MISALIGNED)
    numbers = row_numbers(fields)
    if "scattered" in issued.flags:
        aligned("the list's address", fields["list"])
        numbers = memory.words(fields["list"], numbers)
    steps = (fields["outer"], fields["result_outer"]), (fields["count"], fields["result_pitch"])
    rows = state.result.view(fields["result"], steps, size, np.uint8).reshape(-1, size)
    require(
        len(numbers) == 1 or (size <= fields["pitch"] and len(np.unique(numbers)) == len(numbers)),
        f"rows of {size} bytes overlap each other in memory; give them numbers of their own and a pitch of their size",
    )
    memory.scatter(fields["to"], fields["pitch"], numbers, rows)
    state.shared.counters.store_bytes += rows.size
    return Outcome.DONE


def fill(state: State, issued: Issued) -> Outcome:
    """FILL: write a 32-bit pattern to consecutive words of 32 bytes."""
    fields = issued.fields
    if not fields["count"]:
        return Outcome.DONE
    aligned("the address to fill", fields["to"])
    data = np.full(fields["count"] * ALIGNMENT // 4, fields["value"], "<u4")
    state.shared.memory.write(fields["to"], data)
    state.shared.counters.store_bytes += data.nbytes
    return Outcome.DONE
