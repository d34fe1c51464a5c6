"""The instruction set: one table from which encoder, decoder, disassembler and documentation derive.

An instruction is 512 bits. Its header holds the opcode, ten flags, two waits and two signals; its body holds the
fields of :data:`OPERATIONS` in order, least significant bit first; what remains is zero, and the decoder checks it.

Operand kinds
    ``uint``     an unsigned number;
    ``int``      a two's complement number;
    ``extent``   25 bits: a flag and a 24-bit number, or the number of a front-end register;
    ``address``  36 bits: a base register and an offset in units of 32 bytes; the address is their sum.

Waits and signals
    A wait ``(semaphore, count)`` blocks until the semaphore is at least ``count`` and subtracts it; a signal adds.
    A count of zero means none. Signals happen when the instruction has completed: for a store after its last write
    response. An instruction whose extent is zero does nothing but wait and signal.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

WORD_BYTES = 64
HEADER_BITS = 64
BODY_BITS = 8 * WORD_BYTES - HEADER_BITS
OPCODE_BITS = 6
FLAG_BITS = 10
SEMAPHORES = 32
SEMAPHORE_LIMIT = 63
REGISTERS = 32
REGISTER_BITS = 40
COUNTERS = 64
POOLS = 8
SITE_SLOTS = 8
EXTENT_BITS = 24
OFFSET_BITS = 31
ALIGNMENT = 32  # Bytes: the unit of addresses and row pitches.
QUEUES = ("front", "weights", "load", "matrix", "rows", "store")


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


class Event(NamedTuple):
    """A wait or a signal."""

    semaphore: int
    count: int


Operand = int | Reg | Address


@dataclass(frozen=True)
class Field:
    """One field of an instruction's body."""

    name: str
    kind: str
    bits: int
    text: str
    choices: tuple[str, ...] = ()


@dataclass(frozen=True)
class Operation:
    """One line of the instruction table."""

    name: str
    opcode: int
    queue: str
    text: str
    fields: tuple[Field, ...] = ()
    flags: tuple[str, ...] = ()


def _uint(name: str, bits: int, text: str) -> Field:
    return Field(name, "uint", bits, text)


def _choice(name: str, text: str, *choices: str) -> Field:
    return Field(name, "uint", max(1, (len(choices) - 1).bit_length()), text, choices)


def _extent(name: str, text: str) -> Field:
    return Field(name, "extent", EXTENT_BITS + 1, text)


def _address(name: str, text: str) -> Field:
    return Field(name, "address", 5 + OFFSET_BITS, text)


def _buffer(name: str, text: str) -> Field:
    return Field(name, "uint", 24, text)


def _pitch(name: str, text: str) -> Field:
    return Field(name, "uint", 21, text)


_ROW_LOOPS = (
    _extent("start", "first row"),
    _extent("count", "rows of the inner loop"),
    _uint("stride", 24, "rows between two steps of the inner loop"),
    _extent("outer", "steps of the outer loop"),
    _uint("outer_stride", 24, "rows between two steps of the outer loop"),
)

OPERATIONS: tuple[Operation, ...] = (
    Operation("END", 0, "front", "Stop this core once its queues are empty.", (_uint("code", 8, "left in the status register"),)),
    Operation("SET", 1, "front", "rd = immediate.", (_uint("rd", 5, "destination"), _uint("value", 40, "immediate"))),
    Operation("ADD", 2, "front", "rd = rs + immediate, modulo 2^40.",
              (_uint("rd", 5, "destination"), _uint("rs", 5, "source"), Field("value", "int", 40, "immediate"))),
    Operation("GET", 3, "front", "rd = the 32-bit word in memory.",
              (_uint("rd", 5, "destination"), _address("source", "word to read"))),
    Operation("LOOP", 4, "front", "Decrement rd and jump unless it became zero; jump always where rd is r0.",
              (_uint("rd", 5, "counter"), _uint("target", 24, "instruction number"))),
    Operation("SITE", 5, "front", "Describe a sparsification site for the ROWS instructions that follow.",
              (_uint("slot", 3, "site slot"), _uint("t", 13, "frames"), _uint("h", 13, "rows of tokens"),
               _uint("w", 13, "columns of tokens"), _uint("order", 6, "axes t=0 h=1 w=2, slowest first, 2 bits each"),
               _uint("split", 4, "axes of the group slot, then of the row slot, 2 bits each"),
               _uint("group", 6, "planes in a group"), _uint("chunk_rows", 4, "rows of a chunk"),
               _uint("chunk_columns", 4, "columns of a chunk"),
               _extent("theta_group", "squared threshold against the reference plane, 0.16 fixed point"),
               _extent("theta_chunk", "squared threshold against the chunk's middle, 0.16 fixed point"),
               _uint("macs", 40, "MACs of one row in the layers behind the site, for the ledger"))),
    Operation("OPEN", 6, "front", "Fill a pool with units: segments of counted rows, cut to equal units.",
              (_uint("pool", 3, "pool"), _uint("counter", 6, "count register of the first segment"),
               _uint("segments", 6, "segments, one count register each"), _uint("stride", 24, "rows between segment bases"),
               _extent("rows", "rows of the only segment, with flag static"), _uint("largest", 12, "most rows of a unit"),
               _uint("granule", 8, "a unit is a multiple of so many rows")), ("static",)),
    Operation("TILE", 7, "front", "Take a unit from a pool; when none is left count becomes zero, and with flag branch jump.",
              (_uint("pool", 3, "pool"), _uint("start", 5, "register: first row"), _uint("count", 5, "register: rows"),
               _uint("target", 24, "instruction number")), ("branch",)),
    Operation("BARRIER", 8, "front", "Wait until all cores of the mask are here and their queues are empty.",
              (_uint("cores", 16, "mask"),)),
    Operation("MARK", 9, "front", "Name the place in the network, for ledger, trace and error reports.",
              (_uint("layer", 10, "block, in order of execution"), _uint("site", 5, "site number"),
               _uint("branch", 1, "guidance branch"))),
    Operation("LOADW", 16, "weights", "Stream weight tiles into the ring; nothing when the gate is zero.",
              (_address("source", "first tile"), _uint("tile_bytes", 24, "bytes of a tile"), _uint("tiles", 16, "tiles"),
               _buffer("ring", "B address of the ring"), _uint("depth", 8, "tiles that the ring holds"),
               _extent("gate", "rows that the tiles are for"))),
    Operation("LOADA", 17, "load", "Load rows, linearly or through a map, into A, B or the parameter buffer.",
              (_address("source", "row 0"), _pitch("pitch", "bytes between rows in memory"), *_ROW_LOOPS,
               _uint("row_bytes", 17, "bytes of a row"), _address("map", "32-bit row numbers, with flag mapped"),
               _choice("target", "buffer", "A", "B", "P"), _buffer("to", "buffer address"),
               _pitch("to_pitch", "bytes between rows in the buffer"),
               _choice("transform", "applied to each head of the row", "none", "rms", "rms_rope"),
               _uint("heads", 7, "heads of a row"), _uint("head_dim", 9, "channels of a head"),
               _uint("norm", 20, "parameter address of the norm's FP32 weights"),
               _uint("rope", 20, "parameter address of the FP32 pairs (cos, sin), [position][head_dim / 2]"),
               _choice("position", "loop index that is the position", "inner", "outer")),
              ("mapped", "transposed")),
    Operation("MM", 18, "matrix", "Multiply rows of A with columns of B, or with weight tiles of the ring.",
              (_buffer("a", "A address"), _pitch("a_pitch", "bytes between rows"), _extent("rows", "rows"),
               _uint("k", 16, "inner extent"), _uint("columns", 16, "columns"),
               _buffer("b", "B address, FP16 only"), _pitch("b_pitch", "bytes between columns of B"),
               _buffer("out", "result address"), _pitch("out_pitch", "bytes between result rows"),
               _choice("epilogue", "after scale and bias", "none", "gelu"),
               _extent("batch0", "steps of the inner batch loop"), _uint("da0", 24, "bytes in A"), _uint("db0", 24, "bytes in B"),
               _uint("dout0", 24, "bytes in the result"), _extent("batch1", "steps of the outer batch loop"),
               _uint("da1", 24, "bytes in A"), _uint("db1", 24, "bytes in B"), _uint("dout1", 24, "bytes in the result")),
              ("fp16",)),
    Operation("ATTN", 19, "matrix", "softmax2(Q K^T) V for all heads and positions; keys beyond the count are masked.",
              (_buffer("q", "A address"), _buffer("k", "B address"), _buffer("v", "B address, loaded transposed"),
               _buffer("out", "result address"), _pitch("q_pitch", "bytes between rows"), _pitch("k_pitch", "bytes between rows"),
               _pitch("v_pitch", "bytes between rows"), _pitch("out_pitch", "bytes between rows"),
               _extent("rows", "queries of a problem"), _extent("keys", "valid keys of a problem"),
               _uint("heads", 7, "heads, side by side in a row"), _uint("head_dim", 9, "channels of a head"),
               _extent("batch", "problems"), _uint("dq", 24, "bytes between problems"), _uint("dk", 24, "bytes between problems"),
               _uint("dv", 24, "bytes between problems"), _uint("dout", 24, "bytes between problems")), ("transposed",)),
    Operation("ROWS", 20, "rows", "Stream rows: recover, gate and add, write back, norm, modulate, quantise, compare, compact.",
              (_address("x", "row 0 of x, FP16"), _address("y", "row 0 of the layer's compacted result, FP16"),
               _address("map_in", "kept row of each token, for y"), _address("out", "compacted rows, INT8 records"),
               _address("map_out", "kept row of each token"), _uint("gate", 20, "parameter address, FP32"),
               _uint("shift", 20, "parameter address, FP32"), _uint("scale", 20, "parameter address, FP32: 1 + scale"),
               _uint("width", 15, "channels"), _extent("first", "first band of the site, or first row"),
               _extent("count", "bands, or rows"), _uint("site", 3, "site slot"), _uint("counter", 6, "count register"),
               _extent("base", "compacted row at which this segment begins"),
               _buffer("result", "result buffer address, with flag from_result"), _buffer("a", "A address, with flag to_a"),
               _pitch("result_pitch", "bytes between rows in the result buffer")),
              ("from_result", "add", "gated", "write_back", "norm", "modulate", "quantise", "compare", "to_a")),
    Operation("STORE", 21, "store", "Write rows of the result buffer to memory, linearly or through a list of rows.",
              (_buffer("result", "result address"), _pitch("result_pitch", "bytes between rows"),
               _address("to", "row 0"), _pitch("pitch", "bytes between rows in memory"), *_ROW_LOOPS,
               _uint("row_bytes", 17, "bytes of a row"), _address("list", "32-bit row numbers, with flag scattered")),
              ("scattered",)),
    Operation("FILL", 22, "store", "Fill memory with a 32-bit value.",
              (_address("to", "first byte"), _extent("count", "32-byte words"), _uint("value", 32, "pattern"))),
)  # fmt: skip

BY_NAME = {operation.name: operation for operation in OPERATIONS}
BY_OPCODE = {operation.opcode: operation for operation in OPERATIONS}


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


def _encode_operand(item: Field, value: Operand, where: str) -> int:
    if item.kind == "address":
        if not isinstance(value, Address):
            value = Address(0, int(value))
        units, rest = divmod(value.offset, ALIGNMENT)
        if rest or not 0 <= units < 1 << OFFSET_BITS or not 0 <= value.base < REGISTERS:
            raise EncodingError(f"{where}: address {value} must be a multiple of {ALIGNMENT} and fit {OFFSET_BITS} bits")
        return value.base | units << 5
    if item.kind == "extent":
        if isinstance(value, Reg):
            if not 0 <= value.number < REGISTERS:
                raise EncodingError(f"{where}: there is no register {value.number}")
            return 1 << EXTENT_BITS | value.number
        if not 0 <= int(value) < 1 << EXTENT_BITS:
            raise EncodingError(f"{where}: {value} does not fit {EXTENT_BITS} bits")
        return int(value)
    number = int(value)  # type: ignore[arg-type]
    if item.kind == "int":
        if not -(1 << item.bits - 1) <= number < 1 << item.bits - 1:
            raise EncodingError(f"{where}: {number} does not fit {item.bits} bits")
        return number & (1 << item.bits) - 1
    limit = len(item.choices) or 1 << item.bits
    if not 0 <= number < limit:
        raise EncodingError(f"{where}: {number} must be 0 to {limit - 1}")
    return number


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
    unknown = set(instruction.operands) - {item.name for item in operation.fields} | instruction.flags - set(operation.flags)
    if unknown:
        raise EncodingError(f"{operation.name} has no field or flag '{sorted(unknown)[0]}'")
    word = operation.opcode
    for bit, flag in enumerate(operation.flags):
        word |= (flag in instruction.flags) << OPCODE_BITS + bit
    position = OPCODE_BITS + FLAG_BITS
    for events in (instruction.waits, instruction.signals):
        if len(events) > 2:
            raise EncodingError(f"{operation.name} has {len(events)} waits or signals; two is the most")
        for event in (*events, *[Event(0, 0)] * (2 - len(events))):
            if not 0 <= event.semaphore < SEMAPHORES or not 0 <= event.count <= SEMAPHORE_LIMIT:
                raise EncodingError(f"{operation.name}: semaphore {event.semaphore} or count {event.count} is out of range")
            word |= (event.semaphore | event.count << 5) << position
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
        Unknown opcode, reserved bit set, or a field out of range.
    """
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
    parts = [instruction.name.ljust(7), *(f".{flag}" for flag in instruction.operation.flags if flag in instruction.flags)]
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


for _operation in OPERATIONS:
    if sum(item.bits for item in _operation.fields) > BODY_BITS or len(_operation.flags) > FLAG_BITS:
        raise EncodingError(f"{_operation.name} does not fit {BODY_BITS} bits")
