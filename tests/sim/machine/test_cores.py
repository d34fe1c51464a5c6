"""A layer with sparsification, on one core and on several, in the fixed order and in random ones."""

from dataclasses import replace

import numpy as np
import pytest

from flightvgm_arch.formats import record_pitch
from flightvgm_arch.isa import Reg
from flightvgm_arch.presets import TINY
from flightvgm_sim.golden.records import pack_tiles
from flightvgm_sim.machine import Entry, MachineError, Place

T, H, W, WIDTH = 2, 4, 5, 24
TOKENS, BANDS = T * H * W, 4
STRIDE = 10  # Rows of a band.
SEGMENT, UNITS, TOKEN_RANGES = range(3)
START, COUNT = 1, 2
IN_FREE, IN_FULL, OUT_FREE, OUT_FULL = range(4)
ALL = 0xFFFF


def tensors():
    rng = np.random.default_rng(11)
    x = (rng.standard_normal((TOKENS, WIDTH)) * 0.4 + rng.integers(-1, 2, (TOKENS, 1))).astype(np.float16)
    w = rng.integers(-127, 128, (WIDTH, WIDTH)).astype(np.int8)
    return x, w, rng.uniform(1e-3, 2e-3, WIDTH).astype(np.float32), rng.standard_normal(WIDTH).astype(np.float32)


def compare(op, x, records, listed):
    """Each band is a segment; whichever core takes it."""
    program = [
        op("SITE", t=T, h=H, w=W, order=0b100100, split=5, group=1, chunk_rows=2, chunk_columns=2, theta_chunk=50000,
           macs=WIDTH * WIDTH),
        op("MARK", branch=1, layer=3, site=2),
    ]  # fmt: skip
    for band in range(BANDS):
        program += [
            op("OPEN", "static", pool=SEGMENT, rows=1, largest=1, granule=1),
            op("TILE", "branch", pool=SEGMENT, start=START, count=COUNT, target=len(program) + 4),
            op("ROWS", "quantise", "compare", x=x, out=records, map_out=listed, width=WIDTH, first=band,
               count=Reg(COUNT), counter=band, base=band * STRIDE, limit=STRIDE),
            op("LOOP", target=len(program) + 1),
        ]  # fmt: skip
    return program


def linear(op, records, tiles, count, y, *, place, cut=None):
    """Units of counted rows through INT8; ``cut`` leaves one wait out."""
    pitch = record_pitch(WIDTH)
    waits = {"load": [(IN_FREE, 1)], "product": [(IN_FULL, 1), (OUT_FREE, 1)], "store": [(OUT_FULL, 1)]}
    if cut:
        waits[cut] = waits[cut][1:]
    unit = {"start": Reg(START), "count": Reg(COUNT), "stride": 1, "outer": 1}
    loop = place + 3
    return [
        op("SET", signals=[(IN_FREE, 1), (OUT_FREE, 1)]),
        op("BARRIER", cores=ALL),
        op("OPEN", pool=UNITS, counter=0, segments=BANDS, stride=STRIDE, largest=4, granule=2),
        op("TILE", "branch", pool=UNITS, start=START, count=COUNT, target=loop + 6),
        op("LOADW", source=tiles, tile_bytes=count[1], tiles=count[0], depth=2, gate=Reg(COUNT)),
        op("LOADA", source=records, pitch=pitch, **unit, row_bytes=pitch, to_pitch=pitch, waits=waits["load"],
           signals=[(IN_FULL, 1)]),
        op("MM", a_pitch=pitch, rows=Reg(COUNT), k=WIDTH, columns=WIDTH, out_pitch=64, batch0=1, batch1=1,
           waits=waits["product"], signals=[(IN_FREE, 1), (OUT_FULL, 1)]),
        op("STORE", result_pitch=64, to=y, pitch=64, **unit, row_bytes=2 * WIDTH, waits=waits["store"],
           signals=[(OUT_FREE, 1)]),
        op("LOOP", target=loop),
        op("BARRIER", cores=ALL),
    ]  # fmt: skip


def recover(op, x, y, listed, place):
    return [
        op("OPEN", "static", pool=TOKEN_RANGES, rows=TOKENS, largest=8, granule=8),
        op("TILE", "branch", pool=TOKEN_RANGES, start=START, count=COUNT, target=place + 4),
        op("ROWS", "add", "write_back", x=x, y=y, map_in=listed, width=WIDTH, first=Reg(START), count=Reg(COUNT)),
        op("LOOP", target=place + 1),
    ]


def layer(make_bench, op, *, cores=1, seed=None, cut=None):
    """Run the layer; the bench, and where x and the map lie."""
    values, w, scale, bias = tensors()
    bench = make_bench(replace(TINY, cores=cores), seed=seed)
    packed = pack_tiles(w, scale, bias, TINY.columns)
    x, tiles = bench.put_rows(values), bench.put(packed)
    records, listed = bench.reserve(BANDS * STRIDE * record_pitch(WIDTH)), bench.put(np.zeros(TOKENS, np.uint32))
    y = bench.reserve(BANDS * STRIDE * 64)
    program = compare(op, x, records, listed)
    program += linear(op, records, tiles, packed.shape, y, place=len(program), cut=cut)
    program += recover(op, x, y, listed, len(program))
    bench.run(*program)
    return bench, x, listed


def image(bench):
    return bench.get(bench.BASE, (1 << 20,), np.uint8)


@pytest.fixture(scope="module")
def single(make_bench, op):
    return layer(make_bench, op)


def test_the_layer_is_right_for_kept_tokens(single):
    bench, x, listed = single
    values, w, scale, bias = tensors()
    wide = values.astype(np.float64)
    exact = wide + wide @ (w * scale[:, None]).T + bias
    number = bench.get(listed, (TOKENS,), np.uint32)
    kept = np.flatnonzero([np.count_nonzero(number == n) == 1 for n in number])
    assert 0 < len(kept) < TOKENS
    assert np.abs(bench.get_rows(x, TOKENS, WIDTH) - exact)[kept].max() < 0.05


def test_the_ledger_accounts_for_every_row(single):
    bench = single[0]
    kept = sum(bench.machine.counts[:BANDS])
    macs = WIDTH * WIDTH
    wanted = Entry(TOKENS, kept, TOKENS * macs, (TOKENS - kept) * macs, kept * macs)
    assert bench.machine.ledger.entries == {Place(1, 3, 2): wanted}
    assert bench.machine.counters.int8_macs == kept * macs


@pytest.mark.parametrize("cores", [2, 3, 5])
def test_several_cores_run_the_program_of_one(make_bench, op, single, cores):
    bench = layer(make_bench, op, cores=cores)[0]
    assert np.array_equal(image(bench), image(single[0]))
    assert bench.machine.ledger.entries == single[0].machine.ledger.entries
    assert bench.machine.counters.weight_bytes > 0


@pytest.mark.parametrize("cores", [1, 2, 4])
def test_any_order_of_the_queues_leaves_the_same_memory(make_bench, op, single, cores):
    for seed in range(4):
        assert np.array_equal(image(layer(make_bench, op, cores=cores, seed=seed)[0]), image(single[0]))


@pytest.mark.parametrize("cut", ["load", "product", "store"])
def test_a_random_order_finds_a_missing_wait(make_bench, op, single, cut):
    def harmed(seed):
        try:
            return not np.array_equal(image(layer(make_bench, op, seed=seed, cut=cut)[0]), image(single[0]))
        except MachineError:
            return True

    assert any(harmed(seed) for seed in range(12))


def test_a_barrier_holds_until_all_cores_have_come(make_bench, op):
    """One core takes the only unit and fills memory behind a barrier that the other must not pass before."""
    for seed in range(6):
        bench = make_bench(replace(TINY, cores=2), seed=seed)
        target, copy = bench.reserve(64), bench.reserve(64)
        fetch = {"source": target, "pitch": 32, "row_bytes": 32, "to_pitch": 32, "count": 1, "outer": 1}
        bench.run(
            op("OPEN", "static", pool=0, rows=1, largest=1, granule=1),
            op("TILE", "branch", pool=0, start=START, count=COUNT, target=4),
            op("FILL", to=target, count=1, value=7),
            op("LOOP", target=1),
            op("BARRIER", cores=0b111),
            op("LOADA", **fetch),
            op("BARRIER", cores=0b1),
            op("FILL", to=copy, count=1, value=9),
        )
        assert [bench.machine.buffer(core, "A")[0] for core in range(2)] == [7, 7]
        assert bench.get(copy, (1,), np.uint32)[0] == 9


def test_a_barrier_in_a_loop_keeps_cores_in_step(make_bench, op):
    for seed in range(6):
        bench = make_bench(replace(TINY, cores=3), seed=seed)
        bench.run(op("SET", rd=1, value=5), op("BARRIER", cores=0b111), op("LOOP", rd=1, target=1))
        assert bench.machine.counters.instructions["front"] == 3 * 12


def test_a_core_that_never_comes_is_a_deadlock(make_bench, op):
    bench = make_bench(replace(TINY, cores=2))
    with pytest.raises(MachineError, match="core 0: the front end for its queues or the other cores"):
        bench.run(
            op("OPEN", "static", pool=0, rows=1, largest=1, granule=1),
            op("TILE", "branch", pool=0, start=START, count=COUNT, target=3),
            op("BARRIER", cores=0b11),
        )


def test_a_pool_that_is_not_emptied_cannot_be_opened_again(bench, op):
    opening = op("OPEN", "static", pool=0, rows=2, largest=1, granule=1)
    with pytest.raises(MachineError, match="cores that have not emptied the pool"):
        bench.run(opening, op("TILE", pool=0, start=START, count=COUNT), opening)
