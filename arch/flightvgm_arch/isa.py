"""The instruction set: encoder, decoder and disassembler of the instructions of :mod:`flightvgm_arch.operations`.

An instruction is 512 bits. Its header holds the opcode, ten flags, two waits and two signals; its body holds the
fields of its operation in order, least significant bit first; what remains is zero, and the decoder checks it.

Waits and signals
    A wait ``(semaphore, count)`` blocks until the semaphore is at least ``count`` and subtracts it; a signal adds.
    A count of zero means none. Signals happen when the instruction has completed: for a store after its last write
    response. An instruction whose extent is zero does nothing but wait and signal.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from operator import index
from typing import NamedTuple

from flightvgm_arch.operations import (
    BODY_BITS,
    BY_NAME,
    BY_OPCODE,
    EXTENT_BITS,
    FLAG_BITS,
    HEADER_BITS,
    OFFSET_BITS,
    OPCODE_BITS,
    OPERATIONS,
    QUEUES,
    WORD_BYTES,
    Field,
    Operation,
)

__all__ = [
    "ALIGNMENT",
    "BODY_BITS",
    "BY_NAME",
    "BY_OPCODE",
    "COUNTERS",
    "EXTENT_BITS",
    "FLAG_BITS",
    "HEADER_BITS",
    "LOOP_WORDS",
    "OFFSET_BITS",
    "OPCODE_BITS",
    "OPERATIONS",
    "POOLS",
    "QUEUES",
    "QUEUE_DEPTH",
    "REGISTERS",
    "REGISTER_BITS",
    "SEMAPHORES",
    "SEMAPHORE_LIMIT",
    "SITE_SLOTS",
    "WORD_BYTES",
    "Address",
    "EncodingError",
    "Event",
    "Field",
    "Instruction",
    "Operand",
    "Operation",
    "Reg",
    "decode",
    "disassemble",
    "encode",
    "instructions",
]

QUEUE_DEPTH = 16  # Instructions that wait in front of a unit, the one that it works on included.
LOOP_WORDS = 128  # Instructions of a loop that costs no fetch.
SEMAPHORES = 32
SEMAPHORE_LIMIT = 63
REGISTERS = 32
REGISTER_BITS = 40
COUNTERS = 64
POOLS = 8
SITE_SLOTS = 8
ALIGNMENT = 32  # Bytes: the unit of addresses and row pitches.


class Reg(NamedTuple):
    """Front-end register as an operand. Register 0 reads zero."""

    number: int

    def __str__(self) -> str:
        return f"r{self.number}"


class Address(NamedTuple):
    """Byte address: the content of register ``base`` plus ``offset`` bytes."""

    base: int
    offset: int = 0

    def __str__(self) -> str:
        return f"[r{self.base} + {self.offset:#x}]"


@dataclass(frozen=True, slots=True)
class Event:
    """A wait or a signal."""

    semaphore: int
    count: int


Operand = int | Reg | Address


class EncodingError(ValueError):
    """An instruction that cannot be encoded or decoded; the message names the field."""


@dataclass(frozen=True)
class Instruction:
    """One instruction: operation, operands by field name (absent ones are zero), flags, waits and signals."""

    name: str
    operands: Mapping[str, Operand] = field(default_factory=dict)
    flags: frozenset[str] = frozenset()
    waits: tuple[Event, ...] = ()
    signals: tuple[Event, ...] = ()

    @property
    def operation(self) -> Operation:
        """Line of the instruction table."""
        return BY_NAME[self.name]

    def __getitem__(self, name: str) -> Operand:
        return self.operands.get(name, 0)


def _number(value: Operand, low: int, high: int, where: str) -> int:
    if isinstance(value, Reg | Address):
        raise EncodingError(f"{where} takes a number, not {value}")
    number = index(value)
    if not low <= number <= high:
        raise EncodingError(f"{where}: {number} must be {low} to {high}")
    return number


def _encode_operand(item: Field, value: Operand, where: str) -> int:
    if item.kind == "address":
        base, offset = value if isinstance(value, Address) else (0, value)
        units, rest = divmod(_number(offset, 0, ALIGNMENT * (1 << OFFSET_BITS) - 1, where), ALIGNMENT)
        if rest:
            raise EncodingError(f"{where}: address {value} must be a multiple of {ALIGNMENT}")
        return _number(base, 0, REGISTERS - 1, f"{where}, base register") | units << 5
    if item.kind == "extent":
        if isinstance(value, Reg):
            return 1 << EXTENT_BITS | _number(value.number, 0, REGISTERS - 1, f"{where}, register")
        return _number(value, 0, (1 << EXTENT_BITS) - 1, where)
    if item.kind == "int":
        most = (1 << item.bits - 1) - 1
        return _number(value, -most - 1, most, where) & (1 << item.bits) - 1
    return _number(value, 0, (len(item.choices) or 1 << item.bits) - 1, where)


def _decode_operand(item: Field, bits: int, where: str) -> Operand:
    if item.kind == "address":
        return Address(bits & 31, (bits >> 5) * ALIGNMENT)
    if item.kind == "extent":
        if not bits >> EXTENT_BITS:
            return bits
        if (bits & (1 << EXTENT_BITS) - 1) >= REGISTERS:
            raise EncodingError(f"{where}: there is no such register")
        return Reg(bits & REGISTERS - 1)
    if item.kind == "int":
        return bits - (bits >> item.bits - 1 << item.bits)
    if item.choices and bits >= len(item.choices):
        raise EncodingError(f"{where}: {bits} must be 0 to {len(item.choices) - 1}")
    return bits


def encode(instruction: Instruction) -> bytes:
    """Encode to 64 bytes, little endian.

    Raises
    ------
    EncodingError
        An operand, flag, wait or signal is unknown or out of range.
    """
    if instruction.name not in BY_NAME:
        raise EncodingError(f"there is no instruction '{instruction.name}'")
    operation = instruction.operation
    unknown = set(instruction.operands) - {item.name for item in operation.fields}
    unknown |= instruction.flags - set(operation.flags)
    if unknown:
        raise EncodingError(f"{operation.name} has no field or flag '{min(unknown)}'")
    word = operation.opcode
    for bit, flag in enumerate(operation.flags):
        word |= (flag in instruction.flags) << OPCODE_BITS + bit
    position = OPCODE_BITS + FLAG_BITS
    for events in (instruction.waits, instruction.signals):
        if len(events) > 2:
            raise EncodingError(f"{operation.name} has {len(events)} waits or signals; two is the most")
        for event in (*events, *[Event(0, 0)] * (2 - len(events))):
            word |= _number(event.semaphore, 0, SEMAPHORES - 1, f"{operation.name}, semaphore") << position
            word |= _number(event.count, 0, SEMAPHORE_LIMIT, f"{operation.name}, semaphore count") << position + 5
            position += 11
    position = HEADER_BITS
    for item in operation.fields:
        word |= _encode_operand(item, instruction[item.name], f"{operation.name}.{item.name}") << position
        position += item.bits
    return word.to_bytes(WORD_BYTES, "little")


def decode(data: bytes) -> Instruction:
    """Decode 64 bytes.

    Raises
    ------
    EncodingError
        Unknown opcode, reserved bit set, a field out of range, or not 64 bytes.
    """
    if len(data) != WORD_BYTES:
        raise EncodingError(f"an instruction has {WORD_BYTES} bytes, not {len(data)}: the program is cut short")
    word = int.from_bytes(data, "little")
    operation = BY_OPCODE.get(word & (1 << OPCODE_BITS) - 1)
    if operation is None:
        raise EncodingError(f"opcode {word & (1 << OPCODE_BITS) - 1} is not an instruction")
    flag_bits = word >> OPCODE_BITS & (1 << FLAG_BITS) - 1
    used = HEADER_BITS + sum(item.bits for item in operation.fields)
    header_rest = word >> OPCODE_BITS + FLAG_BITS + 44 & 15
    if flag_bits >> len(operation.flags) or word >> used or header_rest:
        raise EncodingError(f"{operation.name} has reserved bits set")
    flags = frozenset(flag for bit, flag in enumerate(operation.flags) if flag_bits >> bit & 1)
    position, events = OPCODE_BITS + FLAG_BITS, []
    for _ in range(4):
        events.append(Event(word >> position & 31, word >> position + 5 & 63))
        position += 11
    operands: dict[str, Operand] = {}
    position = HEADER_BITS
    for item in operation.fields:
        bits = word >> position & (1 << item.bits) - 1
        operands[item.name] = _decode_operand(item, bits, f"{operation.name}.{item.name}")
        position += item.bits
    waits, signals = (tuple(event for event in pair if event.count) for pair in (events[:2], events[2:]))
    return Instruction(operation.name, operands, flags, waits, signals)


def disassemble(instruction: Instruction) -> str:
    """One line of text: name, flags, non-zero operands, waits and signals."""
    parts = [
        instruction.name.ljust(7),
        *(f".{flag}" for flag in instruction.operation.flags if flag in instruction.flags),
    ]
    for item in instruction.operation.fields:
        value = instruction[item.name]
        if isinstance(value, tuple) or value:
            shown = item.choices[int(value)] if item.choices and not isinstance(value, tuple) else value
            parts.append(f"{item.name}={shown}")
    parts += [f"wait(s{event.semaphore}>={event.count})" for event in instruction.waits]
    parts += [f"signal(s{event.semaphore}+{event.count})" for event in instruction.signals]
    return " ".join(parts)


def instructions(data: bytes) -> Iterator[Instruction]:
    """Decode a sequence of words."""
    for position in range(0, len(data), WORD_BYTES):
        yield decode(data[position : position + WORD_BYTES])
