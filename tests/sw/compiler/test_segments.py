from hypothesis import given
from hypothesis import strategies as st

from flightvgm.compiler.segments import SEGMENTS_MOST, Segments
from flightvgm_arch.grid import Grid

SLOTS = st.sampled_from(["t / h / w", "- / t / hw", "- / h / tw", "h / t / w", "thw / - / -", "- / - / hwt"])
EXTENT = st.integers(1, 7)


@given(SLOTS, st.integers(1, 4), st.tuples(st.integers(1, 3), st.integers(1, 3)), EXTENT, EXTENT, EXTENT)
def test_segments_cover_the_bands_and_hold_their_tokens(slots, group, chunk, t, h, w):
    grid = Grid(slots, group, chunk)
    segments = Segments.of(grid, t, h, w)
    assert 1 <= len(segments.bands) <= SEGMENTS_MOST
    following = 0
    for first, count in segments.bands:
        assert first == following
        assert count >= 1
        following = first + count
        tokens = sum(1 for _ in grid.order(t=t, h=h, w=w, first=first, count=count))
        assert tokens <= segments.stride
    assert following == grid.bands(t, h, w)


def test_large_videos_have_enough_segments_for_six_cores():
    for slots, chunk in (("t / h / w", (2, 1)), ("- / t / hw", (2, 1)), ("- / h / tw", (2, 2))):
        assert len(Segments.of(Grid(slots, 1, chunk), 19, 27, 15).bands) >= 6
