"""What products demand of their operands: how they were prepared, and where they begin."""

from dataclasses import replace

import pytest

from flightvgm_arch.presets import TINY
from flightvgm_sim.machine import FaultError, MachineError
from flightvgm_sim.machine.operands import Layout, OperandBuffer

HOME = 4096  # The bench's window begins here and has 1 MiB.
PRODUCT = {"rows": 2, "k": 16, "columns": 4, "batch0": 1, "batch1": 1, "a_pitch": 32, "b_pitch": 32, "out_pitch": 32}
ATTEND = {
    "rows": 2, "keys": 2, "heads": 1, "head_dim": 16, "batch": 1, "q_pitch": 32, "k_pitch": 32, "v_pitch": 32,
    "out_pitch": 32, "v": 128,
}  # fmt: skip
TILES = {"source": HOME, "tile_bytes": 128, "tiles": 1, "depth": 1, "gate": 1}


def prepared(op, target, to, *flags, **others):
    pitches = {"pitch": 32, "row_bytes": 32, "to_pitch": 32}
    rows = {"count": 2, "stride": 1, "outer": 1, "heads": 1, "head_dim": 16, **pitches, **others}
    return op("LOADA", *flags, source=HOME, **rows, target=target, to=to, signals=[(1, 1)])


@pytest.mark.parametrize(
    ("q", "k", "v", "text"),
    [
        ({}, {}, {"flags": ()}, "operand v of attention at 0x80 of buffer B lies in FP16 rows; load V with flag"),
        ({}, {"flags": ("transposed",)}, {}, "operand k of attention at 0x0 of buffer B was loaded with flag"),
        ({"heads": 0, "head_dim": 0}, {}, {}, "operand q of attention at 0x0 of buffer A was loaded as bytes"),
        ({"heads": 2, "head_dim": 8}, {}, {}, "operand q .* was prepared for 2 heads of 8, not 1 of 16; load it with"),
        ({}, {"head_dim": 8}, {}, "operand k .* was prepared for 1 heads of 8, not 1 of 16"),
        ({}, {}, {"count": 4}, "operand v .* was prepared for 4 keys of a problem, not 2; load as many as are valid"),
        ({}, {}, {"count": 1, "outer": 2, "to_outer": 512}, "operand v .* was prepared for 1 keys of a problem, not 2"),
    ],
)
def test_attention_wants_operands_that_were_prepared_for_it(bench, op, q, k, v, text):
    loads = []
    for target, to, own in ((0, 0, q), (1, 0, k), (1, 128, {"flags": ("transposed",)} | v)):
        fields = {key: value for key, value in own.items() if key != "flags"}
        loads.append(prepared(op, target, to, *own.get("flags", ()), **fields))
    with pytest.raises(MachineError, match=text):
        bench.run(*loads, op("ATTN", **ATTEND, waits=[(1, 3)]))


def test_attention_begins_where_a_problem_was_loaded(bench, op):
    loads = prepared(op, 0, 0), prepared(op, 1, 0, count=8), prepared(op, 1, 256, "transposed", count=8)
    with pytest.raises(MachineError, match="operand v .* does not begin where a row and a problem were loaded"):
        bench.run(*loads, op("ATTN", **{**ATTEND, "keys": 8, "v": 384}, waits=[(1, 3)]))


def test_transposed_rows_are_their_heads_and_go_round_the_banks(make_bench, op):
    with pytest.raises(MachineError, match="a transposed row has its heads only, 24 bytes"):
        make_bench().run(prepared(op, 1, 0, "transposed", head_dim=12))
    bench = make_bench(replace(TINY, columns=24))
    with pytest.raises(
        MachineError, match="1 transposed heads of 16 need a pitch of 64, not 32, to go round the banks"
    ):
        bench.run(prepared(op, 1, 0, "transposed"))


def test_a_load_owns_the_rows_up_to_whole_banks(bench, op):
    """The third row of A goes with a fourth one, which was an operand before."""
    loads = prepared(op, 0, 0, count=4), prepared(op, 0, 0, count=1), prepared(op, 1, 0, count=4)
    product = op("MM", "fp16", **PRODUCT, waits=[(1, 3)])
    with pytest.raises(MachineError, match="the FP16 row operand at 0x0 of buffer A was never loaded"):
        bench.run(*loads, product)


def test_a_product_wants_one_head_of_its_depth_or_records(bench, op):
    product = op("MM", "fp16", **PRODUCT, waits=[(1, 2)])
    with pytest.raises(MachineError, match="the FP16 row operand .* was prepared for 2 heads of 8, not 1 of 16"):
        bench.run(prepared(op, 0, 0, heads=2, head_dim=8), prepared(op, 1, 0), product)
    with pytest.raises(MachineError, match="the FP16 column operand at 0x0 of buffer B was loaded as bytes"):
        bench.run(prepared(op, 0, 0), prepared(op, 1, 0, heads=0, head_dim=0), product)
    with pytest.raises(MachineError, match="a record at 0x0 of buffer A lies in FP16 rows; .* records without heads"):
        bench.run(prepared(op, 0, 0), op("LOADW", **TILES), op("MM", **PRODUCT, waits=[(1, 1)]))


def test_operands_that_tiles_destroy_are_refused(bench, op):
    ring = op("LOADW", **TILES, waits=[(1, 2)], signals=[(2, 1)])
    product = op("MM", "fp16", **PRODUCT, b=0, waits=[(2, 1)])
    with pytest.raises(MachineError, match="was overwritten by weight tiles; move the ring"):
        bench.run(prepared(op, 0, 0), prepared(op, 1, 0, count=4), ring, product)


@pytest.mark.parametrize(
    ("layout", "keys", "wanted"),
    [(Layout.ROWS, 5, 4608), (Layout.BYTES, 25, 9216), (Layout.TRANSPOSED, 5, 3072), (Layout.TRANSPOSED, 17, 6144)],
)
def test_rows_take_whole_rounds_of_the_banks_and_keys_the_array_s_steps(layout, keys, wanted):
    """24 banks, 16 keys in a word, a pitch of 192: 24 and 48 rows, 16 and 32 keys."""
    buffer = OperandBuffer("B", 8192, banks=24)
    assert buffer.extent(((1, 0), (keys, 192)), layout) == wanted


def test_a_buffer_ends_with_its_last_whole_round_of_the_banks():
    buffer = OperandBuffer("B", 4096, banks=24)
    buffer.check(3072, (), 768)
    with pytest.raises(FaultError, match="ends at byte 3841 of buffer B, which has 3840 for whole rows of banks"):
        buffer.check(3072, (), 769)


def test_attention_begins_where_a_row_was_loaded(bench, op):
    """Rows of two lines, of which the second ones are not the first ones of anything."""
    wide = {"pitch": 64, "row_bytes": 64, "to_pitch": 64}
    loads = prepared(op, 0, 0), prepared(op, 1, 0, **wide, count=8), prepared(op, 1, 512, "transposed")
    with pytest.raises(MachineError, match="operand k .* does not begin where a row and a problem were loaded"):
        bench.run(*loads, op("ATTN", **{**ATTEND, "v": 512}, waits=[(1, 3)]))
