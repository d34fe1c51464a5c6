"""Flags: what goes with the operands of a row through the array."""

from __future__ import annotations

from amaranth.lib import data

from flightvgm_rtl.array.ports import Mode

Flags = data.StructLayout({"valid": 1, "mode": Mode, "first": 1, "last": 1})
"""Flags of a feed: ``first`` and ``last`` are those of its tile. Without ``valid`` the others count for nothing."""
