"""What passes between the parts of the sequencer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from amaranth.lib import data

from flightvgm_arch.operations import EXTENT_BITS
from flightvgm_rtl.array.ports import FEED_BITS, Mode, tile
from flightvgm_rtl.control.commands import PC_BITS

WORD_BYTES = 32
BANK_WORD_BITS = 19  # Of an address of 24 bits, in words of a single bank.
WALK_BITS = BANK_WORD_BITS + 2  # So that a walk that leaves the buffer is seen before it wraps.
OUT_BITS = 28  # The same for addresses of results, in bytes.
PITCH_BITS = 21
KEY_BITS = 13
LINE_BITS = 10


def fill(target: Any, values: Mapping[str, Any]) -> Iterator[Any]:
    """Assignments of values, by name, to the fields of a structure and of those inside it."""
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from fill(target[name], value)
        else:
            yield target[name].eq(value)


@dataclass(frozen=True)
class Shape:
    """Sizes of the array and its buffers.

    Parameters
    ----------
    rows, columns, depth, segments : int
        Of the array.
    a_words, b_words : int
        Words in a bank of A and of B.
    result_words : int
        Words of the result buffer.
    score_keys : int
        Most keys of a problem.
    gelu_lanes, exp_lanes : int
        Lanes that all rows share.
    """

    rows: int
    columns: int
    depth: int
    segments: int
    a_words: int
    b_words: int
    result_words: int
    score_keys: int
    gelu_lanes: int
    exp_lanes: int

    @property
    def gelu_rows(self) -> int:
        """Rows that share a GELU lane."""
        return -(-self.rows // self.gelu_lanes)

    @property
    def p_words(self) -> int:
        """Words of a slot of probabilities of a row."""
        return -(-self.score_keys // 16)

    @property
    def segment_columns(self) -> int:
        """Columns of a segment."""
        return self.columns // self.segments


def plan(shape: Shape) -> data.StructLayout:
    """A tile on its way to the feeder, and what is known about it beside.

    ``first`` and ``final`` are the first and last tile that use a weight tile, a slot of scores or of
    probabilities. With ``empty`` there is no tile: zeros are written instead, to ``tag.rows`` rows of ``values``
    values. Of a tile of scores ``values`` are the keys of the problem. ``lines`` are the lines of 16 values of a
    column of a weight tile. ``pc`` is that of the instruction.
    """
    return data.StructLayout(
        {
            "tile": tile(shape.a_words, shape.b_words),
            "values": 16,
            "lines": LINE_BITS,
            "first": 1,
            "final": 1,
            "empty": 1,
            "pc": PC_BITS,
        }
    )


def product() -> data.StructLayout:
    """An MM in words of a bank: what a walk over its tiles needs.

    ``entry`` is the distance of a row's entry from its first word, ``row_step`` that of R rows in the result, in bytes.
    """
    return data.StructLayout(
        {
            "mode": Mode,
            "gelu": 1,
            "a": BANK_WORD_BITS,
            "a_pitch": 16,
            "da0": BANK_WORD_BITS,
            "da1": BANK_WORD_BITS,
            "entry": 9,
            "lines": LINE_BITS,
            "b": BANK_WORD_BITS,
            "b_pitch": 16,
            "db0": BANK_WORD_BITS,
            "db1": BANK_WORD_BITS,
            "out": 24,
            "out_pitch": PITCH_BITS,
            "row_step": OUT_BITS,
            "dout0": 24,
            "dout1": 24,
            "rows": EXTENT_BITS,
            "columns": 16,
            "batch0": EXTENT_BITS,
            "batch1": EXTENT_BITS,
            "feeds": FEED_BITS,
            "tail": 6,
        }
    )


def attention() -> data.StructLayout:
    """An ATTN in words of a bank: what the walks over its tiles need. ``key_words`` are the words of a channel of V.

    ``some`` says that there are keys.
    """
    return data.StructLayout(
        {
            "q": BANK_WORD_BITS,
            "q_pitch": 16,
            "dq": BANK_WORD_BITS,
            "k": BANK_WORD_BITS,
            "k_pitch": 16,
            "dk": BANK_WORD_BITS,
            "v": BANK_WORD_BITS,
            "key_words": 9,
            "dv": BANK_WORD_BITS,
            "out": 24,
            "out_pitch": PITCH_BITS,
            "row_step": OUT_BITS,
            "dout": 24,
            "rows": EXTENT_BITS,
            "keys": KEY_BITS,
            "some": 1,
            "width": 16,
            "heads": 7,
            "head_dim": 9,
            "batch": EXTENT_BITS,
            "score_feeds": FEED_BITS,
            "score_tail": 6,
            "value_feeds": FEED_BITS,
            "value_tail": 6,
        }
    )
