from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flightvgm_arch.formats import fp16_pitch, record_pitch
from flightvgm_arch.grid import AXES, Grid
from flightvgm_sim.machine import Entry, Place

SEGMENT = {"stride": 1, "outer": 1}


def layer_norm(x):
    wide = x.astype(np.float64)
    return (wide - wide.mean(axis=1, keepdims=True)) / np.sqrt(wide.var(axis=1, keepdims=True) + 1e-6)


def quantised(v):
    """Exact quotients of FP16 rows, to nearest even."""
    out = np.zeros(v.shape, np.int8)
    for row, values in enumerate(v):
        largest = max(abs(Fraction(float(x))) for x in values)
        out[row] = [round(Fraction(float(x)) * 127 / largest) if largest else 0 for x in values]
    return out


def parts(records, k):
    """Values, scales and corrections of records."""
    return (
        records[:, :k].view(np.int8),
        records[:, -8:-4].copy().view(np.float32)[:, 0],
        records[:, -4:].copy().view(np.int32)[:, 0],
    )


def corrections(values):
    wide = np.zeros((len(values), values.shape[1] + 1), np.int64)
    wide[:, :-1] = values
    return sum(wide[:, j] * wide[:, j + 1] for j in range(0, values.shape[1], 2))


def load_parameters(op, source, count, pitch):
    return op(
        "LOADA",
        source=source,
        pitch=pitch,
        count=count,
        **SEGMENT,
        row_bytes=pitch,
        target=2,
        to_pitch=pitch,
        signals=[(1, 1)],
    )


def test_a_linear_walk_quantises_its_rows_exactly(bench, op, rng):
    """An odd width, a row of zeros and a row of subnormals."""
    x = (rng.standard_normal((9, 21)) * 10).astype(np.float16)
    x[4], x[5] = 0, 2.0**-24
    out = bench.reserve(16 * record_pitch(21))
    bench.run(op("ROWS", "quantise", x=bench.put_rows(x), out=out, width=21, first=2, count=6, base=3))
    found = bench.get(out, (16, record_pitch(21)), np.uint8)
    values, scale, correction = parts(found[3:9], 21)
    assert np.array_equal(values, quantised(x[2:8]))
    assert np.array_equal(scale, np.abs(x[2:8]).max(axis=1).astype(np.float32) / np.float32(127))
    assert np.array_equal(correction, corrections(values))
    assert not found[:3].any()
    assert not found[9:].any()
    assert bench.machine.counters.row_read_bytes == 6 * 42
    assert bench.machine.counters.row_write_bytes == 6 * record_pitch(21)


@pytest.mark.parametrize("gated", [False, True])
def test_recovery_adds_in_two_roundings_and_writes_back(bench, op, rng, gated):
    x, y = (rng.standard_normal((count, 20)).astype(np.float16) for count in (8, 3))
    gate = rng.standard_normal(20).astype(np.float32)
    number = rng.integers(0, 3, 8).astype(np.uint32)
    home, sources = bench.put_rows(x), [bench.put_rows(y), bench.put(number), bench.put(gate)]
    flags = ["add", "write_back", *(["gated"] if gated else [])]
    bench.run(
        load_parameters(op, sources[2], 1, 96),
        op("ROWS", *flags, x=home, y=sources[0], map_in=sources[1], width=20, first=1, count=6, waits=[(1, 1)]),
    )
    added = y[number].astype(np.float32) * (gate if gated else np.float32(1))
    wanted = (x.astype(np.float32) + added).astype(np.float16)
    wanted[[0, 7]] = x[[0, 7]]
    assert np.array_equal(bench.get_rows(home, 8, 20), wanted)


def test_saturations_of_the_residual_are_counted(bench, op):
    x = np.full((2, 16), 60000, np.float16)
    home, zero = bench.put_rows(x), bench.put(np.zeros(2, np.uint32))
    bench.run(op("ROWS", "add", "write_back", x=home, y=home, map_in=zero, width=16, count=2))
    assert (bench.get_rows(home, 2, 16) == 65504).all()
    assert bench.machine.counters.saturations == 32


def test_norm_and_modulation_go_to_buffer_a(bench, op, rng):
    x = rng.standard_normal((5, 24)).astype(np.float16)
    scale, shift = rng.standard_normal((2, 24)).astype(np.float32)
    bench.run(
        load_parameters(op, bench.put(np.stack((scale, shift))), 2, 96),
        op(
            "ROWS", "norm", "modulate", "quantise", "to_a", x=bench.put_rows(x), scale=0, shift=96, width=24, count=5,
            a=64, base=9, waits=[(1, 1)],
        ),
    )  # fmt: skip
    values, found, _ = parts(bench.buffer("A", 64, (5, 32), 32, np.uint8), 24)
    assert np.allclose(values * found[:, None], layer_norm(x) * scale + shift, atol=2 * found.max())


def result_rows(op, bench, rows):
    """Bring rows of small integers into the result buffer at a pitch of 64."""
    width = rows.shape[1]
    load = {"pitch": 64, **SEGMENT, "row_bytes": 2 * width, "to_pitch": 64, "heads": 1, "head_dim": width}
    unit = bench.put_rows(np.eye(width, dtype=np.float16))
    return [
        op("LOADA", source=bench.put_rows(rows), count=len(rows), **load),
        op("LOADA", source=unit, count=width, target=1, signals=[(1, 1)], **load),
        op(
            "MM", "fp16", a_pitch=64, rows=len(rows), k=width, columns=width, b_pitch=64, out_pitch=64, batch0=1,
            batch1=1, waits=[(1, 1)], signals=[(2, 1)],
        ),
    ]  # fmt: skip


def test_rows_of_the_result_buffer_are_written_back_and_quantised(bench, op, rng):
    rows = rng.integers(-50, 50, (6, 20)).astype(np.float16)
    home = bench.reserve(64 * 10)
    flags = ["from_result", "write_back", "quantise", "to_a"]
    bench.run(
        *result_rows(op, bench, rows),
        op("ROWS", *flags, x=home, width=20, first=2, count=5, result=64, result_pitch=64, waits=[(2, 1)]),
    )
    assert np.array_equal(bench.get_rows(home, 10, 20)[2:7], rows[1:])
    assert np.array_equal(parts(bench.buffer("A", 0, (5, 32), 32, np.uint8), 20)[0], quantised(rows[1:]))


def sparsified(q, grid, size, first, count, theta_group, theta_chunk):
    """The page's decision, token by token in Python's integers: kept tokens, and the kept token of each."""

    def alike(a, b, theta):
        a, b = q[a].tolist(), q[b].tolist()
        dot, aa, bb = (sum(m * n for m, n in zip(u, v, strict=True)) for u, v in ((a, b), (a, a), (b, b)))
        return dot > 0 and dot * dot * 65536 >= theta * aa * bb

    kept, root = [], {}
    for item in grid.order(**size, first=first, count=count):
        token, reference, middle = item.token, item.reference, item.middle
        if token != reference and alike(token, reference, theta_group):
            root[token] = root[reference]
        elif token != middle and root[middle] == middle and alike(token, middle, theta_chunk):
            root[token] = middle
        else:
            root[token] = token
            kept.append(token)
    return kept, root


def site(op, grid, size, **others):
    letters = "".join(grid.axes)
    return op(
        "SITE", **size, order=sum(AXES.index(letter) << 2 * place for place, letter in enumerate(letters)),
        split=len(grid.axes[0]) | len(grid.axes[1]) << 2, group=grid.group, chunk_rows=grid.chunk[0],
        chunk_columns=grid.chunk[1], **others,
    )  # fmt: skip


GRIDS = [
    Grid("t / h / w", 3, (2, 2)),
    Grid("- / t / hw", 1, (2, 1)),
    Grid("- / h / tw", 1, (2, 2)),
    Grid("t / h / w", 1, (1, 1)),
    Grid("w / t / h", 2, (3, 2)),
    Grid("tw / h / -", 4, (2, 1)),
]


@given(
    grid=st.sampled_from(GRIDS), t=st.integers(1, 4), h=st.integers(1, 5), w=st.integers(1, 5), seed=st.integers(0, 99),
    theta=st.tuples(st.integers(0, 65535), st.integers(0, 65535)), data=st.data(),
)  # fmt: skip
def test_kept_rows_are_compacted_and_the_map_names_them(make_bench, op, grid, t, h, w, seed, theta, data):
    size, width, base = {"t": t, "h": h, "w": w}, 10, 5
    bands = grid.bands(t, h, w)
    first = data.draw(st.integers(0, bands - 1))
    count = data.draw(st.integers(1, bands - first))
    rng = np.random.default_rng(seed)
    x = (rng.standard_normal((t * h * w, width)) * 0.3 + rng.integers(0, 2, (t * h * w, 1))).astype(np.float16)
    bench = make_bench()
    pitch = record_pitch(width)
    out, listed = bench.reserve((len(x) + base) * pitch), bench.put(np.full(len(x), 999, np.uint32))
    bench.run(
        op("MARK", branch=1, layer=2, site=7),
        site(op, grid, size, slot=6, theta_group=theta[0], theta_chunk=theta[1], macs=1000),
        op(
            "ROWS", "quantise", "compare", x=bench.put_rows(x), out=out, map_out=listed, width=width, first=first,
            count=count, site=6, counter=63, base=base, limit=len(x),
        ),
    )  # fmt: skip
    q = quantised(x)
    kept, root = sparsified(q, grid, size, first, count, *theta)
    assert bench.machine.counts[63] == len(kept)
    found = bench.get(out, (len(x) + base, pitch), np.uint8)
    assert np.array_equal(parts(found[base : base + len(kept)], width)[0], q[kept])
    assert not found[:base].any()
    assert not found[base + len(kept) :].any()
    wanted = np.full(len(x), 999)
    for token, own in root.items():
        wanted[token] = base + kept.index(own)
    assert np.array_equal(bench.get(listed, (len(x),), np.uint32), wanted)
    skipped = len(root) - len(kept)
    entry = Entry(len(root), len(kept), 1000 * len(root), 1000 * skipped)
    assert bench.machine.ledger.entries == {Place(1, 2, 7): entry}


def test_recovery_and_comparison_follow_the_order_of_the_site(bench, op, rng):
    """All steps in one instruction, over two segments; rows of the result buffer come in the order of the walk."""
    grid, size = Grid("t / h / w", 2, (2, 2)), {"t": 2, "h": 4, "w": 3}
    x = rng.integers(-50, 50, (24, 20)).astype(np.float16)
    y = rng.integers(-9, 9, (5, 20)).astype(np.float16)
    number = rng.integers(0, 5, 24).astype(np.uint32)
    order = [item.token for item in grid.order(**size, first=1, count=1)]
    out, listed = bench.reserve(64 * 32), bench.put(np.zeros(24, np.uint32))
    home = bench.reserve(64 * 24)
    bench.run(
        *result_rows(op, bench, x[order]),
        site(op, grid, size, theta_group=65535, theta_chunk=65535),
        op(
            "ROWS", "from_result", "add", "write_back", "quantise", "compare", limit=12, x=home, y=bench.put_rows(y),
            map_in=bench.put(number), out=out, map_out=listed, width=20, first=1, count=1, result_pitch=64, base=7,
            waits=[(2, 1)],
        ),
    )  # fmt: skip
    wanted = np.zeros((24, 20), np.float16)
    wanted[order] = (x + y[number])[order]
    assert np.array_equal(bench.get_rows(home, 24, 20), wanted)
    values = parts(bench.get(out, (64, 32), np.uint8)[7:19], 20)[0]
    assert np.array_equal(values, quantised(wanted[order]))
    assert np.array_equal(bench.get(listed, (24,), np.uint32)[order], np.arange(7, 19))


def test_a_site_is_that_of_the_last_description_before_the_walk(bench, op, rng):
    """The front end describes the slot anew while the first walk still waits."""
    x = bench.put_rows(np.ones((12, 8), np.float16))
    out, listed = bench.reserve(24 * 32), bench.reserve(48)
    walk = {"x": x, "out": out, "map_out": listed, "width": 8, "limit": 12}
    alike, distinct = {"theta_chunk": 60000}, {"theta_chunk": 60000, "slot": 0}
    bench.run(
        site(op, Grid("t / h / w", 1, (2, 2)), {"t": 1, "h": 3, "w": 4}, **alike),
        op("ROWS", "quantise", "compare", **walk, count=2, counter=1, waits=[(5, 1)]),
        site(op, Grid("t / h / w", 1, (1, 1)), {"t": 1, "h": 3, "w": 4}, **distinct),
        op("ROWS", "quantise", "compare", **walk, count=3, counter=2),
        op("SET", rd=1, value=0, signals=[(5, 1)]),
    )
    assert bench.machine.counts[1:3] == (4, 12)


def test_a_walk_over_no_bands_clears_its_count(bench, op):
    flags = ["quantise", "compare"]
    grid, size = Grid("t / h / w"), {"t": 1, "h": 2, "w": 2}
    places = {
        "x": bench.put_rows(np.zeros((4, 8), np.float16)),
        "out": bench.reserve(128),
        "map_out": bench.reserve(32),
    }
    walk = {**places, "limit": 4}
    describe = site(op, grid, size)
    bench.run(describe, op("ROWS", *flags, width=8, count=1, counter=3, **walk))
    assert bench.machine.counts[3] == 4
    bench.run(
        describe,
        op("ROWS", *flags, width=8, count=1, counter=3, **walk),
        op("ROWS", *flags, count=0, counter=3, x=1 << 35),
        op("ROWS", "write_back", count=0, x=1 << 35),
    )
    assert bench.machine.counts[3] == 0
    assert fp16_pitch(8) == 32
