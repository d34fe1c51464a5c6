import pytest
from hypothesis import given
from hypothesis import strategies as st

from flightvgm_arch.formats import (
    COLUMN_BYTES,
    METADATA_BYTES,
    TILE_VALUES,
    bank_line,
    fp16_pitch,
    operand_bytes,
    record_pitch,
    round_up,
    theta_squared,
    tile_bytes,
    transposed_pitch,
)
from flightvgm_arch.isa import ALIGNMENT
from flightvgm_arch.sites import KINDS, SITE_NAMES, SITES, macs_per_row


@given(st.integers(0, 1 << 40), st.integers(1, 1 << 20))
def test_rounding_up_is_the_least_multiple(value, unit):
    rounded = round_up(value, unit)
    assert rounded % unit == 0
    assert 0 <= rounded - value < unit


@given(st.integers(1, 8256), st.integers(1, 64))
def test_rows_records_and_tiles_hold_their_content(k, columns):
    for size, content in (
        (fp16_pitch(k), 2 * k),
        (record_pitch(k), k + METADATA_BYTES),
        (tile_bytes(columns, k), columns * (round_up(k, TILE_VALUES) + COLUMN_BYTES)),
    ):
        assert size % ALIGNMENT == 0
        assert 0 <= size - content < ALIGNMENT


def test_known_layouts():
    assert (fp16_pitch(1152), record_pitch(1152), tile_bytes(24, 1152)) == (2304, 1184, 28032)


@given(st.integers(1, 500), st.integers(1, 9), st.integers(1, 64))
def test_rows_fit_their_banks(rows, words, banks):
    pitch, size = 32 * words, operand_bytes(rows, 32 * words, banks, banks)
    assert size % bank_line(banks) == 0
    assert -(-rows // banks) * pitch == size // banks


@given(st.integers(1, 500), st.integers(1, 200), st.sampled_from([2, 4, 8, 16]), st.integers(1, 64))
def test_transposed_values_fit_their_banks(keys, channels, at_once, banks):
    size = operand_bytes(keys, transposed_pitch(channels, banks), at_once, banks)
    assert size % bank_line(banks) == 0
    assert -(-channels // banks) * 2 * round_up(keys, at_once) <= size // banks


@given(st.floats(0.0, 1.0))
def test_a_threshold_is_rounded_down(cosine):
    theta = theta_squared(cosine)
    assert 0 <= theta <= 65535
    assert theta <= cosine * cosine * 65536
    assert theta == 65535 or cosine * cosine * 65536 < theta + 1


@pytest.mark.parametrize("cosine", [-0.1, 1.1, float("nan"), float("inf")])
def test_a_threshold_that_is_no_cosine_is_refused(cosine):
    with pytest.raises(ValueError, match=r"the cosine threshold .* must lie between 0 and 1"):
        theta_squared(cosine)


def test_sites_are_those_of_the_blocks():
    assert len(SITE_NAMES) == len(KINDS) * len(SITES) == 10
    assert sum(macs_per_row(site, 8, 32) for site in SITES) == (3 + 1 + 1 + 1 + 8) * 64
