import pytest
from hypothesis import given
from hypothesis import strategies as st

from flightvgm_arch.memory import (
    LEDGER_BYTES,
    LEDGER_SITES,
    PSEUDO_CHANNELS,
    Place,
    Window,
    address_of,
    allowed,
    ledger_offset,
    place,
)
from flightvgm_arch.sites import OUTSIDE, SITES


@given(st.integers(0, (1 << 40) - 1), st.sampled_from([1, 2, 16, PSEUDO_CHANNELS]))
def test_striping_is_reversible(address, channels):
    where = place(address, channels)
    assert 0 <= where.channel < channels
    assert address_of(where, channels) == address


@pytest.mark.parametrize("stride", [4096, 8192, 32 * 4096])
def test_neighbours_and_rows_of_a_power_of_two_use_all_channels(stride):
    assert len({place(row * stride).channel for row in range(1024)}) == PSEUDO_CHANNELS


def test_a_page_stays_in_one_channel():
    assert place(0x1FFF) == Place(1, 0xFFF)
    assert place(0x1000).channel == place(0x1FFF).channel != place(0x2000).channel


def test_an_access_lies_in_one_window():
    windows = (Window(0x1000, 0x2000), Window(0x2000, 0x3000), Window(0, 0))
    assert allowed(windows, 0x1000, 0x1000)
    assert allowed(windows, 0x2FFF, 1)
    assert not allowed(windows, 0x1FFF, 2)
    assert not allowed(windows, 0x0FFF, 1)
    assert not allowed(windows, 0x3000, 1)
    assert allowed(windows, 0x9000, 0)
    with pytest.raises(ValueError, match="is not a range"):
        Window(1, 0)


def test_ledger_entries_do_not_overlap():
    offsets = [ledger_offset(layer=a, site=b, branch=c) for a in (0, 1, 127) for b in (0, 7) for c in (0, 1)]
    assert offsets == sorted(set(offsets))
    assert all(offset % 64 == 0 for offset in offsets)
    assert offsets[-1] + 64 == LEDGER_BYTES == 1 << 17
    with pytest.raises(ValueError, match="layer 128, site 0, branch 0 is no place"):
        ledger_offset(layer=128, site=0, branch=0)


def test_the_last_site_that_mark_names_is_outside():
    assert len(SITES) <= OUTSIDE == LEDGER_SITES - 1
