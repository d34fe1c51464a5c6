"""The chip as a shell sees it: flat AMBA names, one clock, one reset, one interrupt."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import ClockDomain, ClockSignal, Module, ResetSignal, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from flightvgm_arch.config import Config
from flightvgm_rtl.accelerator import Accelerator
from flightvgm_rtl.control.axi_lite import AxiLite
from flightvgm_rtl.dma.axi import AxiRead, AxiWrite

_ADDRESS_BITS = 64  # What block designs expect of a master; the chip drives the lower 40.
_BEAT_SIZE = 5  # 2^5 bytes.
_INCREMENT = 1
_CACHE = 0b0011  # Bufferable and modifiable. # Ref: ARM IHI 0022, memory attributes.
_CONTROL, _MASTER = "s_axi_control", "m_axi_gmem"


class Shell(wiring.Component):
    """The accelerator with the names that block designs infer interfaces from.

    ``ap_rst_n`` is taken through two flip-flops. Ports ``m_axi_gmem<n>`` are AXI4 masters of 256 bits with one ID.

    Parameters
    ----------
    config : Config
        The machine.

    Members
    -------
    ap_clk, ap_rst_n : In(1)
    interrupt : Out(1)
    s_axi_control_* :
        AXI4-Lite slave.
    m_axi_gmem<n>_* :
        AXI4 masters, ``cores * ports`` of them.
    """

    def __init__(self, config: Config) -> None:
        self.accelerator = Accelerator(config)
        self._masters = config.cores * config.ports
        members: dict[str, Any] = {"ap_clk": In(1), "ap_rst_n": In(1), "interrupt": Out(1)}
        members |= {f"{_CONTROL}_{name}": member for name, member in AxiLite().flip().members.items()}
        for number in range(self._masters):
            for name, member in (*AxiRead().members.items(), *AxiWrite().members.items()):
                wide = Out(_ADDRESS_BITS) if name in {"araddr", "awaddr"} else member
                members[f"{_MASTER}{number}_{name}"] = wide
            for channel in ("ar", "aw"):
                members |= {
                    f"{_MASTER}{number}_{channel}size": Out(3),
                    f"{_MASTER}{number}_{channel}burst": Out(2),
                    f"{_MASTER}{number}_{channel}cache": Out(4),
                    f"{_MASTER}{number}_{channel}prot": Out(3),
                }
        super().__init__(members)

    def elaborate(self, platform: Any) -> Module:
        """Rename, and synchronise the reset."""
        m = Module()
        m.domains.start = ClockDomain(local=True, reset_less=True)
        m.domains.sync = ClockDomain(local=True)
        low = Signal(2, init=3)
        m.d.start += low.eq(~self.ap_rst_n.replicate(2) | low << 1)
        m.d.comb += [
            ClockSignal("start").eq(self.ap_clk),
            ClockSignal("sync").eq(self.ap_clk),
            ResetSignal("sync").eq(low[1]),
            self.interrupt.eq(self.accelerator.interrupt),
        ]
        m.submodules.accelerator = inner = self.accelerator
        self._join(m, _CONTROL, AxiLite().flip(), inner.control)
        for number in range(self._masters):
            name = f"{_MASTER}{number}"
            self._join(m, name, AxiRead(), inner.reads[number])
            self._join(m, name, AxiWrite(), inner.writes[number])
            for channel in ("ar", "aw"):
                m.d.comb += [
                    getattr(self, f"{name}_{channel}size").eq(_BEAT_SIZE),
                    getattr(self, f"{name}_{channel}burst").eq(_INCREMENT),
                    getattr(self, f"{name}_{channel}cache").eq(_CACHE),
                ]
        return m

    def _join(self, m: Module, prefix: str, signature: Any, inner: Any) -> None:
        """Join the flat ports of a prefix with an interface of the accelerator."""
        for name, member in signature.members.items():
            outer, own = getattr(self, f"{prefix}_{name}"), getattr(inner, name)
            m.d.comb += own.eq(outer) if member.flow is In else outer.eq(own)
