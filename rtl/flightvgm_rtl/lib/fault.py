"""Faults: what a unit reports when it cannot go on."""

from __future__ import annotations

from amaranth.lib import data

from flightvgm_arch.isa import REGISTER_BITS

Fault = data.StructLayout({"valid": 1, "code": 5, "pc": 24, "address": REGISTER_BITS})
"""A fault of a unit: its code is a :class:`flightvgm_arch.errors.ErrorCode`; ``valid`` stays until reset."""
