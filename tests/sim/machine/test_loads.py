import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flightvgm_arch.formats import NORM_EPSILON

WIDTH = 22  # FP16 values of a row: 44 bytes at a pitch of 64.
PLAIN = {"stride": 1, "outer": 1}


@st.composite
def loops(draw):
    names = {"start": (0, 4), "count": (1, 4), "stride": (0, 3), "outer": (1, 3), "outer_stride": (0, 5)}
    return {name: draw(st.integers(*bounds)) for name, bounds in names.items()}


def visited(start, count, stride, outer, outer_stride):
    return [start + o * outer_stride + i * stride for o in range(outer) for i in range(count)]


@given(fields=loops(), mapped=st.booleans(), target=st.sampled_from(["A", "B", "P"]), gap=st.integers(0, 2))
def test_rows_come_by_two_loops_and_a_map(make_bench, op, fields, mapped, target, gap):
    rng = np.random.default_rng(1)
    bench, rows = make_bench(), rng.standard_normal((24, WIDTH)).astype(np.float16)
    chosen = rng.permutation(24).astype(np.uint32)
    source, listed = bench.put_rows(rows), bench.put(chosen)
    places = 4 + 4 * gap  # Rows between two problems, which begin on bank 0.
    bench.run(
        op(
            "LOADA", *(["mapped"] if mapped else []), source=source, pitch=64, **fields, row_bytes=2 * WIDTH,
            map=listed, target="ABP".index(target), to=128, to_pitch=128, to_outer=128 * places,
        )
    )  # fmt: skip
    wanted = visited(**fields)
    found = bench.buffer(target, 128, (3 * places, WIDTH), 128, np.float16)
    found = found.reshape(3, places, WIDTH)[: fields["outer"], : fields["count"]].reshape(-1, WIDTH)
    assert np.array_equal(found, rows[chosen[wanted] if mapped else wanted])
    assert bench.machine.counters.load_bytes == 2 * WIDTH * len(wanted)


@pytest.mark.parametrize("empty", [{"count": 0}, {"outer": 0}])
def test_a_load_of_no_rows_does_nothing_but_signal(bench, op, empty):
    target = bench.reserve(32)
    bench.run(
        op("LOADA", source=1 << 30, row_bytes=1, **{"count": 4, "outer": 4, **empty}, signals=[(1, 1)]),
        op("FILL", to=target, count=1, value=1, waits=[(1, 1)]),
    )
    assert bench.get(target, (1,), np.uint32)[0] == 1


def test_bytes_between_rows_of_the_target_stay(bench, op):
    first = bench.put(np.full(128, 1, np.uint8))
    second = bench.put(np.full(128, 2, np.uint8))
    bench.run(
        op("LOADA", source=first, pitch=64, count=2, **PLAIN, row_bytes=64, to_pitch=64),
        op("LOADA", source=second, pitch=64, count=2, **PLAIN, row_bytes=34, to_pitch=64),
    )
    found = bench.machine.buffer(0, "A")[:128].reshape(2, 64)
    assert (found[:, :34] == 2).all()
    assert (found[:, 34:] == 1).all()


def normed(rows, heads, weight):
    wide = rows[:, : heads * len(weight)].astype(np.float64).reshape(len(rows), heads, -1)
    return wide / np.sqrt((wide**2).mean(axis=-1, keepdims=True) + NORM_EPSILON) * weight


def test_head_norms_leave_the_other_channels(bench, op, rng):
    rows = (rng.standard_normal((5, WIDTH)) * 3).astype(np.float16)
    weight = rng.standard_normal(6).astype(np.float32)
    source, parameters = bench.put_rows(rows), bench.put(weight)
    bench.run(
        op(
            "LOADA", source=parameters, pitch=32, count=1, **PLAIN, row_bytes=24, target=2, to=64, to_pitch=32,
            signals=[(1, 1)],
        ),
        op(
            "LOADA", source=source, pitch=64, count=5, **PLAIN, row_bytes=44, to_pitch=64, transform=1, heads=3,
            head_dim=6, norm=64, waits=[(1, 1)],
        ),
    )  # fmt: skip
    found = bench.buffer("A", 0, (5, WIDTH), 64, np.float16)
    assert np.array_equal(found[:, 18:], rows[:, 18:])
    assert np.allclose(found[:, :18].reshape(5, 3, 6), normed(rows, 3, weight), rtol=2**-10, atol=1e-6)


@pytest.mark.parametrize("position", ["inner", "outer"])
def test_rotation_takes_the_position_of_a_loop(bench, op, rng, position):
    """Rows of 4 positions times 3 places, loaded from a place-major tensor; all heads share the table."""
    rows = rng.standard_normal((12, 16)).astype(np.float16)
    weight = rng.standard_normal(8).astype(np.float32)
    angle = rng.uniform(0, 6, (4, 4))
    table = np.stack((np.cos(angle), np.sin(angle)), axis=-1).astype(np.float32)
    source, norm, rope = bench.put_rows(rows), bench.put(weight), bench.put(table)
    inner, outer = (4, 3) if position == "inner" else (3, 4)
    load = {"target": 2, "count": 1, **PLAIN, "pitch": 32}
    bench.run(
        op("LOADA", source=norm, row_bytes=32, to_pitch=32, **load),
        op("LOADA", source=rope, row_bytes=128, to=32, to_pitch=128, **load, signals=[(1, 1)]),
        op(
            "LOADA", source=source, pitch=32, count=inner, stride=1, outer=outer, outer_stride=inner, row_bytes=32,
            target=1, to_pitch=32, to_outer=128, transform=2, heads=2, head_dim=8, norm=0, rope=32,
            position=int(position == "outer"), waits=[(1, 1)],
        ),
    )  # fmt: skip
    at = np.arange(12) % inner if position == "inner" else np.arange(12) // inner
    pairs = normed(rows, 2, weight).reshape(12, 2, 4, 2)
    turned = (pairs[..., 0] + 1j * pairs[..., 1]) * np.exp(1j * angle[at])[:, None]
    wanted = np.stack((turned.real, turned.imag), axis=-1).reshape(12, 16)
    found = bench.buffer("B", 0, (4 * outer, 16), 32, np.float16).reshape(outer, 4, 16)[:, :inner].reshape(12, 16)
    assert np.allclose(found, wanted, rtol=2**-10, atol=2e-3)


def test_saturations_of_a_transform_are_counted(bench, op):
    rows = np.ones((2, 16), np.float16)
    source, norm = bench.put_rows(rows), bench.put(np.full(16, 1e6, np.float32))
    bench.run(
        op("LOADA", source=norm, pitch=64, count=1, **PLAIN, row_bytes=64, target=2, to_pitch=64, signals=[(1, 1)]),
        op(
            "LOADA", source=source, pitch=32, count=2, **PLAIN, row_bytes=32, to_pitch=32, transform=1, heads=1,
            head_dim=16, waits=[(1, 1)],
        ),
    )  # fmt: skip
    assert bench.machine.counters.saturations == 32
    assert (bench.buffer("A", 0, (2, 16), 32, np.float16) == 65504).all()
