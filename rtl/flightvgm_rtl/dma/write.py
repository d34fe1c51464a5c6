"""Write engine: the write ports of clients on an AXI4 master."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from flightvgm_rtl.dma.arbiter import RoundRobin
from flightvgm_rtl.dma.axi import BURST_BEATS, LENGTH_BITS, AxiWrite
from flightvgm_rtl.dma.engine import Bursts, choose
from flightvgm_rtl.dma.ports import Answer, WritePort, Written
from flightvgm_rtl.dma.windows import Windows
from flightvgm_rtl.lib.fifo import Fifo
from flightvgm_rtl.lib.reset import add_with_own_reset
from flightvgm_rtl.lib.vector import Vector

_HALVES = 2


class WriteEngine(wiring.Component):
    """Serve write ports in turns, burst by burst.

    A burst begins only when all of its beats are in its client's FIFO; so a client that gives no beats holds up
    nobody, and a burst that has begun always ends. All bursts have one ID, hence responses come in their order.
    ``done`` is a pulse for each request behind the last response of its bursts, with the worst of their answers
    (numerically greatest). The beats of a request outside the windows are taken and dropped, and it is done with the
    error WINDOW.

    A burst begins every second cycle at best, every third of the same client, and data moves in every cycle.

    Parameters
    ----------
    clients : int
    fifo : int
        Beats of a client's FIFO; a power of two of at least 64. Up to 512 take the same block RAM.
    outstanding : int
        Bursts that wait for their data's turn, and bursts that wait for their responses, at most; a power of two.
    unchecked : collection of int
        Clients that no window holds, as the ledger.

    Members
    -------
    ports : In(WritePort()).array(clients)
    windows : In(Windows)
        Change only while nothing is under way.
    axi : Out(AxiWrite())
    stop : In(1)
        No further burst begins; those that have begun are ended. Once ``idle``, the engine and its clients are reset
        together.
    idle : Out(1)
        With ``stop``, nothing is outstanding on the bus.
    moved : Out(1)
        A beat went in the cycle before.
    """

    def __init__(
        self, *, clients: int, fifo: int = 256, outstanding: int = 32, unchecked: Collection[int] = ()
    ) -> None:
        self._clients, self._fifo, self._outstanding, self._unchecked = clients, fifo, outstanding, unchecked
        super().__init__(
            {
                "ports": In(WritePort()).array(clients),
                "windows": In(Windows),
                "axi": Out(AxiWrite()),
                "stop": In(1),
                "idle": Out(1),
                "moved": Out(1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        """Cut requests, begin bursts, give their data, and take responses."""
        m = Module()
        entry = {"owner": self._clients, "last": 1, "refused": 1}
        # Owners for each half of a beat, since one copy would drive too many loads.
        length = {"length": range(BURST_BEATS + 1), "owners": Vector(self._clients, _HALVES)}
        bursts = Bursts(clients=self._clients, unchecked=self._unchecked)
        add_with_own_reset(m, "bursts", bursts)
        m.submodules.arbiter = arbiter = RoundRobin(count=self._clients)
        m.submodules.order = order = Fifo(
            data.StructLayout(entry | length), depth=self._outstanding, style="distributed"
        )
        m.submodules.answers = answers = Fifo(data.StructLayout(entry), depth=self._outstanding, style="distributed")
        m.d.comb += bursts.windows.eq(self.windows)
        beats = [self._client(m, client, bursts, arbiter) for client in range(self._clients)]
        self._begin(m, bursts, arbiter, order)
        self._data(m, order, answers, beats)
        self._respond(m, answers)
        quiet = (order.level == 0) & (answers.level == 0)
        m.d.sync += self.idle.eq(self.stop & (arbiter.grant == 0) & ~self.axi.awvalid & ~self.axi.wvalid & quiet)
        return m

    def _client(self, m: Module, client: int, bursts: Bursts, arbiter: RoundRobin) -> Fifo:
        """FIFO of a client; ``stored`` counts beats that no burst has claimed."""
        port, burst = self.ports[client], bursts.o[client]
        beats = Fifo(Written, depth=self._fifo, style="block")
        add_with_own_reset(m, f"beats_{client}", beats)
        stored = Signal(range(self._fifo + 1), name=f"stored_{client}")
        length, came = Signal.like(burst.payload.length, name=f"length_{client}"), Signal(name=f"came_{client}")
        m.d.comb += [
            bursts.i[client].valid.eq(port.request.valid),
            bursts.i[client].payload.eq(port.request.payload),
            port.request.ready.eq(bursts.i[client].ready),
            beats.i.valid.eq(port.beat.valid),
            beats.i.payload.eq(port.beat.payload),
            port.beat.ready.eq(beats.i.ready),
            came.eq(beats.i.valid & beats.i.ready),
            arbiter.wants[client].eq(burst.valid & (stored >= burst.payload.length)),
            burst.ready.eq(arbiter.grant[client]),
            length.eq(Mux(arbiter.grant[client], burst.payload.length, 0)),
        ]
        m.d.sync += stored.eq(stored - length + came)
        return beats

    def _begin(self, m: Module, bursts: Bursts, arbiter: RoundRobin, order: Fifo) -> None:
        """Put the address of the chosen burst on the bus, and note whose data goes."""
        burst = Signal.like(bursts.o[0].payload)
        granted = arbiter.grant != 0
        address, length, valid = (
            Signal(len(burst.beat), reset_less=True),
            Signal(LENGTH_BITS, reset_less=True),
            Signal(),
        )
        m.d.comb += [
            burst.eq(choose(arbiter.grant, [port.payload for port in bursts.o])),
            arbiter.enable.eq(~self.stop & order.i.ready & (~valid | self.axi.awready)),
            order.i.valid.eq(granted),
            order.i.payload.owner.eq(arbiter.grant),
            order.i.payload.owners.eq(arbiter.grant.replicate(_HALVES)),
            order.i.payload.last.eq(burst.last),
            order.i.payload.refused.eq(burst.refused),
            order.i.payload.length.eq(burst.length),
            self.axi.awvalid.eq(valid),
            self.axi.awaddr.eq(Cat(Const(0, 5), address)),
            self.axi.awlen.eq(length),
        ]
        with m.If(granted & ~burst.refused):
            m.d.sync += [valid.eq(1), address.eq(burst.beat), length.eq(burst.length - 1)]
        with m.Elif(self.axi.awready):
            m.d.sync += valid.eq(0)

    def _data(self, m: Module, order: Fifo, answers: Fifo, beats: list[Fifo]) -> None:
        """Move the beats of bursts to the bus, in the order of the bursts."""
        head, axi = order.o.payload, self.axi
        position, last, take, there = Signal(range(BURST_BEATS)), Signal(), Signal(), Signal()
        valid, final, beat = Signal(), Signal(reset_less=True), Signal(Written, reset_less=True)
        free = head.refused | ~valid | axi.wready
        given, half = [fifo.o.payload.as_value() for fifo in beats], len(beat.as_value()) // _HALVES
        low, high = (
            choose(head.owners[part], [value.word_select(part, half) for value in given]) for part in range(_HALVES)
        )
        m.d.comb += [
            there.eq((Cat(fifo.o.valid for fifo in beats) & head.owner) != 0),
            last.eq(position + 1 == head.length),
            take.eq(order.o.valid & there & free & answers.i.ready),
            order.o.ready.eq(take & last),
            answers.i.valid.eq(take & last),
            answers.i.payload.owner.eq(head.owner),
            answers.i.payload.last.eq(head.last),
            answers.i.payload.refused.eq(head.refused),
            *(fifo.o.ready.eq(take & head.owner[client]) for client, fifo in enumerate(beats)),
            axi.wvalid.eq(valid),
            axi.wdata.eq(beat.data),
            axi.wstrb.eq(beat.strobe),
            axi.wlast.eq(final),
        ]
        m.d.sync += self.moved.eq(valid & axi.wready)
        with m.If(take):
            m.d.sync += position.eq(Mux(last, 0, position + 1))
        with m.If(take & ~head.refused):
            m.d.sync += [valid.eq(1), final.eq(last), beat.as_value()[:half].eq(low)]
        with m.Elif(axi.wready):
            m.d.sync += valid.eq(0)
        with m.If(~valid | axi.wready):
            m.d.sync += beat.as_value()[half:].eq(high)

    def _respond(self, m: Module, answers: Fifo) -> None:
        """Collect the responses of each request."""
        head, axi = answers.o.payload, self.axi
        take, answer = Signal(), Signal(2)
        m.d.comb += [
            axi.bready.eq(answers.o.valid & ~head.refused),
            take.eq(answers.o.valid & (head.refused | axi.bvalid)),
            answers.o.ready.eq(take),
            answer.eq(Mux(head.refused, Answer.WINDOW, Mux(axi.bresp[1], axi.bresp, Answer.OK))),
        ]
        for client, port in enumerate(self.ports):
            self._done(m, port, take & head.owner[client], head.last, answer, client)

    def _done(self, m: Module, port: Any, take: Value, last: Value, answer: Signal, client: int) -> None:
        """Tell a client that a request is written, with the worst answer of its bursts."""
        worst, now = Signal(2, name=f"worst_{client}"), Signal(2, name=f"now_{client}")
        m.d.comb += now.eq(Mux(answer > worst, answer, worst))
        m.d.sync += port.done.valid.eq(take & last)
        with m.If(take):
            m.d.sync += [worst.eq(Mux(last, Answer.OK, now)), port.done.error.eq(now)]
