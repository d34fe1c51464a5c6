"""Softmax."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from flightvgm_rtl.array.ports import drained
from flightvgm_rtl.array.sequencer_dispatch import Item
from flightvgm_rtl.buffers.bank import ProbabilityEntry, probability_write
from flightvgm_rtl.vector.epilogue import ReciprocalWrite


class Softmax(wiring.Component):
    """Stub."""

    def __init__(self, *, rows: int, columns: int, segments: int, keys: int, lanes: int) -> None:
        words = -(-keys // 16)
        super().__init__(
            {
                "i": In(drained()).array(rows, segments),
                "item": In(Item),
                "scores_free": Out(1),
                "p_ready": Out(1),
                "p_free": In(1),
                "p": Out(probability_write(words)).array(rows),
                "p_entry": Out(ProbabilityEntry).array(rows),
                "reciprocal": Out(ReciprocalWrite).array(rows),
            }
        )

    def elaborate(self, _platform: Any) -> Module:
        """Stub."""
        return Module()
