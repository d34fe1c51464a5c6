import pytest

from flightvgm_rtl.array.grid import Grid
from harness.run import run_bench


@pytest.mark.parametrize(
    ("rows", "columns", "depth", "segments"), [(2, 4, 1, 1), (2, 6, 4, 3), (3, 4, 2, 2), (8, 8, 2, 1)]
)
def test_grid(rows, columns, depth, segments):
    grid = Grid(rows=rows, columns=columns, depth=depth, segments=segments)
    run_bench(
        grid,
        "rtl.array.bench_grid",
        rows=rows,
        columns=columns,
        depth=depth,
        segments=segments,
        latency=grid.latency,
        tiles=4 if columns == 8 else 12,
    )


def test_segments_divide_columns():
    with pytest.raises(ValueError, match="8 columns cannot be drained by 3 segments"):
        Grid(rows=2, columns=8, depth=1, segments=3)
