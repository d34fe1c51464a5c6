"""What passes between loaders, buffers and readers."""

from __future__ import annotations

from amaranth.lib import data, enum, stream, wiring
from amaranth.lib.wiring import In, Out

WORD_BITS = 256
GRANULES = 16  # Parts of a word that are written on their own: two bytes each.
ENTRY_BITS = 64
BACK_LATENCY = 3


class Kind(enum.Enum, shape=2):
    """How a write spreads over banks."""

    ROW = 0  # One bank, the whole word.
    PAIR = 1  # The banks `bank` and `bank + 1`: each takes 16 bytes of the data, replicated to both halves of its word.
    VALUES = 2  # From `bank` on, a bank for each value: it takes 16 bits, replicated to its whole word.


def operand_write(banks: int, words: int) -> data.StructLayout:
    """Layout of a write to an operand buffer of ``words`` words in each of its banks.

    VALUES takes ``min(8, banks)`` values from the lowest bits of ``data``. ``entry`` goes to the entry of the word, of
    bank ``bank``, where ``entry_enable`` is set; a write without strobes writes the entry only.
    """
    return data.StructLayout(
        {
            "kind": Kind,
            "bank": range(max(2, banks)),
            "word": range(words),
            "data": WORD_BITS,
            "strobe": GRANULES,
            "entry": ENTRY_BITS,
            "entry_enable": 1,
        }
    )


class BackPort(wiring.Signature):
    """Read-back of an operand buffer, as a loader sees it: requests, and data ``BACK_LATENCY`` cycles behind each."""

    def __init__(self, banks: int, words: int) -> None:
        place = data.StructLayout({"bank": range(max(2, banks)), "word": range(words)})
        super().__init__({"request": Out(stream.Signature(place)), "valid": In(1), "data": In(WORD_BITS)})


class ResultRead(wiring.Signature):
    """Read port of the result buffer, as a reader sees it: word numbers out, words in, in order."""

    def __init__(self, words: int) -> None:
        super().__init__({"request": Out(stream.Signature(range(words))), "word": In(stream.Signature(WORD_BITS))})


def parameter_write(words: int) -> data.StructLayout:
    """Layout of a write to the parameter buffer, which all of its copies take in the same cycle; no stream."""
    return data.StructLayout({"valid": 1, "word": range(words), "data": WORD_BITS, "strobe": GRANULES})
