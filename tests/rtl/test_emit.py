import gc
import re

import pytest
from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from flightvgm_arch.presets import SMALL
from flightvgm_rtl.array.grid import Grid
from flightvgm_rtl.emit import Emitter, component_verilog
from flightvgm_rtl.lib.unit import place
from flightvgm_rtl.shell import Shell


class Inverter(wiring.Component):
    """A register and an inverter, converted once."""

    i: In(8)
    o: Out(8)

    def elaborate(self, _platform):
        m = Module()
        m.d.sync += self.o.eq(~self.i)
        return m


class Chain(wiring.Component):
    """Inverters, one after another."""

    i: In(8)
    o: Out(8)

    def elaborate(self, platform):
        m = Module()
        value = self.i
        for number in range(3):
            unit = place(m, platform, "inverter", Inverter(), f"inverter_{number}")
            m.d.comb += unit.i.eq(value)
            value = unit.o
        m.d.comb += self.o.eq(value)
        return m


def modules(text):
    return re.findall(r"^module (\S+)\(", text, re.MULTILINE)


def test_a_unit_is_converted_once_and_placed_many_times():
    emitter = Emitter()
    text = emitter.convert(Chain(), "chain")
    assert modules(text)[:2] == ["chain", "inverter"]
    assert len(re.findall(r"^  inverter inverter_\d \(", text, re.MULTILINE)) == 3
    assert emitter.units == ("inverter",)


def test_memories_come_with_the_text():
    text = component_verilog(Chain(), "chain")
    assert len(re.findall(r"^module flightvgm_ram", text, re.MULTILINE)) == 2


def test_the_garbage_collector_is_back():
    component_verilog(Inverter(), "inverter")
    assert gc.isenabled()


def test_a_design_that_is_refused_leaves_the_garbage_collector_on():
    class Loop(Inverter):
        def elaborate(self, _platform):
            m = Module()
            a = Signal()
            m.d.comb += a.eq(~a)
            return m

    with pytest.raises(Exception, match="[Cc]ombina"):
        component_verilog(Loop(), "loop")
    assert gc.isenabled()


@pytest.mark.parametrize("vendor", [False, True])
def test_the_array_is_of_the_devices_primitives_where_the_vendor_builds_it(vendor):
    text = component_verilog(Grid(rows=2, columns=2, depth=1, segments=1), "grid", vendor=vendor)
    assert ("DSP58 #(" in text) == vendor
    assert "module DSP58" not in text


def test_ports_have_the_names_that_block_designs_infer_interfaces_from():
    shell = Shell(SMALL)
    flat = shell.signature.flatten(shell)
    ports = {"__".join(map(str, path)): (member.flow, len(value)) for path, member, value in flat}
    lite = {"aw": ("addr",), "w": ("data", "strb"), "b": ("resp",), "ar": ("addr",), "r": ("data", "resp")}
    burst = ("len", "size", "burst", "cache", "prot")
    full = {"aw": burst, "w": ("last",), "b": (), "ar": burst, "r": ("last",)}
    wanted = {"ap_clk", "ap_rst_n", "interrupt"}
    for channel, names in lite.items():
        for name in (*names, "valid", "ready"):
            wanted |= {f"{prefix}_{channel}{name}" for prefix in ("s_axi_control", "m_axi_gmem0", "m_axi_gmem1")}
        wanted |= {f"m_axi_gmem{number}_{channel}{name}" for number in range(2) for name in full[channel]}
    assert set(ports) == wanted
    assert ports["ap_clk"] == ports["ap_rst_n"] == (In, 1)
    assert ports["interrupt"] == (Out, 1)
    assert (ports["m_axi_gmem1_wdata"], ports["m_axi_gmem1_rdata"]) == ((Out, 256), (In, 256))
    assert (ports["s_axi_control_wdata"], ports["s_axi_control_rdata"]) == ((In, 32), (Out, 32))
