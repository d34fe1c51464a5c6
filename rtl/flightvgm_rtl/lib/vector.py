"""Vectors: arrays of equal elements that Verilog shows as one number."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Format, Value
from amaranth.lib import data


class Vector(data.ArrayLayout):
    """``length`` elements of one shape, the first in the lowest bits.

    An :class:`amaranth.lib.data.ArrayLayout` whose text in waveforms is one hexadecimal number; the original makes a
    wire of each element in each signal, which multiplies the emitted text.
    """

    def format(self, value: Any, spec: str) -> Format:
        """Show all elements as one number."""
        return Format("{:x}", Value.cast(value))
