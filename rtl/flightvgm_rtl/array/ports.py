"""What passes between sequencer, feeder, drain and the units behind the array."""

from __future__ import annotations

from amaranth.lib import data, enum

from flightvgm_rtl.lib.vector import Vector

FEED_BITS = 14  # Feeds of a tile: K of 8,256 at depth 1.
PRE_BITS = 27  # Formatted operand at the pre-adder.
B_BITS = 24  # Formatted operand at port B.
SUM_BITS = 58


class Mode(enum.Enum, shape=1):
    """What the array multiplies."""

    INT8 = 0
    FP16 = 1


class TileKind(enum.Enum, shape=2):
    """Where the results of a tile go."""

    MM8 = 0  # Scales and bias, then FP16 to the result buffer; with `gelu` through GELU.
    MM16 = 1  # FP16 to the result buffer.
    SCORE = 2  # FP32 to the softmax.
    PV = 3  # Times the row's 1 / sum, then FP16 to the result buffer.


def tag() -> data.StructLayout:
    """What travels with a tile to its destination.

    ``low`` and ``high`` bound the columns that count, ``rows`` the rows. ``out`` is the byte address in the result
    buffer of row 0, column ``low``; rows are ``pitch`` bytes apart. ``column`` counts the keys of a segment before
    a SCORE tile. ``slot`` is that of scores or probabilities; ``last`` marks the last tile of the slot's scores,
    and of an instruction for the others.
    """
    return data.StructLayout(
        {
            "kind": TileKind,
            "gelu": 1,
            "low": 7,
            "high": 7,
            "rows": 7,
            "out": 24,
            "pitch": 21,
            "column": 13,
            "slot": 2,
            "last": 1,
        }
    )


def tile(a_words: int, b_words: int) -> data.StructLayout:
    """A tile for the feeder.

    ``a_word`` and ``b_word`` with the pieces ``a_piece`` and ``b_piece`` are where feeding begins, the same in all
    banks (a piece is a feed's ``4 depth`` bytes of a word). ``from_p`` takes rows from the probabilities of
    ``p_slot``, from word 0. ``a_entry`` is the word of the rows' entries. For FP16 ``b_entry`` is that of the
    columns' entries; for INT8 ``b_entry`` and ``b_half`` say where the line of scales, biases and corrections lies.
    ``feeds`` is at least 1; the last one has ``tail`` valid values, of ``4 depth`` in INT8 and ``2 depth`` in FP16.
    The next tile begins ``interval`` cycles later at the earliest.
    """
    return data.StructLayout(
        {
            "mode": Mode,
            "from_p": 1,
            "p_slot": 1,
            "a_word": range(a_words),
            "a_piece": 4,
            "a_entry": range(a_words),
            "b_word": range(b_words),
            "b_piece": 4,
            "b_entry": range(b_words),
            "b_half": 1,
            "feeds": FEED_BITS,
            "tail": 6,
            "interval": FEED_BITS,
            "tag": tag(),
        }
    )


def operands(depth: int) -> data.StructLayout:
    """Formatted operands of a row or column in a cycle: for each slice, one for the pre-adder and one for port B.

    FP16: the values 2j and 2j + 1 as 23-bit integers, sign extended; a row gives 2j to ``pre`` and 2j + 1 to ``b``,
    a column the other way round. INT8, values 4j to 4j + 3: a row gives ``x[4j+2] 2^18 + x[4j]`` to ``pre`` and
    ``x[4j+3] 2^15 + x[4j+1]`` to ``b``; a column gives ``y[4j+3] 2^18 + y[4j+1]`` to ``pre`` and ``y[4j+2] 2^15 +
    y[4j]`` to ``b``. So ``u`` is the sum of the two ``pre``, ``v`` that of the two ``b``.
    """
    return data.StructLayout({"pre": Vector(PRE_BITS, depth), "b": Vector(B_BITS, depth)})


def drained() -> data.StructLayout:
    """A result of a row as it leaves the drain: FP32 of the exact sum, its column, and what the epilogue needs."""
    return data.StructLayout(
        {
            "valid": 1,
            "data": 32,
            "column": 6,
            "first": 1,  # Column 0 of a tile.
            "last": 1,  # The last column of a tile.
            "row_scale": 32,
            "column_scale": 32,
            "bias": 32,
            "tag": tag(),
        }
    )
