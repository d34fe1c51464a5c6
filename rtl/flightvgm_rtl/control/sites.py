"""Site slots of a core."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from flightvgm_arch.formats import THETA_BITS
from flightvgm_arch.isa import SITE_SLOTS
from flightvgm_arch.operations import BY_NAME
from flightvgm_rtl.control.commands import Word, raw, site
from flightvgm_rtl.control.operands import EXTENTS
from flightvgm_rtl.lib.vector import Vector
from flightvgm_rtl.target.ram import Ram

_AXES = 3


class SiteSlots(wiring.Component):
    """Hold what SITE described, by slot.

    Members
    -------
    word : In(Word)
    extents : In(Vector(24, EXTENTS))
        Those of the word, substituted.
    legal : Out(1)
        The word of the cycle before, a SITE, describes a grid: axes permuted in three slots, nothing zero, thresholds
        below 2^16.
    write : In(1)
        Fill the slot that the SITE names.
    read : In(1)
        Look up the slot that the word, a ROWS, names.
    site : Out(site())
        A cycle after ``read``; ``known`` is zero in a slot that was never filled.
    """

    def __init__(self) -> None:
        super().__init__(
            {
                "word": In(Word),
                "extents": In(Vector(24, EXTENTS)),
                "legal": Out(1),
                "write": In(1),
                "read": In(1),
                "site": Out(site()),
            }
        )

    def elaborate(self, _: Any) -> Module:
        """Check and keep a site, or look one up."""
        m = Module()
        layout, rows = raw(BY_NAME["SITE"]), raw(BY_NAME["ROWS"])
        fields = data.View(layout, self.word.body[: layout.size])
        slot = data.View(rows, self.word.body[: rows.size]).site
        content = Signal(site())
        known, found = Signal(SITE_SLOTS), Signal()
        for name in site().members:
            if name in layout.members and not name.startswith("theta"):
                m.d.comb += content[name].eq(fields[name])
        m.d.comb += [content.theta_group.eq(self.extents[0]), content.theta_chunk.eq(self.extents[1])]
        m.submodules.ram = ram = Ram(width=site().size, depth=SITE_SLOTS, style="distributed")
        m.d.comb += [
            ram.write_enable.eq(self.write),
            ram.write_address.eq(fields.slot),
            ram.write_data.eq(content),
            ram.read_enable.eq(self.read),
            ram.read_address.eq(slot),
            self.site.eq(ram.read_data),
            self.site.known.eq(found),
        ]
        m.d.sync += self.legal.eq(self._legal(m, content))
        with m.If(self.write):
            m.d.sync += known.bit_select(fields.slot, 1).eq(1)
        with m.If(self.read):
            m.d.sync += found.eq(known.bit_select(slot, 1))
        return m

    def _legal(self, m: Module, content: Any) -> Any:
        order = [content.order[2 * place : 2 * place + 2] for place in range(_AXES)]
        named = Signal(_AXES)
        m.d.comb += named.eq(Cat(Cat(axis == number for axis in order).any() for number in range(_AXES)))
        extents = ("t", "h", "w", "group", "chunk_rows", "chunk_columns")
        positive = Cat(content[name] != 0 for name in extents)
        small = Cat(content[name][THETA_BITS:] == 0 for name in ("theta_group", "theta_chunk"))
        slots = content.split[:2] + content.split[2:]
        return named.all() & positive.all() & small.all() & (slots <= _AXES)
