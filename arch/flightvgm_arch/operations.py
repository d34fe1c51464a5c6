"""The instruction table: what a machine can do, and the fields of each instruction.

Fields follow each other from the least significant bit of an instruction's body upwards. What each instruction does,
bit for bit, is in ``docs/explanation/machine.md``.

Operand kinds
    ``uint``     an unsigned number;
    ``int``      a two's complement number;
    ``extent``   25 bits: a flag and a 24-bit number, or the number of a front-end register;
    ``address``  36 bits: a base register and an offset in units of 32 bytes; the address is their sum.
"""

from __future__ import annotations

from dataclasses import dataclass

QUEUES = ("front", "weights", "load", "matrix", "rows", "store")
WORD_BYTES = 64
HEADER_BITS = 64
BODY_BITS = 8 * WORD_BYTES - HEADER_BITS
OPCODE_BITS = 6
FLAG_BITS = 10
EXTENT_BITS = 24
OFFSET_BITS = 31


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


_RD = _uint("rd", 5, "destination")
_ROW_LOOPS = (
    _extent("start", "first row"),
    _extent("count", "rows of the inner loop"),
    _uint("stride", 24, "rows between two steps of the inner loop"),
    _extent("outer", "steps of the outer loop"),
    _uint("outer_stride", 24, "rows between two steps of the outer loop"),
)


def _operation(name: str, opcode: int, queue: str, text: str, *fields: Field, flags: tuple[str, ...] = ()) -> Operation:
    if sum(item.bits for item in fields) > BODY_BITS or len(flags) > FLAG_BITS:
        raise ValueError(f"{name} does not fit {BODY_BITS} bits and {FLAG_BITS} flags; shorten a field")
    return Operation(name, opcode, queue, text, fields, flags)


def _front(name: str, opcode: int, text: str, *fields: Field, flags: tuple[str, ...] = ()) -> Operation:
    return _operation(name, opcode, "front", text, *fields, flags=flags)


OPERATIONS: tuple[Operation, ...] = (
    _front("END", 0, "Stop this core once its queues are empty.", _uint("code", 8, "left in the status register")),
    _front("SET", 1, "rd = immediate.", _RD, _uint("value", 40, "immediate")),
    _front(
        "ADD",
        2,
        "rd = rs + immediate, modulo 2^40.",
        _RD,
        _uint("rs", 5, "source"),
        Field("value", "int", 40, "immediate"),
    ),
    _front("GET", 3, "rd = the 32-bit word in memory.", _RD, _address("source", "word to read")),
    _front(
        "LOOP",
        4,
        "Decrement rd and jump unless it became zero; jump always where rd is r0.",
        _uint("rd", 5, "counter"),
        _uint("target", 24, "instruction number"),
    ),
    _front(
        "SITE",
        5,
        "Describe a sparsification site for the ROWS instructions that follow.",
        _uint("slot", 3, "site slot"),
        _uint("t", 13, "frames"),
        _uint("h", 13, "rows of tokens"),
        _uint("w", 13, "columns of tokens"),
        _uint("order", 6, "axes t=0 h=1 w=2, slowest lowest, 2 bits each"),
        _uint("split", 4, "how many axes the group slot has, then the row slot, 2 bits each"),
        _uint("group", 6, "planes in a group"),
        _uint("chunk_rows", 4, "rows of a chunk"),
        _uint("chunk_columns", 4, "columns of a chunk"),
        _extent("theta_group", "squared threshold against the reference plane, 0.16 fixed point"),
        _extent("theta_chunk", "squared threshold against the chunk's middle, 0.16 fixed point"),
        _uint("macs", 40, "MACs of one row in the layers behind the site, for the ledger"),
    ),
    _front(
        "OPEN",
        6,
        "Fill a pool with units: segments of counted rows, cut to equal units.",
        _uint("pool", 3, "pool"),
        _uint("counter", 6, "count register of the first segment"),
        _uint("segments", 6, "segments, one count register each"),
        _uint("stride", 24, "rows between segment bases"),
        _extent("rows", "rows of the only segment, with flag static"),
        _uint("largest", 12, "most rows of a unit"),
        _uint("granule", 8, "a unit is a multiple of so many rows"),
        flags=("static",),
    ),
    _front(
        "TILE",
        7,
        "Take a unit from a pool; when none is left count becomes zero, and with flag branch jump.",
        _uint("pool", 3, "pool"),
        _uint("start", 5, "register: first row"),
        _uint("count", 5, "register: rows"),
        _uint("target", 24, "instruction number"),
        flags=("branch",),
    ),
    _front(
        "BARRIER",
        8,
        "Wait until all cores of the mask are here and their queues are empty.",
        _uint("cores", 16, "mask"),
    ),
    _front(
        "MARK",
        9,
        "Name the place in the network, for ledger, trace and error reports.",
        _uint("layer", 7, "block, in order of execution"),
        _uint("site", 3, "site number; 7 for outside the sites"),
        _uint("branch", 1, "guidance branch"),
    ),
    _operation(
        "LOADW",
        16,
        "weights",
        "Stream weight tiles into the ring; nothing when the gate is zero.",
        _address("source", "first tile"),
        _uint("tile_bytes", 24, "bytes of a tile"),
        _uint("tiles", 16, "tiles"),
        _buffer("ring", "B address of the ring"),
        _uint("depth", 8, "tiles that the ring holds"),
        _extent("gate", "rows that the tiles are for"),
    ),
    _operation(
        "LOADA",
        17,
        "load",
        "Load rows, linearly or through a map, into A, B or the parameter buffer.",
        _address("source", "row 0"),
        _pitch("pitch", "bytes between rows in memory"),
        *_ROW_LOOPS,
        _uint("row_bytes", 17, "bytes of a row"),
        _address("map", "32-bit row numbers, with flag mapped"),
        _choice("target", "buffer", "A", "B", "P"),
        _buffer("to", "buffer address"),
        _pitch("to_pitch", "bytes between rows in the buffer"),
        _buffer("to_outer", "bytes in the buffer between two steps of the outer loop"),
        _choice("transform", "applied to each head of the row", "none", "rms", "rms_rope"),
        _uint("heads", 7, "FP16 heads of a row, each prepared for products; none for bytes"),
        _uint("head_dim", 13, "channels of a head"),
        _uint("norm", 20, "parameter address of the norm's FP32 weights"),
        _uint("rope", 20, "parameter address of the FP32 pairs (cos, sin), [position][head_dim / 2]"),
        _choice("position", "loop index that is the position", "inner", "outer"),
        flags=("mapped", "transposed"),
    ),
    _operation(
        "MM",
        18,
        "matrix",
        "Multiply rows of A with columns of B, or with weight tiles of the ring.",
        _buffer("a", "A address"),
        _pitch("a_pitch", "bytes between rows"),
        _extent("rows", "rows"),
        _uint("k", 16, "inner extent"),
        _uint("columns", 16, "columns"),
        _buffer("b", "B address, FP16 only"),
        _pitch("b_pitch", "bytes between columns of B"),
        _buffer("out", "result address"),
        _pitch("out_pitch", "bytes between result rows"),
        _choice("epilogue", "after scale and bias", "none", "gelu"),
        _extent("batch0", "steps of the inner batch loop"),
        _uint("da0", 24, "bytes in A"),
        _uint("db0", 24, "bytes in B"),
        _uint("dout0", 24, "bytes in the result"),
        _extent("batch1", "steps of the outer batch loop"),
        _uint("da1", 24, "bytes in A"),
        _uint("db1", 24, "bytes in B"),
        _uint("dout1", 24, "bytes in the result"),
        flags=("fp16",),
    ),
    _operation(
        "ATTN",
        19,
        "matrix",
        "softmax2(Q K^T) V for all heads and positions; keys beyond the count are masked.",
        _buffer("q", "A address"),
        _buffer("k", "B address"),
        _buffer("v", "B address, loaded transposed"),
        _buffer("out", "result address"),
        _pitch("q_pitch", "bytes between rows"),
        _pitch("k_pitch", "bytes between rows"),
        _pitch("v_pitch", "bytes between rows"),
        _pitch("out_pitch", "bytes between rows"),
        _extent("rows", "queries of a problem"),
        _extent("keys", "valid keys of a problem"),
        _uint("heads", 7, "heads, side by side in a row"),
        _uint("head_dim", 9, "channels of a head"),
        _extent("batch", "problems"),
        _uint("dq", 24, "bytes between problems"),
        _uint("dk", 24, "bytes between problems"),
        _uint("dv", 24, "bytes between problems"),
        _uint("dout", 24, "bytes between problems"),
        flags=("transposed",),
    ),
    _operation(
        "ROWS",
        20,
        "rows",
        "Stream rows: recover, gate and add, write back, norm, modulate, quantise, compare, compact.",
        _address("x", "row 0 of x, FP16"),
        _address("y", "row 0 of the layer's compacted result, FP16"),
        _address("map_in", "kept row of each token, for y"),
        _address("out", "compacted rows, INT8 records"),
        _address("map_out", "kept row of each token"),
        _uint("gate", 20, "parameter address, FP32"),
        _uint("shift", 20, "parameter address, FP32"),
        _uint("scale", 20, "parameter address, FP32: 1 + scale"),
        _uint("width", 15, "channels"),
        _extent("first", "first band of the site, or first row"),
        _extent("count", "bands, or rows"),
        _uint("site", 3, "site slot"),
        _uint("counter", 6, "count register"),
        _extent("base", "compacted row at which this segment begins"),
        _extent("limit", "most rows that this segment may keep"),
        _buffer("result", "result buffer address, with flag from_result"),
        _buffer("a", "A address, with flag to_a"),
        _pitch("result_pitch", "bytes between rows in the result buffer"),
        flags=("from_result", "add", "gated", "write_back", "norm", "modulate", "quantise", "compare", "to_a"),
    ),
    _operation(
        "STORE",
        21,
        "store",
        "Write rows of the result buffer to memory, linearly or through a list of rows.",
        _buffer("result", "result address"),
        _pitch("result_pitch", "bytes between rows"),
        _buffer("result_outer", "bytes in the buffer between two steps of the outer loop"),
        _address("to", "row 0"),
        _pitch("pitch", "bytes between rows in memory"),
        *_ROW_LOOPS,
        _uint("row_bytes", 17, "bytes of a row"),
        _address("list", "32-bit row numbers, with flag scattered"),
        flags=("scattered",),
    ),
    _operation(
        "FILL",
        22,
        "store",
        "Fill memory with a 32-bit value.",
        _address("to", "first byte"),
        _extent("count", "32-byte words"),
        _uint("value", 32, "pattern"),
    ),
)

BY_NAME = {operation.name: operation for operation in OPERATIONS}
BY_OPCODE = {operation.opcode: operation for operation in OPERATIONS}
