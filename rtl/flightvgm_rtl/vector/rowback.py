"""The second half of the row unit: norm, modulation and quantisation."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from flightvgm_rtl.buffers.ports import parameter_write
from flightvgm_rtl.lib.reset import add_with_own_reset
from flightvgm_rtl.sparsifier.ports import QuantisedRow, Token, quantised_group
from flightvgm_rtl.vector.flow import group
from flightvgm_rtl.vector.modulate import Modulate, modulate_job
from flightvgm_rtl.vector.moments import Moments, NormJob
from flightvgm_rtl.vector.quantise import Quantise
from flightvgm_rtl.vector.rowstore import RowStore


class RowBack(wiring.Component):
    """Rows of FP16 values to INT8: LayerNorm and modulation where they are wanted, rounding, quantisation.

    A row passes three FIFOs: it waits for its largest exponent, for its sums, and for its largest magnitude. ``lanes``
    values go a cycle.

    Parameters
    ----------
    lanes : int
        Values a cycle: 4, 8 or 16.
    channels : int
        Most values of a row.
    words : int
        Words of 32 bytes of the parameter buffer.

    Members
    -------
    parameters : In(parameter_write(words))
    norm_jobs, modulate_jobs : In twice
        Of the instructions in each slot.
    i : In(stream.Signature(group(lanes)))
        Rows.
    i_token : In(stream.Signature(Token))
        Of each row.
    o_values, o_row : Out(stream.Signature)
        As of :class:`flightvgm_rtl.vector.quantise.Quantise`.
    saturated, beyond : Out
        As of :class:`flightvgm_rtl.vector.modulate.Modulate`.
    """

    def __init__(self, *, lanes: int, channels: int, words: int) -> None:
        self._lanes = lanes
        self._words = words
        # Two of the longest rows, and no less than the groups that are under way in the longest pipeline.
        self._depth = max(64, 1 << (2 * -(-channels // lanes) - 1).bit_length())
        super().__init__(
            {
                "parameters": In(parameter_write(words)),
                "norm_jobs": In(NormJob).array(2),
                "modulate_jobs": In(modulate_job(words, lanes)).array(2),
                "i": In(stream.Signature(group(lanes))),
                "i_token": In(stream.Signature(Token)),
                "o_values": Out(stream.Signature(quantised_group(lanes))),
                "o_row": Out(stream.Signature(QuantisedRow)),
                "saturated": Out(range(lanes + 1)),
                "beyond": Out(1),
            }
        )

    def elaborate(self, _platform: Any) -> Module:
        """Wire the stages."""
        m = Module()
        lanes, depth = self._lanes, self._depth
        rows = RowStore(lanes=lanes, depth=depth)
        add_with_own_reset(m, "rows", rows)
        moments = Moments(lanes=lanes, depth=depth)
        add_with_own_reset(m, "moments", moments)
        modulate = Modulate(lanes=lanes, words=self._words)
        add_with_own_reset(m, "modulate", modulate)
        results = RowStore(lanes=lanes, depth=depth)
        add_with_own_reset(m, "results", results)
        quantise = Quantise(lanes=lanes)
        add_with_own_reset(m, "quantise", quantise)
        go = Signal()
        m.d.comb += [
            self.i.ready.eq(rows.room),
            go.eq(self.i.valid & rows.room),
            rows.set_out.eq(go),
            rows.set_out_last.eq(go & self.i.p.last),
            rows.i_valid.eq(go),
            rows.i.eq(self.i.p),
        ]
        wiring.connect(m, rows.o, moments.i)
        wiring.connect(m, rows.o_row, moments.i_row)
        wiring.connect(m, moments.o, modulate.i)
        wiring.connect(m, moments.o_row, modulate.i_row)
        wiring.connect(m, results.o, quantise.i)
        wiring.connect(m, wiring.flipped(self.i_token), quantise.i_token)
        wiring.connect(m, quantise.o_values, wiring.flipped(self.o_values))
        wiring.connect(m, quantise.o_row, wiring.flipped(self.o_row))
        m.d.comb += [
            quantise.i_maximum.valid.eq(results.o_row.valid),
            quantise.i_maximum.payload.eq(results.o_row.p.magnitude),
            results.o_row.ready.eq(quantise.i_maximum.ready),
            modulate.parameters.eq(self.parameters),
            modulate.room.eq(results.room),
            results.set_out.eq(modulate.set_out),
            results.set_out_last.eq(modulate.set_out_last),
            results.i_valid.eq(modulate.o_valid),
            results.i.eq(modulate.o),
            self.saturated.eq(modulate.saturated),
            self.beyond.eq(modulate.beyond),
            *(moments.jobs[slot].eq(self.norm_jobs[slot]) for slot in range(2)),
            *(modulate.jobs[slot].eq(self.modulate_jobs[slot]) for slot in range(2)),
        ]
        return m
