import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

WIDTH = 18


def to_result(op, source, count):
    """Bring exact FP16 rows into the result buffer: a product with the identity."""
    return [
        op(
            "LOADA", source=source, pitch=64, count=count, stride=1, outer=1, row_bytes=2 * WIDTH, to_pitch=64,
            heads=1, head_dim=WIDTH,
        ),
        op(
            "LOADA", source=source + 64 * count, pitch=64, count=WIDTH, stride=1, outer=1, row_bytes=2 * WIDTH,
            target=1, to_pitch=64, heads=1, head_dim=WIDTH, signals=[(1, 1)],
        ),
        op(
            "MM", "fp16", a_pitch=64, rows=count, k=WIDTH, columns=WIDTH, b_pitch=64, out=64, out_pitch=64, batch0=1,
            batch1=1, waits=[(1, 1)], signals=[(2, 1)],
        ),
    ]  # fmt: skip


@given(
    start=st.integers(0, 5), stride=st.integers(1, 3), outer=st.integers(1, 3), gap=st.integers(0, 4),
    scattered=st.booleans(), step=st.integers(0, 3),
)  # fmt: skip
def test_rows_go_by_two_loops_and_a_list(make_bench, op, start, stride, outer, gap, scattered, step):
    rng = np.random.default_rng(3)
    bench, count = make_bench(), 3
    rows = rng.integers(-1000, 1000, (count * outer, WIDTH)).astype(np.float16)
    source = bench.put_rows(np.vstack((rows, np.eye(WIDTH, dtype=np.float16))))
    outer_stride = count * stride + gap
    numbers = np.array([start + o * outer_stride + i * stride for o in range(outer) for i in range(count)])
    listed = rng.permutation(64).astype(np.uint32)
    chosen, out = bench.put(listed), bench.reserve(64 * 64)
    bench.run(
        *to_result(op, source, len(rows)),
        op(
            "STORE", *(["scattered"] if scattered else []), result=64, result_pitch=64,
            result_outer=64 * step, to=out, pitch=64, start=start, count=count, stride=stride, outer=outer,
            outer_stride=outer_stride, row_bytes=2 * WIDTH, list=chosen, waits=[(2, 1)],
        ),
    )  # fmt: skip
    wanted = np.zeros((64, 32), np.float16)
    taken = [o * step + i for o in range(outer) for i in range(count)]
    wanted[listed[numbers] if scattered else numbers, :WIDTH] = rows[taken]
    assert np.array_equal(bench.get(out, (64, 32), np.float16), wanted)
    assert bench.machine.counters.store_bytes == 2 * WIDTH * len(taken)


@pytest.mark.parametrize("empty", [{"count": 0}, {"outer": 0}])
def test_a_store_of_no_rows_does_nothing_but_signal(bench, op, empty):
    target = bench.reserve(32)
    bench.run(
        op("STORE", to=1 << 30, **{"count": 4, "outer": 4, **empty}, signals=[(1, 1)]),
        op("FILL", to=target, count=1, value=1, waits=[(1, 1)]),
        op("FILL", to=1 << 30, count=0),
    )
    assert bench.get(target, (1,), np.uint32)[0] == 1


def test_fill_writes_whole_words_of_32_bytes(bench, op):
    target = bench.reserve(128)
    bench.run(op("FILL", to=target + 32, count=2, value=0xDEADBEEF))
    assert bench.get(target, (4, 8), np.uint32)[:, 3].tolist() == [0, 0xDEADBEEF, 0xDEADBEEF, 0]
