from dataclasses import replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from flightvgm.compiler import CompileError
from flightvgm.compiler.network import Network
from flightvgm.compiler.target import Parameters
from flightvgm.compiler.tiling import AttentionTiling, LinearTiling, MlpTiling, frame_parts
from flightvgm_arch.formats import KEYS_AT_ONCE, bank_line, fp16_pitch, operand_bytes, record_pitch, transposed_pitch
from flightvgm_arch.presets import PRESETS

CONFIGS = st.builds(
    lambda config, a, b, r: replace(config, a_bytes=a << 12, b_bytes=b << 12, result_bytes=r << 12),
    st.sampled_from([PRESETS["TINY"], PRESETS["SMALL4"], PRESETS["V80"]]),
    *[st.sampled_from([1, 2, 4, 16, 64, 512]) for _ in range(3)],
)
NETWORKS = st.builds(
    lambda heads, head, ratio, t, h, w, text: Network(heads * head, ratio * heads * head, heads, 1, t, h, w, text),
    st.integers(1, 8), st.sampled_from([2, 10, 16, 72]), st.integers(1, 4),
    *[st.integers(1, 8) for _ in range(4)],
)  # fmt: skip


def fitted(make):
    """The tiling, unless the machine is too small for it, which is a legal answer."""
    try:
        return make()
    except CompileError:
        assume(False)


@given(CONFIGS, st.integers(1, 300), st.integers(1, 300))
def test_linear_units_fit(config, k, columns):
    tiling = fitted(lambda: LinearTiling.of(config, k, columns))
    assert tiling.rows % tiling.granule == 0
    rows = operand_bytes(tiling.rows, record_pitch(k), config.rows, config.rows)
    assert rows <= tiling.in_slot <= config.a_bytes // 2
    assert tiling.in_slot % bank_line(config.rows) == 0
    assert tiling.rows * fp16_pitch(tiling.columns) <= tiling.out_slot <= config.result_bytes // 2
    assert tiling.ring.tile_bytes * tiling.ring.depth <= config.b_bytes
    assert tiling.columns == columns or tiling.columns % config.columns == tiling.columns % 16 == 0


@given(CONFIGS, NETWORKS)
def test_mlp_units_fit(config, network):
    tiling = fitted(lambda: MlpTiling.of(config, network))
    assert 2 * (tiling.in_slot + tiling.hidden_slot) <= config.a_bytes
    assert tiling.rows * fp16_pitch(network.hidden) <= tiling.out_slot <= config.result_bytes // 2
    assert tiling.in_slot % bank_line(config.rows) == tiling.hidden_slot % bank_line(config.rows) == 0
    assert operand_bytes(tiling.rows, record_pitch(network.width), config.rows, config.rows) <= tiling.in_slot
    assert operand_bytes(tiling.rows, record_pitch(network.hidden), config.rows, config.rows) <= tiling.hidden_slot


@given(CONFIGS, NETWORKS, st.booleans())
def test_attention_passes_fit_and_cover_the_heads(config, network, batched):
    queries, keys = (network.t, network.t) if batched else (network.plane, network.plane)
    tiling = fitted(
        lambda: AttentionTiling.of(config, network, queries=queries, keys=keys, batched=batched, name="a kind of")
    )
    channels, columns = tiling.heads * network.head_dim, config.columns
    pitch, values = fp16_pitch(channels), transposed_pitch(channels, columns)
    half = tiling.keys_slot // 2
    assert half % bank_line(columns) == tiling.in_slot % bank_line(config.rows) == 0
    assert tiling.keys_slots * tiling.keys_slot <= config.b_bytes
    assert operand_bytes(keys, pitch, columns, columns) <= tiling.key_step
    assert operand_bytes(keys, values, KEYS_AT_ONCE, columns) <= tiling.value_step
    assert tiling.problems * max(tiling.key_step, tiling.value_step) <= half
    query = operand_bytes(tiling.queries, pitch, config.rows, config.rows)
    assert query <= tiling.query_step or tiling.problems == 1
    assert tiling.problems * query <= tiling.in_slot
    assert (tiling.problems - 1) * tiling.result_step + tiling.queries * pitch <= tiling.out_slot
    assert tiling.result_step >= tiling.queries * pitch or tiling.problems == 1
    following = 0
    for first, count in tiling.passes(network):
        assert first == following
        assert 2 * first * network.head_dim % 32 == 0
        following = first + count
    assert following == network.heads


@pytest.mark.parametrize(("name", "network"), [
    ("SMALL", Network(144, 576, 2, 1, 51, 12, 12, 32)),
    ("V80", Network(1152, 4608, 16, 28, 51, 15, 27, 300)),
])  # fmt: skip
def test_parameters_of_the_workloads_fit(name, network):
    assert Parameters(network).size <= PRESETS[name].parameter_bytes


def test_frames_are_cut_evenly_where_cores_outnumber_them():
    network = Network(1152, 4608, 16, 1, 19, 27, 15, 300)
    assert frame_parts(PRESETS["V80"], network) == 3
    assert frame_parts(PRESETS["SMALL"], network) == 1


def test_a_machine_that_is_too_small_is_named():
    network = Network(1152, 4608, 16, 1, 6, 8, 8, 16)
    with pytest.raises(CompileError, match=r"'TINY'.*choose a machine with larger buffers"):
        MlpTiling.of(replace(PRESETS["TINY"], result_bytes=4096), network)
    with pytest.raises(CompileError, match="scores of 128"):
        AttentionTiling.of(PRESETS["TINY"], network, queries=1, keys=200, batched=False, name="cross")
