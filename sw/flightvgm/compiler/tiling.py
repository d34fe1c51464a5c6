"""How the work of a layer is cut to the buffers of a machine. None of it changes a bit of the results."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from math import lcm

from flightvgm.compiler.assembler import SLOTS
from flightvgm.compiler.errors import CompileError
from flightvgm.compiler.network import Network
from flightvgm_arch.config import Config
from flightvgm_arch.formats import (
    KEYS_AT_ONCE,
    bank_line,
    fp16_pitch,
    operand_bytes,
    record_pitch,
    tile_bytes,
    transposed_pitch,
)
from flightvgm_arch.isa import ALIGNMENT

UNIT_MOST, RING_MOST = (1 << 12) - 1, (1 << 8) - 1
FP16_COLUMNS = ALIGNMENT // 2  # FP16 values between two aligned addresses.
UNITS_PER_CORE = 4  # Attention units that a core should get at least, so that loads hide behind the array.
FRAMES_PER_CORE = 8  # The same for whole frames, which are cut where there are fewer.


def slot(size: int, slots: int = SLOTS, unit: int = ALIGNMENT) -> int:
    """Bytes of one of the slots into which a buffer is cut, in multiples of ``unit``."""
    return size // slots // unit * unit


def a_slot(config: Config) -> int:
    """Bytes of a slot of A."""
    return slot(config.a_bytes, SLOTS, bank_line(config.rows))


def _fit_rows(config: Config, available: int, pitch: int, what: str) -> int:
    """Most rows of A, a multiple of those of the array; at least as many, or the machine is refused."""
    return config.rows * _fit(config, "A", available, config.rows * pitch, f"{what} for each row of the array")


def _fit(config: Config, buffer: str, available: int, needed: int, what: str) -> int:
    """How often ``needed`` bytes fit; at least once, or the machine is refused."""
    count = available // needed
    if count < 1:
        raise CompileError(
            f"{what} needs {needed} bytes of buffer {buffer}, but '{config.name}' has {available} for it; "
            "choose a machine with larger buffers or a smaller video"
        )
    return count


@dataclass(frozen=True)
class Ring:
    """The weight ring of a layer: all of buffer B."""

    tile_bytes: int
    depth: int

    @classmethod
    def of(cls, config: Config, k: int) -> Ring:
        """Ring of tiles of ``k`` values for each column."""
        size = tile_bytes(config.columns, k)
        return cls(size, min(RING_MOST, _fit(config, "B", config.b_bytes, size, "a weight tile")))


def _whole(rows: int, granule: int) -> tuple[int, int]:
    """Largest unit of at most ``rows`` and its granule, which divides it."""
    rows = min(rows, UNIT_MOST)
    return (rows // granule * granule, granule) if rows >= granule else (rows, 1)


@dataclass(frozen=True)
class LinearTiling:
    """Units of a linear layer: rows of a unit, and columns whose results are stored at once."""

    rows: int
    granule: int
    columns: int
    in_slot: int
    out_slot: int
    ring: Ring

    @classmethod
    def of(cls, config: Config, k: int, columns: int) -> LinearTiling:
        """Tiling for records of ``k`` values and parts of at most ``columns`` results."""
        in_slot, out_slot = a_slot(config), slot(config.result_bytes)
        step = lcm(config.columns, FP16_COLUMNS)
        rows = min(
            config.unit_rows,
            _fit_rows(config, in_slot, record_pitch(k), f"a record of {k} values"),
            _fit(config, "R", out_slot, fp16_pitch(min(step, columns)), f"a row of {min(step, columns)} results"),
        )
        rows, granule = _whole(rows, config.rows)
        if fp16_pitch(columns) * rows > out_slot:
            columns = out_slot // rows // 2 // step * step
        return cls(rows, granule, columns, in_slot, out_slot, Ring.of(config, k))


@dataclass(frozen=True)
class MlpTiling:
    """Units of the MLP: its hidden rows stay in the result buffer, then in A."""

    rows: int
    granule: int
    in_slot: int
    hidden_slot: int
    out_slot: int
    rings: tuple[Ring, Ring]

    @classmethod
    def of(cls, config: Config, network: Network) -> MlpTiling:
        """Tiling for the network's width and hidden channels."""
        pitches = record_pitch(network.width), record_pitch(network.hidden)
        widest = max(fp16_pitch(network.hidden), fp16_pitch(network.width))
        rows = min(
            config.unit_rows,
            _fit_rows(config, a_slot(config), sum(pitches), "a row of the MLP"),
            _fit(config, "R", slot(config.result_bytes), widest, "a hidden row of the MLP"),
        )
        rows, granule = _whole(rows, config.rows)
        rings = Ring.of(config, network.width), Ring.of(config, network.hidden)
        slots = [operand_bytes(rows, pitch, config.rows, config.rows) for pitch in pitches]
        return cls(rows, granule, slots[0], slots[1], slot(config.result_bytes), rings)


def _aligned_heads(network: Network, heads: int) -> int:
    """Fewest heads, at least ``heads``, after which the next pass begins at an aligned address."""
    while heads < network.heads and heads * network.head_dim % FP16_COLUMNS:
        heads += 1
    return heads


@dataclass(frozen=True)
class AttentionTiling:
    """Heads, problems and queries that the buffers hold at once.

    Attributes
    ----------
    heads : int
        Heads of a pass; the last pass may have fewer.
    problems : int
        Problems of a batch.
    queries : int
        Queries of a problem in a pass.
    keys_slot : int
        Bytes of a slot of B; keys lie in its first half, values in its second.
    query_step, key_step, value_step, result_step : int
        Bytes between problems in A, in the halves of B and in R.
    keys_slots : int
        Slots of B; one where keys and values are too many for two.
    """

    heads: int
    problems: int
    queries: int
    in_slot: int
    out_slot: int
    keys_slot: int
    query_step: int
    key_step: int
    value_step: int
    result_step: int
    keys_slots: int = SLOTS

    @property
    def keys_credits(self) -> int:
        """Credits of a slot of B; all slots together have as many as there are for two."""
        return SLOTS // self.keys_slots

    def passes(self, network: Network) -> list[tuple[int, int]]:
        """First head and number of heads of each pass."""
        starts = range(0, network.heads, self.heads)
        return [(first, min(self.heads, network.heads - first)) for first in starts]

    @classmethod
    def of(
        cls, config: Config, network: Network, *, queries: int, keys: int, batched: bool, name: str
    ) -> AttentionTiling:
        """Tiling with as many heads as fit, of problems of ``queries`` and ``keys``.

        Parameters
        ----------
        batched : bool
            All queries of a problem stay together, and as many problems as fit form a batch; otherwise a pass has one
            problem, and as many of its queries as fit.

        Raises
        ------
        CompileError
            Not even one head fits, or there are more keys than the machine's scores.
        """
        if keys > config.score_keys:
            raise CompileError(
                f"{name} attention has {keys} keys, but '{config.name}' holds scores of {config.score_keys}; "
                "choose a machine with more score_keys or a smaller video"
            )
        in_slot, out_slot = a_slot(config), slot(config.result_bytes)
        rows, columns, together = config.rows, config.columns, queries if batched else 1
        for keys_slots, passes in product((SLOTS, 1), range(1, network.heads + 1)):
            keys_slot = slot(config.b_bytes, keys_slots, 2 * bank_line(columns))
            heads = _aligned_heads(network, -(-network.heads // passes))
            channels = heads * network.head_dim
            pitch = fp16_pitch(channels)
            query = operand_bytes(together, pitch, rows, rows)
            key = operand_bytes(keys, pitch, columns, columns)
            value = operand_bytes(keys, transposed_pitch(channels, columns), KEYS_AT_ONCE, columns)
            problems = min(keys_slot // 2 // max(key, value), in_slot // query, out_slot // (together * pitch))
            if problems >= 1:
                fitting = min(in_slot // query * rows, out_slot // pitch)
                return cls(heads, problems if batched else 1, queries if batched else min(queries, fitting), in_slot,
                           out_slot, keys_slot, query, key, value, together * pitch, keys_slots)  # fmt: skip
        raise CompileError(
            f"{name} attention over {keys} keys needs {2 * max(key, value)} bytes for the keys and values of the "
            f"fewest heads, but '{config.name}' has {keys_slot} in buffer B, {in_slot} in A and {out_slot} in R; "
            "choose a machine with larger buffers or a smaller video"
        )


def frame_parts(config: Config, network: Network) -> int:
    """Equal parts into which a frame's queries are cut, so that the cores get about equally many."""
    if config.cores == 1:
        return 1
    wanted = -(-FRAMES_PER_CORE * config.cores // network.t)
    divisors = [parts for parts in range(1, network.plane + 1) if network.plane % parts == 0]
    return max((parts for parts in divisors if parts <= wanted), default=1)


def batch_rows(config: Config, fitting: int, rows: int) -> int:
    """Most rows of an attention unit: what fits, but enough units for all cores."""
    return max(1, min(fitting, UNIT_MOST, -(-rows // (UNITS_PER_CORE * config.cores))))
