from amaranth.hdl import Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from flightvgm_rtl.dma.axi import AxiRead
from flightvgm_rtl.dma.ports import Beat
from flightvgm_rtl.dma.read import ReadEngine
from flightvgm_rtl.dma.walker import Job, RowWalker
from flightvgm_rtl.dma.windows import Windows
from harness.run import run_bench


class Gather(wiring.Component):
    """A walker and an engine, and rows of 1 KiB."""

    job: In(stream.Signature(Job))
    beat: Out(stream.Signature(Beat))
    windows: In(Windows)
    axi: Out(AxiRead())

    def elaborate(self, platform):
        m = Module()
        m.submodules.walker = walker = RowWalker()
        m.submodules.engine = engine = ReadEngine(clients=2)
        connect(m, walker.read, engine.ports[0])
        connect(m, flipped(self.job), walker.job)
        connect(m, engine.axi, flipped(self.axi))
        rows, port = walker.o, engine.ports[1]
        m.d.comb += [
            engine.windows.eq(self.windows),
            port.request.valid.eq(rows.valid),
            port.request.payload.address.eq(rows.payload.address),
            port.request.payload.beats.eq(32),
            rows.ready.eq(port.request.ready),
            self.beat.valid.eq(port.beat.valid),
            self.beat.payload.eq(port.beat.payload),
            port.beat.ready.eq(self.beat.ready),
        ]
        return m


def test_read_engine():
    run_bench(ReadEngine(clients=3), "rtl.dma.bench_read")


def test_gather():
    run_bench(Gather(), "rtl.dma.bench_gather")
