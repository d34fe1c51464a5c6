"""Inner products of rows with those that they are compared with."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Mux, Signal, Value, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from flightvgm_rtl.lib.pipeline import delay, register
from flightvgm_rtl.lib.tree import tree, tree_latency
from flightvgm_rtl.sparsifier.alike import DOT_BITS, SQUARE_BITS
from flightvgm_rtl.sparsifier.ports import Info, quantised_group
from flightvgm_rtl.target.ram import Ram
from flightvgm_rtl.vector.flow import history

Sums = data.StructLayout(
    {"middle": signed(DOT_BITS), "reference": signed(DOT_BITS), "square": SQUARE_BITS, "info": Info}
)
"""Inner products of a row with its chunk's middle, with the same place of the reference plane, and with itself."""


class Dots(wiring.Component):
    """Keep the chunk's middle row and the rows of the reference plane, and multiply each row by them while it passes.

    ``lanes`` values a cycle, exact. A row that is itself the middle, or in the reference plane, has products without a
    meaning there.

    Parameters
    ----------
    lanes : int
        Values of a group.
    row_channels : int
        Most values of a row.
    reference_bytes : int
        Bytes of the memory of the reference plane.

    Members
    -------
    valid : In(1)
        A group passes.
    i : In(quantised_group(lanes))
    o_valid : Out(1)
        ``latency`` cycles behind the last group of a row.
    o : Out(Sums)
    """

    def __init__(self, *, lanes: int, row_channels: int, reference_bytes: int) -> None:
        self._lanes = lanes
        self._middle_words, self._reference_words = -(-row_channels // lanes), reference_bytes // lanes
        self.latency = 4 + tree_latency(lanes)
        super().__init__({"valid": In(1), "i": In(quantised_group(lanes)), "o_valid": Out(1), "o": Out(Sums)})

    def elaborate(self, _platform: Any) -> Module:
        """Look up both partners, multiply, add over lanes, add over groups."""
        m = Module()
        depth = 3 + tree_latency(self._lanes)
        group = Signal(self.i.shape(), reset_less=True)
        with m.If(self.valid):
            m.d.sync += group.eq(self.i)
        valid = history(m, self.valid, 1, "passes")
        middle, reference = self._partners(m, group, valid)
        own = register(m, group.values.as_value(), "own")
        first = delay(m, group.first, depth - 1, "first_group")
        ends = history(m, self.valid & self.i.last, depth, "row_ends")
        adds = history(m, self.valid, depth, "adds")
        totals = {}
        for name, other in (("middle", middle), ("reference", reference), ("square", own)):
            sums = self._products(m, own, other, name)
            total = Signal(signed(DOT_BITS), name=f"{name}_total", reset_less=True)
            with m.If(adds):
                m.d.sync += total.eq(Mux(first, 0, total) + sums)
            totals[name] = total
        m.d.comb += [
            self.o_valid.eq(history(m, ends, 1, "row_ended")),
            self.o.middle.eq(totals["middle"]),
            self.o.reference.eq(totals["reference"]),
            self.o.square.eq(totals["square"][:SQUARE_BITS]),
            self.o.info.eq(delay(m, group.info, depth, "info_ended")),
        ]
        return m

    def _partners(self, m: Module, group: Any, valid: Signal) -> tuple[Value, Value]:
        """Groups of the middle and of the reference row, a cycle later; a row of either kind is written instead."""
        width = 8 * self._lanes
        m.submodules.middle = middle = Ram(width=width, depth=max(2, self._middle_words))
        m.submodules.reference = reference = Ram(width=width, depth=self._reference_words)
        place, following = Signal(range(self._middle_words)), Signal(range(self._middle_words))
        slot, following_slot = Signal(range(self._reference_words)), Signal(range(self._reference_words))
        m.d.comb += [
            place.eq(Mux(group.first, 0, following)),
            slot.eq(Mux(group.first & (group.info.slot == 0), 0, following_slot)),
        ]
        with m.If(valid):
            m.d.sync += [following.eq(place + 1), following_slot.eq(slot + 1)]
        for memory, address, write in ((middle, place, group.info.middle), (reference, slot, group.info.hold)):
            m.d.comb += [
                memory.write_enable.eq(valid & write),
                memory.write_address.eq(address),
                memory.write_data.eq(group.values),
                memory.read_enable.eq(valid & ~write),
                memory.read_address.eq(address),
            ]
        return middle.read_data, reference.read_data

    def _products(self, m: Module, left: Value, right: Value, name: str) -> Value:
        """Sum over the lanes."""
        products = []
        for lane in range(self._lanes):
            part = slice(8 * lane, 8 * lane + 8)
            product = left[part].as_signed() * right[part].as_signed()
            products.append(register(m, product, f"{name}_{lane}"))
        return tree(m, products, name)
