"""Registers of a core, and their substitution in an instruction."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from flightvgm_arch.isa import ALIGNMENT, OPCODE_BITS, REGISTER_BITS, REGISTERS
from flightvgm_arch.operations import BY_NAME, EXTENT_BITS, OPERATIONS, Field, Operation
from flightvgm_rtl.control.commands import Word, raw
from flightvgm_rtl.lib.vector import Vector
from flightvgm_rtl.target.ram import Ram

_NUMBER_BITS = (REGISTERS - 1).bit_length()
_HALF = REGISTER_BITS // 2
_ALIGN_BITS = (ALIGNMENT - 1).bit_length()

RegisterWrite = data.StructLayout({"valid": 1, "number": _NUMBER_BITS, "value": REGISTER_BITS})


def of_kind(operation: Operation, kind: str) -> list[Field]:
    """Fields of a kind, in order."""
    return [item for item in operation.fields if item.kind == kind]


ADDRESSES = max(len(of_kind(operation, "address")) for operation in OPERATIONS)
EXTENTS = max(len(of_kind(operation, "extent")) for operation in OPERATIONS)


class Operands(wiring.Component):
    """Hold the 32 registers, and substitute them in all operands of a word at once.

    Address j of the operation is ``addresses[j] = register + offset``; a sum beyond 40 bits gives the last multiple of
    32 below, which no run of bytes may pass. Extent j is ``extents[j]``; ``beyond`` tells that a register did not fit
    one. Front-end arithmetic comes as ``addresses[0]``, modulo 2^40: the immediate of SET, ``rs + value`` of ADD,
    ``rd - 1`` of LOOP. Results hold for the word from ``latency`` cycles after ``start`` on, until the next start;
    ``word`` must stay. A write counts for a start of a later cycle. r0 must be written zero once.

    Members
    -------
    word : In(Word)
    start : In(1)
    write : In(RegisterWrite)
    addresses : Out(Vector(40, ADDRESSES))
    positive : Out(1)
        ``addresses[0]`` of the cycle before is not zero.
    extents : Out(Vector(24, EXTENTS))
    beyond : Out(1)
    """

    latency = 3

    def __init__(self) -> None:
        super().__init__(
            {
                "word": In(Word),
                "start": In(1),
                "write": In(RegisterWrite),
                "addresses": Out(Vector(REGISTER_BITS, ADDRESSES)),
                "positive": Out(1),
                "extents": Out(Vector(EXTENT_BITS, EXTENTS)),
                "beyond": Out(1),
            }
        )

    def elaborate(self, _: Any) -> Module:
        """A copy of the registers for each operand: read, add low halves, add high halves."""
        m = Module()
        # What is added is chosen a cycle after the register that it is added to.
        late = Signal(OPCODE_BITS, attrs={"keep": "true"}, reset_less=True)
        m.d.sync += late.eq(self.word.header.opcode)
        for lane in range(ADDRESSES):
            self._address(m, lane, late)
        beyond = [self._extent(m, lane) for lane in range(EXTENTS)]
        m.d.sync += [self.beyond.eq(Cat(*beyond).any()), self.positive.eq(self.addresses[0].any())]
        return m

    def _field(self, operation: Operation, name: str) -> Any:
        place = raw(operation)[name]
        return self.word.body[place.offset : place.offset + place.width]

    def _read(self, m: Module, name: str, number: Signal) -> Any:
        """Content of a register, a cycle after the start."""
        m.submodules[name] = ram = Ram(width=REGISTER_BITS, depth=REGISTERS, style="distributed")
        m.d.comb += [
            ram.write_enable.eq(self.write.valid),
            ram.write_address.eq(self.write.number),
            ram.write_data.eq(self.write.value),
            ram.read_enable.eq(self.start),
            ram.read_address.eq(number),
        ]
        return ram.read_data

    def _address(self, m: Module, lane: int, late: Signal) -> None:
        number = Signal(_NUMBER_BITS, name=f"base_{lane}")
        offset = Signal(REGISTER_BITS, name=f"offset_{lane}")
        wraps = Signal(name=f"wraps_{lane}")
        named = [(operation, of_kind(operation, "address")) for operation in OPERATIONS]
        values = [
            (operation, self._field(operation, fields[lane].name)) for operation, fields in named if lane < len(fields)
        ]
        with m.Switch(self.word.header.opcode):
            for operation, value in values:
                with m.Case(operation.opcode):
                    m.d.comb += number.eq(value[:_NUMBER_BITS])
            for operation, register, _ in self._arithmetic() if lane == 0 else ():
                with m.Case(operation.opcode):
                    m.d.comb += number.eq(register)
        with m.Switch(late):
            for operation, value in values:
                with m.Case(operation.opcode):
                    m.d.comb += offset.eq(value[_NUMBER_BITS:] << _ALIGN_BITS)
            for operation, _, value in self._arithmetic() if lane == 0 else ():
                with m.Case(operation.opcode):
                    m.d.comb += [offset.eq(value), wraps.eq(1)]
        base = self._read(m, f"registers_{lane}", number)
        self._add(m, lane, base, offset, wraps)

    def _add(self, m: Module, lane: int, base: Any, offset: Signal, wraps: Signal) -> None:
        """Low halves, then high halves."""
        low = Signal(_HALF + 1, name=f"low_{lane}", reset_less=True)
        high = Signal(_HALF + 1, name=f"high_{lane}")
        over = Signal(name=f"over_{lane}")
        m.d.sync += low.eq(base[:_HALF] + offset[:_HALF])
        m.d.comb += [
            high.eq(base[_HALF:] + offset[_HALF:] + low[_HALF]),
            over.eq(high[_HALF] & ~wraps),
        ]
        last, address = (1 << REGISTER_BITS) - ALIGNMENT, Signal(REGISTER_BITS, name=f"address_{lane}", reset_less=True)
        m.d.sync += address.eq(Mux(over, last, Cat(low[:_HALF], high[:_HALF])))
        m.d.comb += self.addresses[lane].eq(address)

    def _arithmetic(self) -> tuple[tuple[Operation, Any, Any], ...]:
        """Operations of the front end that give a value: the register to read, and what is added."""
        add, loop = BY_NAME["ADD"], BY_NAME["LOOP"]
        return (
            (BY_NAME["SET"], 0, self._field(BY_NAME["SET"], "value")),
            (add, self._field(add, "rs"), self._field(add, "value")),
            (loop, self._field(loop, "rd"), (1 << REGISTER_BITS) - 1),
        )

    def _extent(self, m: Module, lane: int) -> Signal:
        given = Signal(EXTENT_BITS + 1, name=f"given_{lane}")
        with m.Switch(self.word.header.opcode):
            for operation in OPERATIONS:
                fields = of_kind(operation, "extent")
                if lane < len(fields):
                    with m.Case(operation.opcode):
                        m.d.comb += given.eq(self._field(operation, fields[lane].name))
        content = self._read(m, f"extent_registers_{lane}", given[:_NUMBER_BITS])
        value = Signal(EXTENT_BITS, name=f"value_{lane}", reset_less=True)
        extent = Signal(EXTENT_BITS, name=f"extent_{lane}", reset_less=True)
        beyond = Signal(name=f"beyond_{lane}", reset_less=True)
        named = given[EXTENT_BITS]
        m.d.sync += [
            value.eq(Mux(named, content[:EXTENT_BITS], given[:EXTENT_BITS])),
            beyond.eq(named & content[EXTENT_BITS:].any()),
            extent.eq(value),
        ]
        m.d.comb += self.extents[lane].eq(extent)
        return beyond
