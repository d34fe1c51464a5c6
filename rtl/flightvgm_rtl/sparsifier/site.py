"""Preparation of a walk: checks of a site, and the strides of its axes."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Array, Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from flightvgm_arch.formats import THETA_BITS
from flightvgm_rtl.control.commands import site
from flightvgm_rtl.lib.vector import Vector
from flightvgm_rtl.sparsifier.ports import SLOT_BITS, TOKEN_BITS

EXTENT_BITS = 13
WIDTH_BITS = 15
_MOST = SLOT_BITS + 1  # Products saturate at so many bits, beyond any reference memory.

Axes = data.StructLayout(
    {
        "limit": Vector(EXTENT_BITS, 3),
        "stride": Vector(TOKEN_BITS, 3),
        "slot": Vector(2, 3),
    }
)
"""The three axes, slowest first: extent less one, distance of token numbers, and slot: 0 group, 1 row, 2 column."""


class SiteCheck(wiring.Component):
    """Check a site, and order its axes.

    Refused are a slot that was never described, an order or split that names no three slots, extents, groups and chunks
    of zero, thresholds of 1 or more, and a reference plane whose rows in a band, each rounded up to 32 bytes, do not
    fit the reference memory. Products go through one multiplier, one after another, saturated.

    Parameters
    ----------
    reference_words : int
        Words of 32 bytes of the reference memory.

    Members
    -------
    start : In(1)
        Pulse; ``site`` and ``width`` hold until ``done``.
    site : In(site())
    width : In(15)
        Channels of a row.
    done : Out(1)
        Pulse, some 20 cycles later.
    refused : Out(1)
        With ``done``: the site is malformed, or too large.
    axes : Out(Axes)
        Holds from ``done`` on, while ``site`` holds.
    """

    def __init__(self, *, reference_words: int) -> None:
        self._words = reference_words
        super().__init__(
            {
                "start": In(1),
                "site": In(site()),
                "width": In(WIDTH_BITS),
                "done": Out(1),
                "refused": Out(1),
                "axes": Out(Axes),
            }
        )

    def elaborate(self, _platform: Any) -> Module:
        """Six products of three cycles each; then the verdict."""
        m = Module()
        malformed = Signal(reset_less=True)
        m.d.sync += malformed.eq(self._malformed(m))
        step, phase = Signal(range(8)), Signal(range(3))
        result = self._multiply(m, step, phase)
        with m.If(self.start):
            m.d.sync += [step.eq(1), phase.eq(0)]
        with m.Elif(step != 0):
            m.d.sync += phase.eq(Mux(phase == 2, 0, phase + 1))
            with m.If(phase == 2):
                m.d.sync += step.eq(step + 1)  # Seven wraps to rest.
        grouped = (self.site.group > 1) & (result["planes"] > 1)
        m.d.sync += [
            self.done.eq((step == 7) & (phase == 2)),
            self.refused.eq(malformed | (grouped & (result["tokens"] > self._words))),
        ]
        return m

    def _malformed(self, m: Module) -> Any:
        """Conditions that need no product."""
        order, split = self.site.order, self.site.split
        places = [Signal(2, name=f"place_{place}") for place in range(3)]
        m.d.comb += [places[place].eq(order[2 * place : 2 * place + 2]) for place in range(3)]
        same = (places[0] == places[1]) | (places[0] == places[2]) | (places[1] == places[2])
        foreign = (places[0] == 3) | (places[1] == 3) | (places[2] == 3)
        empty = (self.site.t == 0) | (self.site.h == 0) | (self.site.w == 0)
        nothing = (self.site.group == 0) | (self.site.chunk_rows == 0) | (self.site.chunk_columns == 0)
        beyond = self.site.theta_group[THETA_BITS:].any() | self.site.theta_chunk[THETA_BITS:].any()
        wrong = Signal(4, reset_less=True)
        m.d.sync += [
            wrong[0].eq(~self.site.known | same | foreign),
            wrong[1].eq(split[:2] + split[2:] > 3),
            wrong[2].eq(empty | nothing),
            wrong[3].eq(beyond),
        ]
        return wrong.any()

    def _multiply(self, m: Module, step: Signal, phase: Signal) -> dict[str, Signal]:
        """Products, a step each: h w; extents of the slots, axis by axis; tokens of a reference plane; its words."""
        slots = [Signal(_MOST, name=f"extent_{slot}", reset_less=True) for slot in range(3)]
        tokens, plane = Signal(_MOST, reset_less=True), Signal(TOKEN_BITS, reset_less=True)
        left, right = Signal(_MOST, reset_less=True), Signal(EXTENT_BITS, reset_less=True)
        product = Signal(_MOST + EXTENT_BITS, reset_less=True)
        saturated = Signal(_MOST)
        beats, high = Signal(WIDTH_BITS - 4), Signal(4)
        m.d.comb += [
            saturated.eq(Mux(product[_MOST:].any(), (1 << _MOST) - 1, product[:_MOST])),
            beats.eq((self.width + 31)[5:]),
            high.eq(Mux(slots[1] < self.site.chunk_rows, slots[1][:4], self.site.chunk_rows)),
        ]
        m.d.sync += product.eq(left * right)
        axes = Signal(Axes, reset_less=True)
        m.d.comb += self.axes.eq(axes)
        places = [self._place(m, place, plane, axes) for place in range(3)]
        with m.Switch(step):
            with m.Case(1):
                m.d.sync += [left.eq(self.site.h), right.eq(self.site.w), plane.eq(product)]
                m.d.sync += [slot.eq(1) for slot in slots]
            for place, (slot, axis) in enumerate(places):
                with m.Case(2 + place):
                    m.d.sync += [left.eq(Array(slots)[slot]), right.eq(axis)]
                    with m.If(phase == 2):
                        m.d.sync += Array(slots)[slot].eq(saturated)
            with m.Case(5):
                m.d.sync += [left.eq(slots[2]), right.eq(high), tokens.eq(saturated)]
            with m.Case(6):
                m.d.sync += [left.eq(tokens), right.eq(beats)]
                with m.If(phase == 2):
                    m.d.sync += tokens.eq(saturated)
        return {"planes": slots[0], "tokens": tokens}

    def _place(self, m: Module, place: int, plane: Signal, axes: Any) -> tuple[Signal, Signal]:
        """Slot and extent of an axis, in registers; its limit and stride."""
        axis = Signal(2, name=f"axis_{place}")
        slot = Signal(2, name=f"slot_{place}", reset_less=True)
        extent = Signal(EXTENT_BITS, name=f"size_{place}", reset_less=True)
        stride = Signal(TOKEN_BITS, name=f"stride_{place}")
        split = self.site.split
        m.d.comb += axis.eq(self.site.order[2 * place : 2 * place + 2])
        m.d.sync += [
            slot.eq(Mux(place < split[:2], 0, Mux(place < split[:2] + split[2:], 1, 2))),
            extent.eq(Mux(axis == 0, self.site.t, Mux(axis == 1, self.site.h, self.site.w))),
        ]
        m.d.comb += stride.eq(Mux(axis == 0, plane, Mux(axis == 1, self.site.w, 1)))
        m.d.sync += [
            axes.limit[place].eq(extent - 1),
            axes.stride[place].eq(stride),
            axes.slot[place].eq(slot),
        ]
        return slot, extent
