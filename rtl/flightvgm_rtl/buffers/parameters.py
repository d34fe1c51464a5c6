"""Parameter buffer: copies of the FP32 parameters, one for each reader."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from flightvgm_rtl.buffers.ports import GRANULES, WORD_BITS, parameter_write
from flightvgm_rtl.target.ram import Ram

WORD_VALUES = 8  # FP32 values of a word.
WIDTHS = (4, 8, 16)


class ParameterCopy(wiring.Component):
    """Copy of the parameter buffer with one read port.

    All copies take each write in the same cycle, so that each holds the same. A read gives ``values``
    neighbouring FP32 values one cycle after its address, and holds them until the next read. Addresses count 16
    bytes where ``values`` is 4, and words of 32 bytes where it is 8 or 16; 16 values begin at any word, and the
    last word is followed by the first.

    Parameters
    ----------
    words : int
        Words of 32 bytes; an even number.
    values : int
        FP32 values of a read: 4, 8 or 16.

    Members
    -------
    write : In(parameter_write(words))
    read_enable, read_address : In
    read_data : Out(32 * values)
        The value at the lowest address in the lowest bits.
    """

    latency = 1

    def __init__(self, *, words: int, values: int = WORD_VALUES) -> None:
        if values not in WIDTHS:
            raise ValueError(f"a parameter buffer cannot give {values} values a cycle; use one of {WIDTHS}")
        if words % 2 or words < 4:
            raise ValueError(f"a parameter buffer of {words} words cannot be built; give an even number from 4 on")
        self._words, self._values = words, values
        places = words * 2 if values < WORD_VALUES else words
        super().__init__(
            {
                "write": In(parameter_write(words)),
                "read_enable": In(1),
                "read_address": In(range(places)),
                "read_data": Out(32 * values),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        """Place one memory, or two of the even and odd words."""
        m = Module()
        if self._values > WORD_VALUES:
            self._pair(m)
        else:
            self._single(m)
        return m

    def _single(self, m: Module) -> None:
        """One memory; of a word its half where half a word is wanted."""
        m.submodules.words = ram = Ram(width=WORD_BITS, depth=self._words, lanes=GRANULES)
        self._write(m, ram, self.write.valid, self.write.word)
        m.d.comb += ram.read_enable.eq(self.read_enable)
        if self._values == WORD_VALUES:
            m.d.comb += [ram.read_address.eq(self.read_address), self.read_data.eq(ram.read_data)]
            return
        upper = Signal(reset_less=True)
        with m.If(self.read_enable):
            m.d.sync += upper.eq(self.read_address[0])
        half = WORD_BITS // 2
        m.d.comb += [
            ram.read_address.eq(self.read_address[1:]),
            self.read_data.eq(Mux(upper, ram.read_data[half:], ram.read_data[:half])),
        ]

    def _pair(self, m: Module) -> None:
        """Memories of even and odd words, so that two neighbours come in a cycle."""
        odd_first = Signal(reset_less=True)
        with m.If(self.read_enable):
            m.d.sync += odd_first.eq(self.read_address[0])
        banks = [Ram(width=WORD_BITS, depth=self._words // 2, lanes=GRANULES) for _ in range(2)]
        m.submodules.even, m.submodules.odd = even, odd = banks
        for number, ram in enumerate(banks):
            mine = Signal(name=f"write_{number}")
            m.d.comb += [
                mine.eq(self.write.valid & (self.write.word[0] == number)),
                ram.read_enable.eq(self.read_enable),
            ]
            self._write(m, ram, mine, self.write.word[1:])
        above = Signal(len(even.read_address))
        m.d.comb += [
            above.eq(self.read_address[1:] + self.read_address[0]),
            even.read_address.eq(Mux(above == self._words // 2, 0, above)),
            odd.read_address.eq(self.read_address[1:]),
            self.read_data.eq(Mux(odd_first, Cat(odd.read_data, even.read_data), Cat(even.read_data, odd.read_data))),
        ]

    def _write(self, m: Module, ram: Ram, valid: Signal, word: Any) -> None:
        m.d.comb += [
            ram.write_enable.eq(Mux(valid, self.write.strobe, 0)),
            ram.write_address.eq(word),
            ram.write_data.eq(self.write.data),
        ]
