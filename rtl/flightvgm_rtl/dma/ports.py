"""What a client of memory sees: read ports and write ports."""

from __future__ import annotations

from enum import IntEnum

from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from flightvgm_arch.isa import REGISTER_BITS

ADDRESS_BITS = REGISTER_BITS
BEAT_BITS = 256
BEAT_BYTES = 32
COUNT_BITS = 24


class Answer(IntEnum):
    """How an access ended."""

    OK = 0
    WINDOW = 1
    SLVERR = 2
    DECERR = 3


Request = data.StructLayout({"address": ADDRESS_BITS, "beats": COUNT_BITS})
"""A run of beats; the address is a multiple of 32, and there is at least one beat."""
Beat = data.StructLayout({"data": BEAT_BITS, "last": 1, "error": 2})
"""A beat that was read; ``last`` ends a request. A request outside the windows gives one beat, its last, with the
error WINDOW."""
Written = data.StructLayout({"data": BEAT_BITS, "strobe": BEAT_BYTES})
"""A beat to write, with a strobe for each byte."""
Done = data.StructLayout({"valid": 1, "error": 2})
"""A pulse for each request that has been written and answered, in their order."""


class ReadPort(wiring.Signature):
    """Read port of a client: requests out, beats in, in the order of the requests."""

    def __init__(self) -> None:
        super().__init__({"request": Out(stream.Signature(Request)), "beat": In(stream.Signature(Beat))})


class WritePort(wiring.Signature):
    """Write port of a client: requests and their beats out, a pulse for each request back.

    Beats may come before, with or after their request.
    """

    def __init__(self) -> None:
        super().__init__(
            {"request": Out(stream.Signature(Request)), "beat": Out(stream.Signature(Written)), "done": In(Done)}
        )
