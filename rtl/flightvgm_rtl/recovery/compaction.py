"""The sparsifier as the row unit sees it: tokens before the rows, compaction behind them."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from flightvgm_rtl.buffers.ports import operand_write
from flightvgm_rtl.control.commands import Increment, command
from flightvgm_rtl.control.ports import CountWrite
from flightvgm_rtl.dma.ports import WritePort
from flightvgm_rtl.lib.fault import Fault
from flightvgm_rtl.lib.reset import add_with_own_reset
from flightvgm_rtl.recovery.emit import Emit
from flightvgm_rtl.sparsifier.ports import QuantisedRow, Token, quantised_group
from flightvgm_rtl.sparsifier.walk import TokenWalk


class Compaction(wiring.Component):
    """Walk, comparison and emission on one stream of instructions.

    :class:`~flightvgm_rtl.sparsifier.walk.TokenWalk` gives the tokens, :class:`~flightvgm_rtl.recovery.emit.Emit` takes
    their rows. An instruction is taken when both are ready for it.

    Parameters
    ----------
    lanes, row_channels, reference_bytes, rows, a_words : int
        As for ``Emit``.

    Members
    -------
    i : In(stream.Signature(command("rows")))
    o_token : Out(stream.Signature(Token))
    fault : Out(Fault)
        Of the two the first one, and the walk's if both come at once.
    i_values, i_row, records, map, a, count, post, done, active
        Those of ``Emit``.
    """

    def __init__(self, *, lanes: int, row_channels: int, reference_bytes: int, rows: int, a_words: int) -> None:
        self._walk = TokenWalk(reference_bytes=reference_bytes)
        self._emit = Emit(
            lanes=lanes, row_channels=row_channels, reference_bytes=reference_bytes, rows=rows, a_words=a_words
        )
        super().__init__(
            {
                "i": In(stream.Signature(command("rows"))),
                "o_token": Out(stream.Signature(Token)),
                "i_values": In(stream.Signature(quantised_group(lanes))),
                "i_row": In(stream.Signature(QuantisedRow)),
                "records": Out(WritePort()),
                "map": Out(WritePort()),
                "a": Out(stream.Signature(operand_write(rows, a_words))),
                "count": Out(CountWrite),
                "post": Out(stream.Signature(Increment)),
                "done": Out(1),
                "fault": Out(Fault),
                "active": Out(1),
            }
        )

    def elaborate(self, _platform: Any) -> Module:
        """Fork instructions; hold the first fault."""
        m = Module()
        walk, emit = self._walk, self._emit
        add_with_own_reset(m, "walk", walk)
        m.submodules.emit = emit
        wiring.connect(m, walk.o, wiring.flipped(self.o_token))
        for name in ("i_values", "i_row", "records", "map", "a", "post"):
            wiring.connect(m, getattr(emit, name), wiring.flipped(getattr(self, name)))
        m.d.comb += [
            walk.i.p.eq(self.i.p),
            emit.i.p.eq(self.i.p),
            walk.i.valid.eq(self.i.valid & emit.i.ready),
            emit.i.valid.eq(self.i.valid & walk.i.ready),
            self.i.ready.eq(walk.i.ready & emit.i.ready),
            self.count.eq(emit.count),
            self.done.eq(emit.done),
            self.active.eq(emit.active),
        ]
        fault, valid = Signal(Fault, reset_less=True), Signal()
        m.d.comb += [self.fault.eq(fault), self.fault.valid.eq(valid)]
        with m.If(~valid):
            m.d.sync += [valid.eq(walk.fault.valid | emit.fault.valid), fault.eq(emit.fault)]
            with m.If(walk.fault.valid):
                m.d.sync += fault.eq(walk.fault)
        return m
