"""What passes between a core's front end and what the cores share."""

from __future__ import annotations

from amaranth.lib import data, enum, stream, wiring
from amaranth.lib.wiring import In, Out

from flightvgm_arch.operations import BY_NAME, EXTENT_BITS
from flightvgm_rtl.control.commands import PC_BITS, body

POOL_BITS = 3
COUNTER_BITS = 6
START_BITS = 32  # 63 segments of a stride below 2^24, and a row inside.


class PoolOperation(enum.Enum, shape=1):
    """What a core asks of the pools."""

    OPEN = 0
    TILE = 1


PoolRequest = data.StructLayout({"operation": PoolOperation, "open": body(BY_NAME["OPEN"])})
"""A request; ``open.pool`` names the pool of a TILE, too."""
PoolAnswer = data.StructLayout({"valid": 1, "empty": 1, "start": START_BITS, "rows": EXTENT_BITS, "error": 5})
"""A pulse for each request: a unit, or that none is left; ``error`` is an :class:`flightvgm_arch.errors.ErrorCode`."""


class PoolPort(wiring.Signature):
    """Port of a core to the pools: one request at a time, and its answer.

    ``blocked`` tells that a request waits until other cores have been told that its pool is empty.
    """

    def __init__(self) -> None:
        super().__init__({"request": Out(stream.Signature(PoolRequest)), "answer": In(PoolAnswer), "blocked": In(1)})


class BarrierPort(wiring.Signature):
    """Port of a core to the barriers: it waits at instruction ``pc`` for the cores of a mask, until ``pass``."""

    def __init__(self) -> None:
        super().__init__({"valid": Out(1), "cores": Out(16), "pc": Out(PC_BITS), "release": In(1)})


CountWrite = data.StructLayout({"valid": 1, "counter": COUNTER_BITS, "value": EXTENT_BITS})
"""A pulse: a count register gets its value."""
