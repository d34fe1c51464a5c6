"""What read and write engines share: requests of several clients are checked and cut into bursts."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from flightvgm_rtl.dma.arbiter import RoundRobin
from flightvgm_rtl.dma.axi import BURST_BEATS
from flightvgm_rtl.dma.ports import ADDRESS_BITS, COUNT_BITS, Request
from flightvgm_rtl.dma.windows import WindowCheck, Windows
from flightvgm_rtl.lib.fifo import Fifo
from flightvgm_rtl.lib.reset import add_with_own_reset

BEAT_ADDRESS_BITS = ADDRESS_BITS - 5
_OFFSET_BITS = (BURST_BEATS - 1).bit_length()
_QUEUE = 8  # Checked requests of a client that wait to be cut.

Burst = data.StructLayout(
    {"beat": BEAT_ADDRESS_BITS, "length": range(BURST_BEATS + 1), "last": 1, "refused": 1},
)
"""A burst: the number of its first beat in memory, its beats, whether it ends a request, and whether windows refuse
it.
"""
_Checked = data.StructLayout({"beat": BEAT_ADDRESS_BITS, "further": COUNT_BITS, "refused": 1})


def choose(grant: Value, values: list[Any]) -> Value:
    """The value whose bit of ``grant`` is set, of which there is one at most."""
    bits = [Value.cast(value) for value in values]
    terms = [value & bit.replicate(len(value)) for value, bit in zip(bits, grant, strict=True)]
    while len(terms) > 1:
        pairs = [left | right for left, right in zip(terms[::2], terms[1::2], strict=False)]
        terms = pairs + terms[len(pairs) * 2 :]
    return terms[0]


class Cutter(wiring.Component):
    """Cut checked requests into bursts, one a cycle.

    A burst ends at the next multiple of ``BURST_BEATS`` beats, or where its request ends.

    Members
    -------
    i : In(stream.Signature)
        Checked requests; ``further`` beats follow the first one.
    o : Out(stream.Signature(Burst))
    """

    def __init__(self) -> None:
        super().__init__({"i": In(stream.Signature(_Checked)), "o": Out(stream.Signature(Burst))})

    def elaborate(self, platform: Any) -> Module:
        """Count the bursts that follow."""
        m = Module()
        active, refused, step, fits = Signal(), Signal(reset_less=True), Signal(), Signal()
        block = Signal(BEAT_ADDRESS_BITS - _OFFSET_BITS, reset_less=True)
        offset, end = Signal(_OFFSET_BITS, reset_less=True), Signal(_OFFSET_BITS, reset_less=True)
        follow = Signal(COUNT_BITS + 1 - _OFFSET_BITS, reset_less=True)  # Bursts behind this one.
        valid, burst, request = Signal(), Signal(Burst, reset_less=True), self.i.payload
        m.d.comb += [
            fits.eq(follow == 0),
            step.eq(active & (~valid | self.o.ready)),
            self.i.ready.eq(~active | (step & fits)),
            self.o.valid.eq(valid),
            self.o.payload.eq(burst),
        ]
        with m.If(step):
            m.d.sync += [
                valid.eq(1),
                burst.beat.eq(Cat(offset, block)),
                burst.length.eq(Mux(fits, end, BURST_BEATS - 1) - offset + 1),
                burst.last.eq(fits),
                burst.refused.eq(refused),
                block.eq(block + 1),
                offset.eq(0),
                follow.eq(follow - 1),
            ]
            with m.If(fits):
                m.d.sync += active.eq(0)
        with m.Elif(self.o.ready):
            m.d.sync += valid.eq(0)
        with m.If(self.i.valid & self.i.ready):
            m.d.sync += [
                active.eq(1),
                Cat(offset, block).eq(request.beat),
                Cat(end, follow).eq(request.beat[:_OFFSET_BITS] + request.further),
                refused.eq(request.refused),
            ]
        return m


class Bursts(wiring.Component):
    """Check the requests of clients against the windows, in turns, and cut them into bursts.

    A request is checked as a whole: all of its bursts are refused, or none. Requests of a client keep their order;
    up to eight wait, so that one client never holds up another. A request is taken every second cycle at best,
    every third of the same client; its first burst comes twelve cycles later. Bursts come one a cycle.

    Parameters
    ----------
    clients : int
    unchecked : collection of int
        Clients whose requests are never refused.
    short : bool
        A refused request gives one burst of one beat instead of all.

    Members
    -------
    windows : In(Windows)
    i : In(stream.Signature(Request)).array(clients)
    o : Out(stream.Signature(Burst)).array(clients)
    """

    def __init__(self, *, clients: int, unchecked: Collection[int] = (), short: bool = False) -> None:
        self._clients, self._unchecked, self._short = clients, frozenset(unchecked), short
        super().__init__(
            {
                "windows": In(Windows),
                "i": In(stream.Signature(Request)).array(clients),
                "o": Out(stream.Signature(Burst)).array(clients),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        """Choose a request, check it, and queue it at its client's cutter."""
        m = Module()
        m.submodules.arbiter = arbiter = RoundRobin(count=self._clients)
        m.submodules.check = check = WindowCheck()
        m.d.comb += [arbiter.enable.eq(1), check.windows.eq(self.windows)]
        chosen, owner = Signal(Request, reset_less=True), Signal(self._clients)
        m.d.sync += owner.eq(arbiter.grant)
        with m.If(arbiter.grant != 0):
            m.d.sync += chosen.eq(choose(arbiter.grant, [port.payload for port in self.i]))
        m.d.comb += check.request.eq(chosen)
        request = Signal(_Checked, name="request_0", reset_less=True)
        now = Signal.like(owner, name="owner_0")
        m.d.sync += [request.beat.eq(chosen.address[5:]), request.further.eq(chosen.beats - 1), now.eq(owner)]
        for stage in range(1, check.latency):
            later = Signal.like(request, name=f"request_{stage}"), Signal.like(owner, name=f"owner_{stage}")
            m.d.sync += [later[0].eq(request), later[1].eq(now)]
            request, now = later
        for client in range(self._clients):
            refused = Const(0, 1) if client in self._unchecked else check.refused
            self._client(m, client, arbiter, request, now[client], refused)
        return m

    def _client(self, m: Module, client: int, arbiter: RoundRobin, request: Any, valid: Value, refused: Value) -> None:
        """Queue and cutter of a client; a request begins its check only when there is a place for it."""
        queue, cutter = Fifo(_Checked, depth=_QUEUE, style="distributed"), Cutter()
        add_with_own_reset(m, f"queue_{client}", queue)
        m.submodules[f"cutter_{client}"] = cutter
        places = Signal(range(_QUEUE + 1), init=_QUEUE, name=f"places_{client}")
        taken, left = Signal(name=f"taken_{client}"), Signal(name=f"left_{client}")
        checked = queue.i.payload
        m.d.comb += [
            taken.eq(arbiter.grant[client]),
            left.eq(queue.o.valid & queue.o.ready),
            arbiter.wants[client].eq(self.i[client].valid & (places != 0)),
            self.i[client].ready.eq(taken),
            queue.i.valid.eq(valid),
            checked.beat.eq(request.beat),
            checked.further.eq(Mux(refused, 0, request.further) if self._short else request.further),
            checked.refused.eq(refused),
            cutter.i.valid.eq(queue.o.valid),
            cutter.i.payload.eq(queue.o.payload),
            queue.o.ready.eq(cutter.i.ready),
            self.o[client].valid.eq(cutter.o.valid),
            self.o[client].payload.eq(cutter.o.payload),
            cutter.o.ready.eq(self.o[client].ready),
        ]
        m.d.sync += places.eq(places - taken + left)
