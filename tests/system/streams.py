"""Random programs that keep the contract, for the golden machine and the chip alike."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from flightvgm_arch.formats import (
    bank_line,
    fp16_pitch,
    operand_bytes,
    record_pitch,
    round_up,
    tile_bytes,
    transposed_pitch,
)
from flightvgm_sim.golden import quantize, records
from system.builder import Builder, Span

_BUFFERS = ("A", "B", "P")
_BYTES, _ROWS, _TRANSPOSED = range(3)


class Rows(NamedTuple):
    """FP16 rows or records of ``width`` values in memory, at their own pitch."""

    offset: int
    count: int
    width: int
    kind: str

    @property
    def pitch(self) -> int:
        return fp16_pitch(self.width) if self.kind == "halves" else record_pitch(self.width)

    @property
    def span(self) -> Span:
        return Span("memory", self.offset, self.offset + self.count * self.pitch)


class Map(NamedTuple):
    """Row numbers below ``bound`` in memory."""

    offset: int
    count: int
    bound: int

    @property
    def span(self) -> Span:
        return Span("memory", self.offset, self.offset + 4 * self.count)


class Live(NamedTuple):
    """What a buffer holds: problems of rows."""

    kind: str
    span: Span
    shape: tuple[int, ...]  # Problems, rows of a problem, values or bytes of a row.
    pitch: int
    outer: int


class Loops(NamedTuple):
    """Fields of the two loops over rows, and the numbers that they give."""

    fields: dict
    numbers: np.ndarray

    @property
    def end(self) -> int:
        return int(self.numbers.max()) + 1


class Memory(Builder):
    """Adds what lies in memory and in buffers, and how it comes there.

    Parameters
    ----------
    rng : Generator
    config : Config
    """

    def __init__(self, rng, config) -> None:
        super().__init__(rng)
        self.config = config
        self.widths = [self.number(1, 40), self.pick(2, 15, 16, 17, 31, 32, 33, 63, 64, 65, 72, 100)]
        self.regions: list[Rows] = []
        self.maps: list[Map] = []
        self.live: list[Live] = []
        self.banks = {"A": config.rows, "B": config.columns, "P": 1, "R": 1}
        sizes = {"A": config.a_bytes, "B": config.b_bytes, "P": config.parameter_bytes, "R": config.result_bytes}
        self.ring = (sizes["B"] - 16384, 16384) if self.chance(0.5) else (0, 16384)
        self._zones, self._spaces = {}, {}
        for space, size in sizes.items():
            low, high = 0, size // bank_line(self.banks[space]) * bank_line(self.banks[space])
            if space == "B":
                low, high = (16384, high) if self.ring[0] == 0 else (0, self.ring[0])
            zone = min(self.pick(6144, 12288, 49152), high - low)
            self._spaces[space] = (low, high)
            self._zones[space] = self.pick((low, low + zone), (high - zone, high))

    # Data

    def halves(self, count: int, width: int):
        """FP16 rows of a random kind; rows near each other are often alike."""
        rng, shape = self.rng, (count, width)
        kind = self.number(0, 7)
        if kind == 0:
            bits = rng.integers(0, 1 << 16, shape, np.uint16)
            bits[bits & 0x7C00 == 0x7C00] ^= 0x4000
            return bits.view(np.float16)
        scale = 2.0 ** rng.integers(-16, 10)
        rows = rng.standard_normal(shape) * scale
        if kind < 5:
            rows = rng.standard_normal(width) * scale + rows * self.pick(0.0, 0.1, 0.5)
        if kind == 5:
            rows *= rng.random(shape) < 0.3
        if kind == 6:
            rows *= 2.0 ** rng.integers(-12, 5, (count, 1))
        rows[rng.random(count) < 0.1] = self.pick(0.0, 1.0, 65504.0, -6e-8)
        return np.clip(rows, -65504, 65504).astype(np.float16)

    def floats(self, shape):
        """FP32 parameters."""
        values = self.rng.standard_normal(shape) * self.pick(1.0, 1.0, 2.0**-20, 2.0**8)
        if self.chance(0.1):
            values *= 2.0 ** self.rng.integers(-140, 30, shape)
        values[self.rng.random(shape) < 0.05] = 0
        return values.astype(np.float32)

    def region(self, kind: str, count: int, width: int, *avoid: Rows) -> Rows:
        """Rows in memory, at least ``count``: some that are there, or new ones."""
        found = [
            item
            for item in self.regions
            if (item.kind, item.width) == (kind, width) and item.count >= count and item not in avoid
        ]
        if found and self.chance(0.6):
            return self.pick(*found)
        count += self.number(0, 3)
        rows = self.halves(count, width)
        if kind == "records":
            values, scale = quantize.quantize(rows)
            packed = records.pack(values, scale, quantize.correction(values))
            item = Rows(self.put(packed), count, width, kind)
        else:
            item = Rows(self.put_halves(rows), count, width, kind)
        self.regions.append(item)
        return item

    def map(self, count: int, bound: int, *avoid: Map) -> Map:
        """Row numbers below ``bound``."""
        found = [item for item in self.maps if item.count >= count and item.bound <= bound and item not in avoid]
        if found and self.chance(0.6):
            return self.pick(*found)
        item = Map(self.put(self.rng.integers(0, max(1, bound), count, np.uint32)), count, bound)
        self.maps.append(item)
        return item

    def loops(self, outer: int, count: int, *, unique: bool) -> Loops:
        """Two loops over rows."""
        start, stride = self.number(0, 3), self.number(1, 2)
        outer_stride = count * stride + self.number(0, 1)
        if outer > 1 and self.chance(0.3):
            stride, outer_stride = outer, 1
        elif not unique and self.chance(0.3):
            stride, outer_stride = self.number(0, 2), self.number(0, 2)
        numbers = start + np.arange(outer)[:, None] * outer_stride + np.arange(count) * stride
        fields = {
            "start": self.extent(start), "count": self.extent(count), "stride": stride, "outer": self.extent(outer),
            "outer_stride": outer_stride if outer > 1 else self.number(0, 5),
        }  # fmt: skip
        return Loops(fields, numbers.reshape(-1))

    # Buffers

    def body(self) -> None:
        """Begin what is executed more than once: nothing in it depends on what comes before."""
        self._fence = len(self.steps)
        self.live = []

    def claim(self, space: str, size: int) -> int:
        """A place in a buffer."""
        low, high = self._zones[space]
        if size > high - low:
            low, high = self._spaces[space]
        line = bank_line(self.banks[space])
        return low + line * self.number(0, (high - low - size) // line)

    def emit(self, name, *flags, reads=(), writes=(), **operands):
        """Append an instruction; what it overwrites in buffers is gone."""
        place = super().emit(name, *flags, reads=reads, writes=writes, **operands)
        self.live = [item for item in self.live if not any(item.span.meets(span) for span in writes)]
        return place

    def load(
        self, space, region, outer, count, row_bytes, *, heads=0, dim=0, transposed=False, least=0, spans=(), **fields
    ) -> Live:
        """LOADA of ``outer`` problems of ``count`` rows; ``spans`` are the parameters that it reads."""
        loops = self.loops(outer, count, unique=False)
        mapped = self.chance(0.3)
        reads, flags = list(spans), []
        if mapped:
            listed = self.map(loops.end, region(1).count)
            source = region(listed.bound)
            flags.append("mapped")
            fields["map"] = self.at(listed.offset)
            reads.append(listed.span)
        else:
            source = region(loops.end)
        if transposed:
            flags.append("transposed")
            least = max(least, transposed_pitch(heads * dim, self.banks["B"]))
        pitch = round_up(max(row_bytes, least), 32) + 32 * self.pick(0, 0, 0, 1, 3)
        line = bank_line(self.banks[space])
        if space == "P":
            taken = (count - 1) * pitch + row_bytes
        else:
            taken = operand_bytes(count, pitch, 16 if transposed else self.banks[space], self.banks[space])
        step = round_up(taken, line) + line * self.pick(0, 0, 1)
        size = (outer - 1) * step + taken
        address = self.claim(space, round_up(size, line))
        span = Span(space, address, address + size)
        self.emit(
            "LOADA", *flags, reads=(source.span, *reads), writes=(span,), source=self.at(source.offset),
            pitch=source.pitch, **loops.fields, row_bytes=row_bytes, target=_BUFFERS.index(space), to=address,
            to_pitch=pitch, to_outer=step if outer > 1 or self.chance(0.5) else 0, heads=heads, head_dim=dim, **fields,
        )  # fmt: skip
        kind = f"bytes {source.width}" if not heads else f"{'transposed' if transposed else 'rows'} {heads} {dim}"
        item = Live(kind, span, (outer, count, row_bytes), pitch, step)
        self.live.append(item)
        return item

    def vectors(self, count: int, values: int) -> list[Span]:
        """FP32 parameter vectors in P, some of which are the same."""
        found = [item for item in self.live if item.kind == f"parameters {values}"]
        if found and self.chance(0.5):
            return [self.pick(*found).span for _ in range(count)]
        pitch = round_up(4 * values, 32) + 32 * self.pick(0, 0, 1)
        address = self.claim("P", count * pitch)
        data = self.put(
            np.concatenate([self.floats((count, values)), np.zeros((count, pitch // 4 - values))], 1).astype("<f4")
        )
        spans = [Span("P", address + i * pitch, address + i * pitch + 4 * values) for i in range(count)]
        self.emit(
            "LOADA", reads=(Span("memory", data, data + count * pitch),), writes=spans, source=self.at(data),
            pitch=pitch, count=self.extent(count), stride=1, outer=1, row_bytes=4 * values, target=2, to=address,
            to_pitch=pitch,
        )  # fmt: skip
        self.live += [Live(f"parameters {values}", span, (1, 1, values), pitch, 0) for span in spans]
        return spans

    def tiles(self, k: int, columns: int, mm_rows: int) -> None:
        """LOADW of the tiles of a product, in one or two instructions."""
        weights = self.rng.integers(-127, 128, (columns, k)).astype(np.int8)
        packed = records.pack_tiles(weights, np.abs(self.floats(columns)), self.floats(columns), self.config.columns)
        source, size = self.put(packed), tile_bytes(self.config.columns, k)
        line = bank_line(self.config.columns)
        depth = self.number(1, max(1, min(6, self.ring[1] // size)))
        ring = self.ring[0] + line * self.number(0, (self.ring[1] - depth * size) // line)
        first = self.number(0, len(packed)) if self.chance(0.3) else len(packed)
        for low, count in ((0, first), (first, len(packed) - first)):
            if count or self.chance(0.1):
                self.emit(
                    "LOADW", source=self.at(source + low * size), tile_bytes=size, tiles=count, ring=ring, depth=depth,
                    gate=self.extent(mm_rows),
                )  # fmt: skip
        if len(packed) <= depth and self.chance(0.3):
            self.order(len(self.steps) - 1, "matrix")
