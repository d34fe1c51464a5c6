"""Read engine: the read ports of clients on an AXI4 master."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from flightvgm_rtl.dma.arbiter import RoundRobin
from flightvgm_rtl.dma.axi import LENGTH_BITS, AxiRead
from flightvgm_rtl.dma.engine import Bursts, choose
from flightvgm_rtl.dma.ports import Answer, Beat, ReadPort
from flightvgm_rtl.dma.windows import Windows
from flightvgm_rtl.lib.fifo import Fifo
from flightvgm_rtl.lib.reset import add_with_own_reset


class ReadEngine(wiring.Component):
    """Serve read ports in turns, burst by burst.

    A burst begins only when its client's FIFO has room for all of it; so ``rready`` waits for nobody, and a client
    that takes no beats holds up nobody. All bursts have one ID, hence data comes in their order. SLVERR and DECERR
    are given with their beats. A request outside the windows gives one beat, its last, with the error WINDOW, and
    never reaches the bus.

    A burst begins every second cycle at best, every third of the same client; 17 cycles pass from a request to its
    address on the bus, 5 from data on the bus to the client. With bursts of 32 beats a client alone reaches a port's
    peak up to a latency of ``fifo`` cycles, less 20.

    Parameters
    ----------
    clients : int
    fifo : int
        Beats of a client's FIFO; a power of two of at least 32. Up to 512 take the same block RAM.
    outstanding : int
        Bursts under way at most; a power of two.
    unchecked : collection of int
        Clients that no window holds, as the ledger.

    Members
    -------
    ports : In(ReadPort()).array(clients)
    windows : In(Windows)
        Change only while nothing is under way.
    axi : Out(AxiRead())
    stop : In(1)
        No further burst begins. Once ``idle``, the engine and its clients are reset together.
    idle : Out(1)
        With ``stop``, nothing is outstanding on the bus.
    moved : Out(1)
        A beat came in the cycle before.
    """

    def __init__(
        self, *, clients: int, fifo: int = 256, outstanding: int = 32, unchecked: Collection[int] = ()
    ) -> None:
        self._clients, self._fifo, self._outstanding, self._unchecked = clients, fifo, outstanding, unchecked
        self._entry = data.StructLayout({"owner": clients, "last": 1, "refused": 1})
        super().__init__(
            {
                "ports": In(ReadPort()).array(clients),
                "windows": In(Windows),
                "axi": Out(AxiRead()),
                "stop": In(1),
                "idle": Out(1),
                "moved": Out(1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        """Cut requests, begin bursts, and sort the data that comes."""
        m = Module()
        bursts = Bursts(clients=self._clients, unchecked=self._unchecked, short=True)
        add_with_own_reset(m, "bursts", bursts)
        m.submodules.arbiter = arbiter = RoundRobin(count=self._clients)
        m.submodules.order = order = Fifo(self._entry, depth=self._outstanding, style="distributed")
        m.d.comb += bursts.windows.eq(self.windows)
        owner, beat = self._take(m, order)
        for client in range(self._clients):
            self._client(m, client, bursts, arbiter, owner[client], beat)
        self._begin(m, bursts, arbiter, order)
        m.d.sync += self.idle.eq(
            self.stop & (arbiter.grant == 0) & ~self.axi.arvalid & (order.level == 0) & (owner == 0)
        )
        return m

    def _client(self, m: Module, client: int, bursts: Bursts, arbiter: RoundRobin, came: Value, beat: Signal) -> None:
        """FIFO of a client; ``free`` counts places that no burst has reserved."""
        port, burst = self.ports[client], bursts.o[client]
        beats = Fifo(Beat, depth=self._fifo, style="block")
        add_with_own_reset(m, f"beats_{client}", beats)
        free = Signal(range(self._fifo + 1), init=self._fifo, name=f"free_{client}")
        length, left = Signal.like(burst.payload.length, name=f"length_{client}"), Signal(name=f"left_{client}")
        m.d.comb += [
            bursts.i[client].valid.eq(port.request.valid),
            bursts.i[client].payload.eq(port.request.payload),
            port.request.ready.eq(bursts.i[client].ready),
            arbiter.wants[client].eq(burst.valid & (free >= burst.payload.length)),
            burst.ready.eq(arbiter.grant[client]),
            length.eq(Mux(arbiter.grant[client], burst.payload.length, 0)),
            beats.i.valid.eq(came),
            beats.i.payload.eq(beat),
            port.beat.valid.eq(beats.o.valid),
            port.beat.payload.eq(beats.o.payload),
            beats.o.ready.eq(port.beat.ready),
            left.eq(beats.o.valid & beats.o.ready),
        ]
        m.d.sync += free.eq(free - length + left)

    def _begin(self, m: Module, bursts: Bursts, arbiter: RoundRobin, order: Fifo) -> None:
        """Put the address of the chosen burst on the bus, and note whose data comes."""
        burst = Signal.like(bursts.o[0].payload)
        granted = arbiter.grant != 0
        address, length, valid = (
            Signal(len(burst.beat), reset_less=True),
            Signal(LENGTH_BITS, reset_less=True),
            Signal(),
        )
        m.d.comb += [
            burst.eq(choose(arbiter.grant, [port.payload for port in bursts.o])),
            arbiter.enable.eq(~self.stop & order.i.ready & (~valid | self.axi.arready)),
            order.i.valid.eq(granted),
            order.i.payload.owner.eq(arbiter.grant),
            order.i.payload.last.eq(burst.last),
            order.i.payload.refused.eq(burst.refused),
            self.axi.arvalid.eq(valid),
            self.axi.araddr.eq(Cat(Const(0, 5), address)),
            self.axi.arlen.eq(length),
        ]
        with m.If(granted & ~burst.refused):
            m.d.sync += [valid.eq(1), address.eq(burst.beat), length.eq(burst.length - 1)]
        with m.Elif(self.axi.arready):
            m.d.sync += valid.eq(0)

    def _take(self, m: Module, order: Fifo) -> tuple[Signal, Signal]:
        """Give each beat its owner; a refused request makes its only beat here."""
        head, axi = order.o.payload, self.axi
        owner, beat = Signal(self._clients), Signal(Beat, reset_less=True)
        came, last, take = Signal(), Signal(), Signal()
        m.d.comb += [
            axi.rready.eq(order.o.valid & ~head.refused),
            came.eq(axi.rvalid & axi.rready),
            last.eq(head.refused | axi.rlast),
            take.eq(order.o.valid & (head.refused | axi.rvalid)),
            order.o.ready.eq(take & last),
        ]
        m.d.sync += [self.moved.eq(came), owner.eq(Mux(take, head.owner, 0))]
        m.d.sync += [
            beat.data.eq(axi.rdata),
            beat.last.eq(head.last & last),
            beat.error.eq(Mux(head.refused, Answer.WINDOW, Mux(axi.rresp[1], axi.rresp, Answer.OK))),
        ]
        return owner, beat
