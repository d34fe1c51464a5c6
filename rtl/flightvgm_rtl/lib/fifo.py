"""First-in first-out buffers between streams."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from flightvgm_rtl.target.ram import Ram


class Fifo(wiring.Component):
    """Buffer of ``depth`` transfers; one in and one out a cycle.

    A transfer that enters is at the output two cycles later at the earliest. ``level`` counts what is inside, and
    ``room`` what may still enter, so that a pipeline without back-pressure can be started only when there is room for
    what it will deliver.

    Parameters
    ----------
    shape : ShapeLike
        Shape of the payload.
    depth : int
        Transfers; a power of two of at least 4.
    style : str
        Memory style of :class:`flightvgm_rtl.target.ram.Ram`.

    Members
    -------
    i : In(stream.Signature(shape))
    o : Out(stream.Signature(shape))
    level, room : Out
        Transfers inside, and free places.
    """

    def __init__(self, shape: Any, *, depth: int, style: str = "auto") -> None:
        if depth < 4 or depth & depth - 1:
            raise ValueError(f"a FIFO of {depth} places cannot be built; give a power of two of at least 4")
        self.depth = depth
        self._shape = shape
        self._style = style
        super().__init__(
            {
                "i": In(stream.Signature(shape)),
                "o": Out(stream.Signature(shape)),
                "level": Out(range(depth + 1)),
                "room": Out(range(depth + 1)),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        """Keep transfers in a memory, and read ahead into an output register."""
        m = Module()
        width = len(self.i.p.as_value()) if hasattr(self.i.p, "as_value") else len(self.i.p)
        m.submodules.ram = ram = Ram(width=width, depth=self.depth, lanes=1, style=self._style)
        write, read = Signal(range(self.depth)), Signal(range(self.depth))
        stored = Signal(range(self.depth + 1))  # Transfers in the memory that have not been read.
        push, pop, fetch = Signal(), Signal(), Signal()
        fetched = Signal()  # The memory's output register holds the next transfer.
        m.d.comb += [
            self.i.ready.eq(self.level != self.depth),
            push.eq(self.i.valid & self.i.ready),
            pop.eq(self.o.valid & self.o.ready),
            fetch.eq((stored != 0) & (~fetched | pop)),
            ram.write_enable.eq(push),
            ram.write_address.eq(write),
            ram.write_data.eq(self.i.p),
            ram.read_enable.eq(fetch),
            ram.read_address.eq(read),
            self.o.valid.eq(fetched),
            self.o.p.eq(ram.read_data),
            self.room.eq(self.depth - self.level),
        ]
        m.d.sync += [
            self.level.eq(self.level + push - pop),
            stored.eq(stored + push - fetch),
            fetched.eq(Mux(fetch, 1, Mux(pop, 0, fetched))),
        ]
        with m.If(push):
            m.d.sync += write.eq(write + 1)
        with m.If(fetch):
            m.d.sync += read.eq(read + 1)
        return m
