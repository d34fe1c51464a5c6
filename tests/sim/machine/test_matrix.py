from dataclasses import replace

import numpy as np
import pytest

from flightvgm_arch.formats import record_pitch, tile_bytes
from flightvgm_arch.presets import TINY
from flightvgm_sim.machine import MachineError

SEGMENT = {"stride": 1, "outer": 1}
ONCE = {"batch0": 1, "batch1": 1}


def records(values, scale):
    """INT8 records by hand."""
    rows, k = values.shape
    pitch = record_pitch(k)
    out = np.zeros((rows, pitch), np.uint8)
    out[:, :k] = values.view(np.uint8)
    wide = np.zeros((rows, k + k % 2), np.int32)
    wide[:, :k] = values
    out[:, -8:-4] = scale.astype(np.float32).reshape(-1, 1).view(np.uint8)
    out[:, -4:] = (wide[:, 0::2] * wide[:, 1::2]).sum(axis=1, dtype=np.int32).reshape(-1, 1).view(np.uint8)
    return out


def tiles(weights, scale, bias, columns=4):
    """Weight tiles by hand."""
    channels, k = weights.shape
    count = -(-channels // columns)
    out = np.zeros((count, tile_bytes(columns, k)), np.uint8)
    for channel in range(channels):
        tile, place = divmod(channel, columns)
        row = weights[channel]
        correction = sum(int(row[j]) * int(row[j + 1]) for j in range(0, k - 1, 2))
        for low in range(0, k, 16):
            piece = row[low : low + 16].view(np.uint8)
            first = columns * low + 16 * place
            out[tile, first : first + len(piece)] = piece
        meta = columns * -(-k // 16) * 16 + 16 * place
        out[tile, meta : meta + 8] = np.array([scale[channel], bias[channel]], np.float32).view(np.uint8)
        out[tile, meta + 8 : meta + 12] = np.array([correction], np.int32).view(np.uint8)
    return out


class Layer:
    """Operands of an INT8 layer and what it should give."""

    def __init__(self, rows, k, columns, seed=0, spread=127):
        rng = np.random.default_rng(seed)
        self.rows, self.k, self.columns = rows, k, columns
        self.x = rng.integers(-spread, spread + 1, (rows, k)).astype(np.int8)
        self.w = rng.integers(-spread, spread + 1, (columns, k)).astype(np.int8)
        self.row_scale = rng.uniform(1e-4, 1e-2, rows).astype(np.float32)
        self.scale, self.bias = rng.uniform(1e-4, 1e-2, columns).astype(np.float32), rng.standard_normal(columns)
        self.tiles = tiles(self.w, self.scale, self.bias)

    @property
    def wanted(self):
        acc = (self.x.astype(np.int64) @ self.w.astype(np.int64).T).astype(np.float32)
        scaled = (acc * self.row_scale[:, None]).astype(np.float32) * self.scale
        return np.clip(scaled + self.bias.astype(np.float32), -65504, 65504).astype(np.float16)

    def load(self, bench, op, to=0, **others):
        pitch = record_pitch(self.k)
        source = bench.put(records(self.x, self.row_scale))
        return op(
            "LOADA",
            source=source,
            pitch=pitch,
            count=self.rows,
            **SEGMENT,
            row_bytes=pitch,
            to=to,
            to_pitch=pitch,
            **others,
        )

    def weights(self, bench, op, **others):
        fields = {"tiles": len(self.tiles), "depth": 2, "gate": self.rows, **others}
        return op("LOADW", source=bench.put(self.tiles), tile_bytes=self.tiles.shape[1], **fields)

    def multiply(self, op, **others):
        pitch = record_pitch(self.k)
        fields = {"a_pitch": pitch, "out_pitch": 128, **ONCE, **others}
        return op("MM", rows=self.rows, k=self.k, columns=self.columns, **fields)

    def found(self, bench, address=0):
        return bench.buffer("R", address, (self.rows, self.columns), 128, np.float16)


@pytest.mark.parametrize(("rows", "k", "columns"), [(1, 1, 1), (3, 24, 4), (5, 17, 9), (2, 1300, 3), (16, 8, 61)])
def test_an_int8_product_is_scaled_and_rounded_as_the_page_says(bench, op, rows, k, columns):
    layer = Layer(rows, k, columns)
    bench.run(
        layer.load(bench, op, signals=[(1, 1)]), layer.weights(bench, op, depth=3), layer.multiply(op, waits=[(1, 1)])
    )
    assert np.array_equal(layer.found(bench), layer.wanted)
    assert bench.machine.counters.int8_macs == rows * k * columns
    assert bench.machine.counters.weight_bytes == layer.tiles.size
    filled = -(-rows // 2) * 2 * -(-k // 4) * 4 * -(-columns // 4) * 4
    assert bench.machine.counters.padding_macs == filled - rows * k * columns


def test_gelu_follows_the_bias(bench, op):
    layer = Layer(4, 8, 8, spread=5)
    bench.run(
        layer.load(bench, op, signals=[(1, 1)]),
        layer.weights(bench, op),
        layer.multiply(op, epilogue=1, waits=[(1, 1)]),
    )
    x = (layer.x.astype(np.float64) @ layer.w.T) * layer.row_scale[:, None] * layer.scale + layer.bias
    wanted = 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))
    assert np.allclose(layer.found(bench), wanted, rtol=2e-3, atol=1e-5)


def test_saturations_of_a_product_are_counted(bench, op):
    layer = Layer(2, 4, 4)
    layer.x[:], layer.w[:], layer.row_scale[:] = 127, 127, 100
    layer.scale[:] = 1
    layer.tiles = tiles(layer.w, layer.scale, layer.bias)
    bench.run(layer.load(bench, op, signals=[(1, 1)]), layer.weights(bench, op), layer.multiply(op, waits=[(1, 1)]))
    assert (layer.found(bench) == 65504).all()
    assert bench.machine.counters.saturations == 8


def test_zero_rows_take_no_tiles(bench, op):
    layer = Layer(3, 16, 8)
    bench.run(
        layer.load(bench, op, signals=[(1, 1)]),
        layer.weights(bench, op, gate=0),
        op("MM", rows=0, k=16, columns=8, **ONCE),
        layer.weights(bench, op),
        layer.multiply(op, waits=[(1, 1)]),
    )
    assert np.array_equal(layer.found(bench), layer.wanted)


def test_batches_of_rows_share_the_tiles(bench, op):
    """Two problems of two rows, at pitches of their own, in one instruction."""
    layer = Layer(4, 16, 6)
    pitch = record_pitch(16)
    product = op(
        "MM", a_pitch=pitch, rows=2, k=16, columns=6, out_pitch=128, batch0=2, da0=2 * pitch, dout0=512, batch1=1,
        waits=[(1, 1)],
    )  # fmt: skip
    bench.run(layer.load(bench, op, signals=[(1, 1)]), layer.weights(bench, op), product)
    assert np.array_equal(bench.buffer("R", 0, (2, 6), 128, np.float16), layer.wanted[:2])
    assert np.array_equal(bench.buffer("R", 512, (2, 6), 128, np.float16), layer.wanted[2:])


def test_only_the_columns_of_the_operation_are_written(bench, op):
    wide, narrow = Layer(2, 16, 8, seed=1), Layer(2, 16, 5, seed=2)
    bench.run(
        wide.load(bench, op, signals=[(1, 1)]),
        wide.weights(bench, op),
        wide.multiply(op, waits=[(1, 1)], signals=[(3, 1)]),
        narrow.load(bench, op, waits=[(3, 1)], signals=[(2, 1)]),
        narrow.weights(bench, op),
        narrow.multiply(op, waits=[(2, 1)]),
    )
    assert np.array_equal(narrow.found(bench), narrow.wanted)
    assert np.array_equal(wide.found(bench)[:, 5:], wide.wanted[:, 5:])


@pytest.mark.parametrize("seed", [None, 0, 1, 2, 3])
def test_tiles_stream_through_a_small_ring(make_bench, op, seed):
    """Two layers' tiles in flight, an MM whose tiles come from two loads, and a ring that changes its shape."""
    bench = make_bench(seed=seed)
    first, second = Layer(2, 16, 22, seed=1), Layer(3, 20, 9, seed=2)
    size = first.tiles.shape[1]
    source = bench.put(first.tiles)
    bench.run(
        first.load(bench, op, signals=[(1, 1)]),
        second.load(bench, op, to=4096, signals=[(2, 1)]),
        op("LOADW", source=source, tile_bytes=size, tiles=2, depth=1, gate=2),
        op("LOADW", source=source + 2 * size, tile_bytes=size, tiles=4, depth=1, gate=2),
        second.weights(bench, op, ring=4096, depth=2),
        first.multiply(op, waits=[(1, 1)]),
        second.multiply(op, a=4096, out=8192, waits=[(2, 1)]),
    )
    assert np.array_equal(first.found(bench), first.wanted)
    assert np.array_equal(second.found(bench, 8192), second.wanted)


def test_products_share_the_tiles_of_a_load(bench, op):
    """One load feeds two products, and the second takes up where the first stopped."""
    both = Layer(3, 16, 12)
    pitch = record_pitch(16)
    product = {"a_pitch": pitch, "rows": 3, "k": 16, "out_pitch": 128, **ONCE}
    bench.run(
        both.load(bench, op, signals=[(1, 1)]),
        both.weights(bench, op),
        op("MM", columns=8, **product, waits=[(1, 1)]),
        op("MM", columns=4, out=16384, **product),
    )
    assert np.array_equal(bench.buffer("R", 0, (3, 8), 128, np.float16), both.wanted[:, :8])
    assert np.array_equal(bench.buffer("R", 16384, (3, 4), 128, np.float16), both.wanted[:, 8:])


def test_a_ring_changes_its_shape_only_when_it_is_empty(bench, op):
    first, second = Layer(2, 16, 4, seed=1), Layer(2, 16, 4, seed=2)
    with pytest.raises(
        MachineError, match="queue weights at 2 for room in the ring; .* matrix at 3 for semaphore 2 >= 1"
    ):
        bench.run(
            first.load(bench, op, signals=[(1, 1)]),
            first.weights(bench, op),
            second.weights(bench, op, ring=4096, signals=[(2, 1)]),
            first.multiply(op, waits=[(1, 1), (2, 1)]),
            second.multiply(op),
        )


def test_tiles_are_decoded_again_when_they_change(bench, op):
    layer = Layer(2, 16, 4)
    address = bench.put(layer.tiles)
    load = op("LOADW", source=address, tile_bytes=layer.tiles.shape[1], tiles=1, depth=1, gate=1)
    for seed in (5, 6):
        other = Layer(2, 16, 4, seed=seed)
        bench.machine.memory.write(address, other.tiles)
        bench.run(other.load(bench, op, signals=[(1, 1)]), load, other.multiply(op, waits=[(1, 1)]))
        assert np.array_equal(other.found(bench), other.wanted)


def test_a_wait_for_tiles_beyond_the_ring_is_a_deadlock(bench, op):
    layer = Layer(2, 16, 22)
    with pytest.raises(
        MachineError, match=r"weights at 1 for room in the ring; .* matrix at 2 for semaphore 2 >= 1 \(it is"
    ):
        bench.run(
            layer.load(bench, op, signals=[(1, 1)]),
            layer.weights(bench, op, signals=[(2, 1)]),
            layer.multiply(op, waits=[(1, 1), (2, 1)]),
        )


def test_the_array_s_columns_cut_the_tiles(make_bench, op):
    bench = make_bench(replace(TINY, columns=8))
    layer = Layer(3, 10, 14)
    layer.tiles = tiles(layer.w, layer.scale, layer.bias, columns=8)
    bench.run(layer.load(bench, op, signals=[(1, 1)]), layer.weights(bench, op), layer.multiply(op, waits=[(1, 1)]))
    assert np.array_equal(layer.found(bench), layer.wanted)
