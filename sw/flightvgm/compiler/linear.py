"""Matrix stage of one linear layer: units of compacted rows through the array, with the weights streamed past them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from flightvgm.compiler.assembler import SLOTS, Label, Register, Semaphore, at
from flightvgm.compiler.memory import Region
from flightvgm.compiler.regions import Linear, Part
from flightvgm.compiler.segments import Segments
from flightvgm.compiler.target import Pool, Target
from flightvgm.compiler.tiling import LinearTiling
from flightvgm_arch.formats import fp16_pitch, record_pitch
from flightvgm_arch.isa import Operand, Reg


@dataclass(frozen=True)
class Counted:
    """Rows that the row stage of a site has kept, segment by segment.

    Attributes
    ----------
    counter : int
        Count register of the first segment.
    """

    counter: int
    segments: Segments

    def open(self, target: Target, pool: Pool, largest: int, granule: int) -> None:
        """Fill a pool with units of these rows."""
        target.asm.emit(
            "OPEN",
            pool=pool, counter=self.counter, segments=len(self.segments.bands), stride=self.segments.stride,
            largest=largest, granule=granule,
        )  # fmt: skip


@dataclass(frozen=True)
class LinearStage:
    """A linear layer from records to FP16 rows.

    Attributes
    ----------
    records, out, out_pitch : Region, Region and int
        Operands, results, and bytes between rows of the results.
    place : tuple of int, optional
        Branch, layer and site, for the ledger; ``None`` outside the sites.
    rows : Counted or Operand
        Rows that a site has counted, or a number of rows.
    """

    linear: Linear
    records: Region
    out: Region
    out_pitch: int
    place: tuple[int, int, int] | None
    rows: Counted | Operand

    def prepare(self, target: Target) -> None:
        """Open the pool: the counts are known."""
        tiling = self._tiling(target)
        if isinstance(self.rows, Counted):
            self.rows.open(target, Pool.UNITS, tiling.rows, tiling.granule)
        else:
            target.open_static(Pool.UNITS, self.rows, tiling.rows, tiling.granule)

    def iterate(self, target: Target, empty: Label) -> None:
        """Take and issue two units; jump where none is left."""
        if self.place is not None:
            target.mark(*self.place)
        tiling = self._tiling(target)
        for number, (start, count) in enumerate(PAIR):
            target.take(Pool.UNITS, start, count, empty)
            self._unit(target, tiling, number, Reg(start), Reg(count))

    def _tiling(self, target: Target) -> LinearTiling:
        return LinearTiling.of(target.config, self.linear.k, max(part.columns for part in self.linear.parts))

    def _unit(self, target: Target, tiling: LinearTiling, number: int, start: Reg, count: Reg) -> None:
        asm, linear = target.asm, self.linear
        pitch = record_pitch(linear.k)
        load_weights(target, linear, tiling.ring.tile_bytes, tiling.ring.depth, count)
        asm.emit(
            "LOADA",
            source=at(self.records), pitch=pitch, start=start, count=count, stride=1, outer=1, row_bytes=pitch,
            target="A", to=number * tiling.in_slot, to_pitch=pitch,
            waits=[(Semaphore.IN_FREE, 1)], signals=[(Semaphore.IN_FULL, 1), (Semaphore.UNIT, 1)],
        )  # fmt: skip
        chunks = list(_chunks(linear.parts, tiling.columns))
        for index, chunk in enumerate(chunks):
            out = (number * len(chunks) + index) % SLOTS * tiling.out_slot
            pitch_out = fp16_pitch(chunk.columns)
            first, last = index == 0, index == len(chunks) - 1
            asm.emit(
                "MM",
                a=number * tiling.in_slot, a_pitch=pitch, rows=count, k=linear.k, columns=chunk.columns,
                out=out, out_pitch=pitch_out, batch0=1, batch1=1,
                waits=[(Semaphore.OUT_FREE, 1), *([(Semaphore.IN_FULL, 1)] if first else [])],
                signals=[(Semaphore.OUT_FULL, 1), *([(Semaphore.IN_FREE, 1)] if last else [])],
            )  # fmt: skip
            asm.emit(
                "STORE",
                result=out, result_pitch=pitch_out, to=at(self.out, chunk.offset), pitch=self.out_pitch,
                start=start, count=count, stride=1, outer=1, row_bytes=2 * chunk.columns,
                waits=[(Semaphore.OUT_FULL, 1)], signals=[(Semaphore.OUT_FREE, 1)],
            )  # fmt: skip


PAIR = ((Register.START_A, Register.COUNT_A), (Register.START_B, Register.COUNT_B))


def load_weights(target: Target, linear: Linear, tile_bytes: int, depth: int, rows: Reg) -> None:
    """Stream all tiles of a layer for a unit of ``rows``; nothing if it has none."""
    target.asm.emit(
        "LOADW", source=at(linear.tiles), tile_bytes=tile_bytes, tiles=linear.count, ring=0, depth=depth, gate=rows
    )


def _chunks(parts: tuple[Part, ...], columns: int) -> Iterator[Part]:
    """Parts of at most ``columns`` results, with byte offsets."""
    for part in parts:
        for first in range(0, part.columns, columns):
            yield Part(min(columns, part.columns - first), part.offset + 2 * first)
