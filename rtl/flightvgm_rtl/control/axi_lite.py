"""The control port: AXI4-Lite with 32 bits of data and 4 KiB of addresses."""

from __future__ import annotations

from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from flightvgm_arch.registers import SPAN_BYTES

DATA_BITS = 32
LITE_ADDRESS_BITS = (SPAN_BYTES - 1).bit_length()


class AxiLite(wiring.Signature):
    """Five channels, as a master sees them. # Ref: ARM IHI 0022."""

    def __init__(self) -> None:
        super().__init__(
            {
                "awvalid": Out(1),
                "awready": In(1),
                "awaddr": Out(LITE_ADDRESS_BITS),
                "wvalid": Out(1),
                "wready": In(1),
                "wdata": Out(DATA_BITS),
                "wstrb": Out(DATA_BITS // 8),
                "bvalid": In(1),
                "bready": Out(1),
                "bresp": In(2),
                "arvalid": Out(1),
                "arready": In(1),
                "araddr": Out(LITE_ADDRESS_BITS),
                "rvalid": In(1),
                "rready": Out(1),
                "rdata": In(DATA_BITS),
                "rresp": In(2),
            }
        )
