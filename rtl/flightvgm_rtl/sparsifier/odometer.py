"""Counters of the three axes, slot by slot."""

from typing import Any

from amaranth.hdl import Const, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from flightvgm_rtl.lib.vector import Vector
from flightvgm_rtl.sparsifier.ports import TOKEN_BITS
from flightvgm_rtl.sparsifier.site import EXTENT_BITS, Axes


class Odometer(wiring.Component):
    """Step through the indices of three slots, each a product of axes, without multiplication or division.

    Each axis has a digit and the share ``digit stride`` of the token number; an index of a slot goes up by one as in an
    odometer. Behind its last index a slot begins again at zero.

    Members
    -------
    axes : In(Axes)
        Hold from two cycles before ``clear`` on.
    clear : In(1)
        All indices become zero.
    step : In(3)
        For each slot: its index goes up by one.
    end : Out(3)
        For each slot: its index is the last one.
    value : Out(Vector(24, 3))
        For each slot: the share of the token number of its index.
    """

    def __init__(self) -> None:
        super().__init__(
            {
                "axes": In(Axes),
                "clear": In(1),
                "step": In(3),
                "end": Out(3),
                "value": Out(Vector(TOKEN_BITS, 3)),
            }
        )

    def elaborate(self, _platform: Any) -> Module:
        """Carry from the fastest axis of each slot to its slowest."""
        m = Module()
        lasts, shares, belongs = [], [], []
        for place in range(3):
            lasts.append(Signal(name=f"last_{place}"))
            shares.append(Signal(TOKEN_BITS, name=f"share_{place}", reset_less=True))
            belongs.append(Signal(3, name=f"belongs_{place}", reset_less=True))
            m.d.sync += [belongs[place][slot].eq(self.axes.slot[place] == slot) for slot in range(3)]
        for slot in range(3):
            rest = [lasts[place] | ~belongs[place][slot] for place in range(3)]
            terms = [Mux(belongs[place][slot], shares[place], 0) for place in range(3)]
            m.d.comb += [
                self.end[slot].eq(rest[0] & rest[1] & rest[2]),
                self.value[slot].eq((terms[0] + terms[1]) + terms[2]),
            ]
        for place in range(3):
            left = Signal(EXTENT_BITS, name=f"left_{place}", reset_less=True)  # Steps to the last digit.
            move = Signal(name=f"move_{place}")
            carries = Const(1, 1)
            for faster in range(place + 1, 3):
                other = Signal(name=f"other_{faster}_{place}", reset_less=True)
                m.d.sync += other.eq(self.axes.slot[faster] != self.axes.slot[place])
                carries &= lasts[faster] | other
            m.d.comb += move.eq((belongs[place] & self.step).any() & carries)
            with m.If(self.clear | (move & lasts[place])):
                m.d.sync += [
                    left.eq(self.axes.limit[place]),
                    lasts[place].eq(self.axes.limit[place] == 0),
                    shares[place].eq(0),
                ]
            with m.Elif(move):
                m.d.sync += [
                    left.eq(left - 1),
                    lasts[place].eq(left == 1),
                    shares[place].eq(shares[place] + self.axes.stride[place]),
                ]
        return m
