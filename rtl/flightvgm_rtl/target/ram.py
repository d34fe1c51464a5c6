"""Memories: one write and one read port, or two ports of which one reads and writes.

In Amaranth's simulator they are :class:`amaranth.lib.memory.Memory`; emitted, they are instances of the modules of
``ram.v``, from which Vivado infers LUT RAM, block RAM or URAM (# Ref: UG901, RAM inference) and which every simulator
runs. A memory written out word by word would take minutes to emit.
"""

from __future__ import annotations

from typing import Any

from amaranth.hdl import ClockSignal, Instance, Module
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out

STYLES = ("auto", "distributed", "block", "ultra")


def _check(width: int, depth: int, lanes: int, style: str) -> None:
    if width % lanes or depth < 2:
        raise ValueError(f"a memory of {depth} words of {width} bits cannot have {lanes} write lanes; match them")
    if style not in STYLES:
        raise ValueError(f"there is no memory style '{style}'; use one of {STYLES}")


class Ram(wiring.Component):
    """Memory with a write port and a read port.

    A read takes one cycle; ``read_data`` holds its value until the next read. A read in the cycle of a write to the
    same address gives the old word. Contents are zero in simulation at power on, and survive reset.

    Parameters
    ----------
    width, depth : int
        Bits of a word, and words.
    lanes : int
        Parts of a word that are written on their own.
    style : str
        One of :data:`STYLES`.

    Members
    -------
    write_enable : In(lanes)
    write_address, write_data : In
    read_enable, read_address : In
    read_data : Out(width)
    """

    latency = 1

    def __init__(self, *, width: int, depth: int, lanes: int = 1, style: str = "auto") -> None:
        _check(width, depth, lanes, style)
        self._width, self._depth, self._lanes, self._style = width, depth, lanes, style
        super().__init__(
            {
                "write_enable": In(lanes),
                "write_address": In(range(depth)),
                "write_data": In(width),
                "read_enable": In(1),
                "read_address": In(range(depth)),
                "read_data": Out(width),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        """Place the memory, or an instance of it."""
        m = Module()
        if hasattr(platform, "unit"):
            m.submodules.ram = Instance(
                "flightvgm_ram",
                **_parameters(self._width, self._depth, self._lanes, self._style),
                i_clk=ClockSignal(),
                i_write_enable=self.write_enable,
                i_write_address=self.write_address,
                i_write_data=self.write_data,
                i_read_enable=self.read_enable,
                i_read_address=self.read_address,
                o_read_data=self.read_data,
            )
            return m
        m.submodules.ram = ram = memory.Memory(shape=self._width, depth=self._depth, init=[])
        write, read = ram.write_port(granularity=self._width // self._lanes), ram.read_port()
        m.d.comb += [
            write.en.eq(self.write_enable),
            write.addr.eq(self.write_address),
            write.data.eq(self.write_data),
            read.en.eq(self.read_enable),
            read.addr.eq(self.read_address),
            self.read_data.eq(read.data),
        ]
        return m


class RamRW(wiring.Component):
    """Memory with a port that reads and writes, and one that reads.

    A read takes one cycle, and its data holds until the next read of the port. The first port must not read and write
    in one cycle. A read of the second port in the cycle of a write to the same address gives the old word.

    Parameters
    ----------
    width, depth, lanes, style :
        As for :class:`Ram`.

    Members
    -------
    address : In
    write_enable : In(lanes)
    write_data : In(width)
    back_enable : In(1)
    back_data : Out(width)
        What the first port reads.
    read_enable, read_address : In
    read_data : Out(width)
        What the second port reads.
    """

    latency = 1

    def __init__(self, *, width: int, depth: int, lanes: int = 1, style: str = "auto") -> None:
        _check(width, depth, lanes, style)
        self._width, self._depth, self._lanes, self._style = width, depth, lanes, style
        super().__init__(
            {
                "address": In(range(depth)),
                "write_enable": In(lanes),
                "write_data": In(width),
                "back_enable": In(1),
                "back_data": Out(width),
                "read_enable": In(1),
                "read_address": In(range(depth)),
                "read_data": Out(width),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        """Place the memory, or an instance of it."""
        m = Module()
        if hasattr(platform, "unit"):
            m.submodules.ram = Instance(
                "flightvgm_ram_rw",
                **_parameters(self._width, self._depth, self._lanes, self._style),
                i_clk=ClockSignal(),
                i_address=self.address,
                i_write_enable=self.write_enable,
                i_write_data=self.write_data,
                i_back_enable=self.back_enable,
                o_back_data=self.back_data,
                i_read_enable=self.read_enable,
                i_read_address=self.read_address,
                o_read_data=self.read_data,
            )
            return m
        m.submodules.ram = ram = memory.Memory(shape=self._width, depth=self._depth, init=[])
        write, back, read = ram.write_port(granularity=self._width // self._lanes), ram.read_port(), ram.read_port()
        m.d.comb += [
            write.en.eq(self.write_enable),
            write.addr.eq(self.address),
            write.data.eq(self.write_data),
            back.en.eq(self.back_enable),
            back.addr.eq(self.address),
            self.back_data.eq(back.data),
            read.en.eq(self.read_enable),
            read.addr.eq(self.read_address),
            self.read_data.eq(read.data),
        ]
        return m


def _parameters(width: int, depth: int, lanes: int, style: str) -> dict[str, Any]:
    return {
        "p_WIDTH": width,
        "p_DEPTH": depth,
        "p_LANES": lanes,
        "p_ADDRESS": (depth - 1).bit_length(),
        "p_STYLE": style,
    }
