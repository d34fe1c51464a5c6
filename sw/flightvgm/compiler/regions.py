"""Regions of a program's memory: constants of the image, and what the machine and the host write."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flightvgm.compiler.memory import MemoryMap, Region
from flightvgm.compiler.network import BRANCHES, Network
from flightvgm.compiler.quantize import linear_tiles
from flightvgm_arch.config import Config
from flightvgm_arch.formats import fp16_pitch, round_up
from flightvgm_arch.isa import ALIGNMENT

Array = NDArray[Any]
LOG2_E = float(np.log2(np.e))
INDEX_BYTES = 4  # Of a map's entry.
LINEARS = ("attn.qkv", "attn.proj", "cross_attn.q_linear", "cross_attn.kv_linear", "cross_attn.proj",
           "mlp.fc1", "mlp.fc2")  # fmt: skip
MAPS = 2  # A site writes one map while it reads the other.


@dataclass(frozen=True)
class Part:
    """Output channels of a linear layer that lie together: their number and where they go in a result row."""

    columns: int
    offset: int


def parts_of(network: Network, count: int) -> tuple[Part, ...]:
    """Parts of a layer with ``count`` outputs of the residual stream's width, such as q, k and v."""
    if 2 * network.width == network.row_pitch:
        return (Part(count * network.width, 0),)
    return tuple(Part(network.width, number * network.row_pitch) for number in range(count))


@dataclass(frozen=True)
class Linear:
    """A linear layer in memory: where its tiles are, its inner extent and its parts."""

    tiles: Region
    count: int
    k: int
    parts: tuple[Part, ...]


@dataclass(frozen=True)
class BlockWeights:
    """Constants of a block; linear layers by their names in the state dict."""

    linears: Mapping[str, Linear]
    norms: Region


@dataclass(frozen=True)
class Branch:
    """Memory of a guidance branch.

    Attributes
    ----------
    x, attended : Region
        Residual stream and attention output, ``[tokens]`` FP16 rows.
    records, y, qkv : Region
        Compacted INT8 records, and FP16 results of linear layers for them.
    maps : tuple of Region
        Kept row of each token.
    text, text_records : Region
        Embedded text rows and their records.
    keys : tuple of Region
        For each block the text's K, then V, ``[2][text]`` FP16 rows.
    """

    x: Region
    attended: Region
    records: Region
    y: Region
    qkv: Region
    maps: tuple[Region, ...]
    text: Region
    text_records: Region
    keys: tuple[Region, ...]


class Image:
    """The part of memory that the program file holds, and the map of all of it.

    Parameters
    ----------
    memory : MemoryMap
        Where regions are reserved; all constants come first.
    """

    def __init__(self, memory: MemoryMap) -> None:
        self.memory = memory
        self.parts: list[tuple[Region, bytes]] = []

    def constant(self, name: str, data: bytes) -> Region:
        """Reserve a region and fill it."""
        self.memory.region(name, len(data))
        return self.fill(name, data)

    def fill(self, name: str, data: bytes) -> Region:
        """Fill a region that was reserved before."""
        region = next(region for region in self.memory.regions if region.name == name)
        self.parts.append((region, data))
        return region

    def bytes(self) -> NDArray[np.uint8]:
        """The image, from address zero to the end of its last region."""
        image = np.zeros(max(region.end for region, _ in self.parts), np.uint8)
        for region, data in self.parts:
            image[region.address : region.address + len(data)] = np.frombuffer(data, np.uint8)
        return image


def parameter_bytes(values: Array) -> bytes:
    """FP32 rows ``[..., n]``, each padded to whole words of 32 bytes."""
    values = np.atleast_2d(values)
    rows = np.zeros((*values.shape[:-1], round_up(4 * values.shape[-1], ALIGNMENT) // 4), np.float32)
    rows[..., : values.shape[-1]] = values
    return rows.tobytes()


def block_weights(
    image: Image, weights: Mapping[str, Array], config: Config, network: Network, layer: int
) -> BlockWeights:
    """Quantise a block's layers and put its constants into the image.

    The factor ``head_dim^-0.5 log2 e`` of the attention scores goes into the norm of q, and of cross attention into the
    scales and the bias of its q.
    """
    block, width = network.block(layer), network.width
    factor = network.head_dim**-0.5 * LOG2_E
    outputs = {"attn.qkv": 3, "cross_attn.kv_linear": 2}
    linears = {}
    for name in LINEARS:
        weight, bias = weights[f"{block}.{name}.weight"], weights[f"{block}.{name}.bias"]
        if name == "cross_attn.kv_linear":
            parts: tuple[Part, ...] = tuple(Part(width, index * network.text * network.row_pitch) for index in range(2))
        else:
            parts = (Part(len(weight), 0),) if name == "mlp.fc1" else parts_of(network, outputs.get(name, 1))
        scale = factor if name == "cross_attn.q_linear" else 1.0
        tiles = linear_tiles(weight, bias, config.columns, [part.columns for part in parts], scale)
        region = image.constant(f"weights.{block}.{name}", tiles.tobytes())
        linears[name] = Linear(region, len(tiles), weight.shape[1], parts)
    norms = np.stack([weights[f"{block}.attn.q_norm.weight"] * factor, weights[f"{block}.attn.k_norm.weight"]])
    return BlockWeights(linears, image.constant(f"norms.{block}", parameter_bytes(norms)))


def rope_pairs(freqs: Array, frames: int) -> NDArray[np.float32]:
    """RoPE table ``[frames, head_dim / 2, 2]``: cosine and sine of ``frame * freqs``."""
    angles = np.arange(frames)[:, None] * np.asarray(freqs, np.float64)
    return np.stack([np.cos(angles), np.sin(angles)], axis=-1).astype(np.float32)


def branch_regions(memory: MemoryMap, network: Network, branch: int, rows: int) -> Branch:
    """Reserve the memory of a branch whose sites keep at most ``rows`` rows, gaps between segments included."""
    assert 0 <= branch < BRANCHES
    pitch, records = network.row_pitch, network.record_pitch
    qkv_pitch = qkv_row_pitch(network)
    return Branch(
        x=memory.region(f"x.{branch}", network.tokens * pitch),
        attended=memory.region(f"attended.{branch}", network.tokens * pitch),
        records=memory.region(f"records.{branch}", rows * records),
        y=memory.region(f"y.{branch}", rows * pitch),
        qkv=memory.region(f"qkv.{branch}", rows * qkv_pitch),
        maps=tuple(
            memory.region(f"map.{branch}.{index}", round_up(INDEX_BYTES * network.tokens, ALIGNMENT))
            for index in range(MAPS)
        ),
        text=memory.region(f"text.{branch}", network.text * pitch),
        text_records=memory.region(f"text_records.{branch}", network.text * records),
        keys=tuple(
            memory.region(f"text_kv.{branch}.{layer}", 2 * network.text * pitch) for layer in range(network.layers)
        ),
    )


def qkv_row_pitch(network: Network) -> int:
    """Bytes between result rows of qkv: its parts side by side, each on 32 bytes."""
    return 3 * network.row_pitch if len(parts_of(network, 3)) > 1 else fp16_pitch(3 * network.width)
