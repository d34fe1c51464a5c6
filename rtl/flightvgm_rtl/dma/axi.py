"""Channels of an AXI4 master, as far as they vary.

One ID, INCR bursts of whole beats of 32 bytes, addresses that are multiples of 32. What never changes (size 5,
burst 1, cache, protection, the address bits above 40) is added by the shell.
# Ref: ARM IHI 0022, AMBA AXI and ACE protocol specification.
"""

from __future__ import annotations

from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from flightvgm_rtl.dma.ports import ADDRESS_BITS, BEAT_BITS, BEAT_BYTES

BURST_BEATS = 32  # The longest burst; it ends at the next multiple of so many beats, hence never crosses 4 KiB.
LENGTH_BITS = 8


class AxiRead(wiring.Signature):
    """Read address and read data channels, as a master sees them."""

    def __init__(self) -> None:
        super().__init__(
            {
                "arvalid": Out(1),
                "arready": In(1),
                "araddr": Out(ADDRESS_BITS),
                "arlen": Out(LENGTH_BITS),
                "rvalid": In(1),
                "rready": Out(1),
                "rdata": In(BEAT_BITS),
                "rresp": In(2),
                "rlast": In(1),
            }
        )


class AxiWrite(wiring.Signature):
    """Write address, write data and response channels, as a master sees them."""

    def __init__(self) -> None:
        super().__init__(
            {
                "awvalid": Out(1),
                "awready": In(1),
                "awaddr": Out(ADDRESS_BITS),
                "awlen": Out(LENGTH_BITS),
                "wvalid": Out(1),
                "wready": In(1),
                "wdata": Out(BEAT_BITS),
                "wstrb": Out(BEAT_BYTES),
                "wlast": Out(1),
                "bvalid": In(1),
                "bready": Out(1),
                "bresp": In(2),
            }
        )
