import numpy as np
import pytest

from flightvgm_arch.errors import ErrorCode
from flightvgm_sim.machine import OUTSIDE, FaultError, Ledger, MachineError, Place

RECORDS = {"pitch": 32, "row_bytes": 32, "to_pitch": 32, "stride": 1, "outer": 1}


def layer(op, bench, rows, **mark):
    """A layer of 8 channels of 16 values on rows of zeros; MARK names where it belongs."""
    zeros = bench.reserve(512)
    return [
        op("MARK", **mark),
        op("LOADA", source=zeros, count=rows, **RECORDS, signals=[(1, 1)]),
        op("LOADW", source=zeros, tile_bytes=128, tiles=2, depth=1, gate=rows),
        op("MM", rows=rows, k=16, columns=8, a_pitch=32, out_pitch=32, batch0=1, batch1=1, waits=[(1, 1)]),
    ]


def offer(op, bench, macs):
    """A site of four alike tokens in one chunk: one is kept; MARK still names the place."""
    x = bench.put_rows(np.ones((4, 16), np.float16))
    rows = {"x": x, "out": bench.reserve(128), "map_out": bench.reserve(32), "width": 16, "count": 1, "limit": 1}
    return [
        op("SITE", t=1, h=2, w=2, order=0b100100, split=5, group=1, chunk_rows=2, chunk_columns=2, macs=macs),
        op("ROWS", "quantise", "compare", **rows),
    ]


def test_work_outside_the_sites_is_free(bench, op):
    bench.run(*layer(op, bench, 3, site=OUTSIDE))
    assert bench.machine.ledger.entries[Place(0, 0, OUTSIDE)].macs_done == 3 * 128


def test_before_the_first_mark_work_is_outside(bench, op):
    bench.run(*layer(op, bench, 2)[1:])
    assert bench.machine.ledger.entries[Place(0, 0, OUTSIDE)].macs_done == 256


def test_work_that_nobody_offered_stops_the_machine_at_the_end(bench, op):
    with pytest.raises(MachineError, match="branch 1, layer 2, site 4 offers 0 MACs but did 384, skipped 0") as caught:
        bench.run(*layer(op, bench, 3, branch=1, layer=2, site=4))
    assert caught.value.code is ErrorCode.LEDGER


def test_the_place_is_that_at_issue(bench, op):
    """The mark moves on while the product still waits."""
    program = layer(op, bench, 1, layer=1)
    program[-1] = op(
        "MM", rows=1, k=16, columns=8, a_pitch=32, out_pitch=32, batch0=1, batch1=1, waits=[(1, 1), (2, 1)]
    )
    bench.run(op("MARK", layer=1), *offer(op, bench, 128), *program, op("MARK", layer=2, signals=[(2, 1)]))
    entry = bench.machine.ledger.entries[Place(0, 1, 0)]
    assert (entry.macs_offered, entry.macs_skipped, entry.macs_done) == (512, 384, 128)


def test_the_ledger_adds_up_over_runs_and_copies_stay(bench, op):
    bench.run(*layer(op, bench, 2, site=OUTSIDE))
    first = bench.machine.ledger.copy()
    bench.run(*layer(op, bench, 5, site=OUTSIDE))
    place = Place(0, 0, OUTSIDE)
    assert first.entries[place].macs_done == 256
    assert bench.machine.ledger.entries[place].macs_done == 896


def test_the_law_names_the_place():
    ledger = Ledger()
    entry = ledger.at(Place(1, 5, 3))
    entry.macs_offered, entry.macs_done, entry.macs_skipped = 100, 40, 60
    ledger.check()
    entry.macs_done = 41
    with pytest.raises(FaultError, match="branch 1, layer 5, site 3 offers 100 MACs but did 41, skipped 60"):
        ledger.check()
