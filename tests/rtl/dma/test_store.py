from amaranth.hdl import Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from flightvgm_rtl.buffers.ports import ResultRead
from flightvgm_rtl.control.commands import command
from flightvgm_rtl.dma.axi import AxiRead, AxiWrite
from flightvgm_rtl.dma.read import ReadEngine
from flightvgm_rtl.dma.store import StoreUnit
from flightvgm_rtl.dma.windows import Windows
from flightvgm_rtl.dma.write import WriteEngine
from flightvgm_rtl.lib.fault import Fault
from harness.run import run_bench

RESULT_BYTES = 65536


class Store(wiring.Component):
    """The unit between its engines."""

    command: In(stream.Signature(command("store")))
    done: Out(1)
    fault: Out(Fault)
    busy: Out(1)
    result: Out(ResultRead(RESULT_BYTES // 32))
    windows: In(Windows)
    axi_read: Out(AxiRead())
    axi_write: Out(AxiWrite())

    def elaborate(self, platform):
        m = Module()
        m.submodules.unit = unit = StoreUnit(result_bytes=RESULT_BYTES)
        m.submodules.read = read = ReadEngine(clients=1)
        m.submodules.write = write = WriteEngine(clients=1)
        connect(m, unit.read, read.ports[0])
        connect(m, unit.write, write.ports[0])
        connect(m, read.axi, flipped(self.axi_read))
        connect(m, write.axi, flipped(self.axi_write))
        connect(m, unit.result, flipped(self.result))
        connect(m, flipped(self.command), unit.command)
        m.d.comb += [
            read.windows.eq(self.windows),
            write.windows.eq(self.windows),
            self.done.eq(unit.done),
            self.fault.eq(unit.fault),
            self.busy.eq(unit.busy),
        ]
        return m


def test_store():
    run_bench(Store(), "rtl.dma.bench_store", result_bytes=RESULT_BYTES)
