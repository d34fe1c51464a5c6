import numpy as np
import pytest

from flightvgm_arch.formats import operand_bytes

SEGMENT = {"stride": 1, "outer": 1}


def rows_to(op, source, count, pitch, target, *flags, **others):
    return op(
        "LOADA", *flags, source=source, pitch=pitch, count=count, target="AB".index(target), to_pitch=pitch,
        **{**SEGMENT, "row_bytes": pitch, **others},
    )  # fmt: skip


def test_fp16_products_run_in_two_batch_loops(bench, op, rng):
    """Six problems over rows of one head: a[o, i, r] with b[o, i, c], results of the inner loop side by side."""
    a, b = (rng.integers(-60, 60, (rows, 8)).astype(np.float16) for rows in (18, 30))
    heads = {"heads": 1, "head_dim": 8}
    bench.run(
        rows_to(op, bench.put_rows(a), 3, 32, "A", **heads, outer=6, outer_stride=3, to_outer=128),
        rows_to(op, bench.put_rows(b), 5, 32, "B", **heads, outer=6, outer_stride=5, to_outer=256, signals=[(1, 1)]),
        op(
            "MM", "fp16", a_pitch=32, rows=3, k=8, columns=5, b_pitch=32, out_pitch=32, batch0=3, da0=128, db0=256,
            dout0=10, batch1=2, da1=384, db1=768, dout1=96, waits=[(1, 1)],
        ),
    )  # fmt: skip
    found = bench.buffer("R", 0, (6, 15), 32, np.float16).reshape(2, 3, 3, 5)
    wanted = np.einsum("oirk,oick->oric", a.reshape(2, 3, 3, 8).astype(int), b.reshape(2, 3, 5, 8).astype(int))
    assert np.array_equal(found, wanted.astype(np.float16))
    assert bench.machine.counters.fp16_macs == 18 * 5 * 8


def attended(q, k, v, heads):
    """Softmax in powers of two, in float64; q, k and v are [problem, row, heads * dim]."""
    split = [x.astype(np.float64).reshape(*x.shape[:2], heads, -1).swapaxes(1, 2) for x in (q, k, v)]
    scores = split[0] @ split[1].swapaxes(-1, -2)
    p = np.exp2(scores - scores.max(axis=-1, keepdims=True))
    return (p / p.sum(axis=-1, keepdims=True) @ split[2]).swapaxes(1, 2).reshape(q.shape)


@pytest.mark.parametrize(
    ("batch", "rows", "keys", "heads", "dim"), [(1, 5, 7, 2, 8), (3, 1, 1, 1, 6), (2, 4, 128, 3, 5)]
)
@pytest.mark.parametrize("transposed", [False, True])
def test_attention_of_problems_and_heads(bench, op, rng, batch, rows, keys, heads, dim, transposed):
    width = heads * dim
    pitch = -(-2 * width // 32) * 32
    q, k, v = (rng.standard_normal((batch, count, width)).astype(np.float16) for count in (rows, keys, keys))
    sources = [bench.put_rows(x.reshape(-1, width)) for x in (q, k, v)]
    values, prepared = 32768, {"heads": heads, "head_dim": dim, "outer": batch, "row_bytes": 2 * width}
    steps = [
        operand_bytes(count, pitch, unit, banks) for count, unit, banks in ((rows, 2, 2), (keys, 4, 4), (keys, 16, 4))
    ]
    loops = [
        {**prepared, "outer_stride": count, "to_outer": step}
        for count, step in zip((rows, keys, keys), steps, strict=True)
    ]
    bench.run(
        rows_to(op, sources[0], rows, pitch, "A", **loops[0]),
        rows_to(op, sources[1], keys, pitch, "B", **loops[1]),
        rows_to(op, sources[2], keys, pitch, "B", "transposed", to=values, **loops[2], signals=[(1, 1)]),
        op(
            "ATTN", *(["transposed"] if transposed else []), k=0, v=values, q_pitch=pitch, k_pitch=pitch, v_pitch=pitch,
            out_pitch=pitch, rows=rows, keys=keys, heads=heads, head_dim=dim, batch=batch, dq=steps[0],
            dk=steps[1], dv=steps[2], dout=rows * pitch, waits=[(1, 1)],
        ),
    )  # fmt: skip
    found = bench.buffer("R", 0, (batch * rows, width), pitch, np.float16).reshape(q.shape)
    assert np.allclose(found, attended(q, k, v, heads), rtol=2e-3, atol=2e-3)
    assert bench.machine.counters.fp16_macs == 2 * batch * rows * keys * width


def test_keys_beyond_the_count_are_not_seen_and_none_gives_zeros(bench, op, rng):
    q, k, v = (rng.standard_normal((count, 16)).astype(np.float16) for count in (3, 9, 9))
    k[5:], v[5:] = 60000, 60000
    sources = [bench.put_rows(x) for x in (q, k, v)]
    fields = {
        "v": 4096, "q_pitch": 32, "k_pitch": 32, "v_pitch": 32, "out_pitch": 32, "rows": 3, "heads": 2, "head_dim": 8,
        "batch": 1,
    }  # fmt: skip
    heads = {"heads": 2, "head_dim": 8}
    loads = [
        rows_to(op, sources[0], 3, 32, "A", **heads),
        rows_to(op, sources[1], 9, 32, "B", **heads),
        rows_to(op, sources[2], 5, 32, "B", "transposed", to=4096, **heads, signals=[(1, 1)]),
    ]
    bench.run(*loads, op("ATTN", keys=5, **fields, waits=[(1, 1)]), op("ATTN", **{**fields, "rows": 0}, keys=5))
    wanted = attended(q[None], k[None, :5], v[None, :5], 2)[0]
    assert np.allclose(bench.buffer("R", 0, (3, 16), 32, np.float16), wanted, rtol=2e-3, atol=2e-3)
    bench.run(*loads, op("ATTN", keys=5, **fields, waits=[(1, 1)]), op("ATTN", keys=0, **fields))
    assert not bench.buffer("R", 0, (3, 16), 32, np.float16).any()
