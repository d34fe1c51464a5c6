import hashlib
import math
import struct

import pytest

from flightvgm_arch.tables import EXP2, GELU, GELU_END, RSQRT, SILU, SILU_END

CONTENTS = [EXP2.nodes, *(values for table in (RSQRT, GELU, SILU) for values in (table.c0, table.c1, table.c2))]


def gelu_tail(a):
    return 1 / (1 + math.exp(2 * math.sqrt(2 / math.pi) * (a + 0.044715 * a**3)))


@pytest.mark.parametrize(("table", "segments", "place_bits", "value_bits", "widths"), [
    (EXP2, 256, 14, 24, (25, 16)),
    (RSQRT, 512, 15, 30, (31, 22, 13)),
    (GELU, 256, 17, 30, (30, 25, 17)),
    (SILU, 512, 17, 30, (30, 26, 18)),
])  # fmt: skip
def test_sizes_are_those_of_the_page(table, segments, place_bits, value_bits, widths):
    assert (table.segments, table.place_bits, table.value_bits, table.widths) == (
        segments, place_bits, value_bits, widths,
    )  # fmt: skip


def test_contents_are_pinned():
    packed = b"".join(struct.pack(f"<{len(values)}q", *values) for values in CONTENTS)
    assert hashlib.sha256(packed).hexdigest()[:16] == "231ce0bd899e40ad"


def test_signs_are_those_of_the_page():
    for table in (RSQRT, GELU, SILU):
        assert min(table.c0) >= 0
        assert max(table.c1) <= 0
        assert min(table.c2) >= 0
    assert min(EXP2.drops) > 0


@pytest.mark.parametrize(("table", "function", "error"), [
    (EXP2, lambda u: 2.0**-u, 40),
    (RSQRT, lambda u: (1 + 2 * u if u < 0.5 else 4 * u) ** -0.5, 16),
    (GELU, lambda u: gelu_tail(GELU_END * u), 300),
    (SILU, lambda u: 1 / (1 + math.exp(SILU_END * u)), 600),
])  # fmt: skip
def test_values_are_near_the_function(table, function, error):
    """The domain runs from 0 to 1 here; the error counts units of the last bit."""
    size = table.segments << table.place_bits
    for argument in [0, 1, (1 << table.place_bits) - 1, 1 << table.place_bits, size - 1, *range(0, size, size // 997)]:
        assert abs(table.at(argument) - function(argument / size) * 2**table.value_bits) <= error
