"""Matrix stage of the MLP: fc1, GELU, quantisation and fc2 of two units at a time; hidden rows never reach memory.

While the row unit quantises the hidden rows of the first unit, the array computes those of the second.
"""

from __future__ import annotations

from dataclasses import dataclass

from flightvgm.compiler.assembler import Label, Semaphore, at
from flightvgm.compiler.linear import PAIR, Counted, load_weights
from flightvgm.compiler.target import Pool, Target
from flightvgm.compiler.tiling import MlpTiling
from flightvgm_arch.formats import fp16_pitch, record_pitch
from flightvgm_arch.isa import Reg
from flightvgm_arch.sites import SITES


@dataclass(frozen=True)
class MlpStage:
    """The MLP of a block, from records to FP16 rows."""

    branch: int
    layer: int
    rows: Counted

    def prepare(self, target: Target) -> None:
        """Open the pool: the counts are known."""
        tiling = MlpTiling.of(target.config, target.network)
        self.rows.open(target, Pool.UNITS, tiling.rows, tiling.granule)

    def iterate(self, target: Target, empty: Label) -> None:
        """Take and issue two units, of which the second may be empty; jump where none is left."""
        target.mark(self.branch, self.layer, SITES.index("mlp"))
        tiling = MlpTiling.of(target.config, target.network)
        for number, (start, count) in enumerate(PAIR):
            target.take(Pool.UNITS, start, count, empty if number == 0 else None)
            self._fetch(target, tiling, number, Reg(start), Reg(count))
        for number, (_, count) in enumerate(PAIR):
            self._expand(target, tiling, number, Reg(count))
        for number, (start, count) in enumerate(PAIR):
            self._contract(target, tiling, number, Reg(start), Reg(count))

    def _fetch(self, target: Target, tiling: MlpTiling, number: int, start: Reg, count: Reg) -> None:
        """Load the unit's records, and the weights of fc1."""
        pitch, ring = target.network.record_pitch, tiling.rings[0]
        load_weights(target, target.blocks[self.layer].linears["mlp.fc1"], ring.tile_bytes, ring.depth, count)
        target.asm.emit(
            "LOADA",
            source=at(target.branches[self.branch].records), pitch=pitch, start=start, count=count, stride=1, outer=1,
            row_bytes=pitch, target="A", to=number * tiling.in_slot, to_pitch=pitch,
            waits=[(Semaphore.IN_FREE, 1)], signals=[(Semaphore.IN_FULL, 1), (Semaphore.UNIT, 1)],
        )  # fmt: skip

    def _expand(self, target: Target, tiling: MlpTiling, number: int, count: Reg) -> None:
        """Compute hidden rows in the result buffer and quantise them into A."""
        network = target.network
        pitch = fp16_pitch(network.hidden)
        target.asm.emit(
            "MM",
            a=number * tiling.in_slot, a_pitch=network.record_pitch, rows=count, k=network.width,
            columns=network.hidden, out=number * tiling.out_slot, out_pitch=pitch, epilogue="gelu", batch0=1, batch1=1,
            waits=[(Semaphore.IN_FULL, 1), (Semaphore.OUT_FREE, 1)],
            signals=[(Semaphore.HIDDEN, 1), (Semaphore.IN_FREE, 1)],
        )  # fmt: skip
        target.asm.emit(
            "ROWS", ["from_result", "quantise", "to_a"],
            width=network.hidden, count=count, result=number * tiling.out_slot, result_pitch=pitch,
            a=self._hidden(tiling, number),
            waits=[(Semaphore.HIDDEN, 1)], signals=[(Semaphore.QUANTISED, 1)],
        )  # fmt: skip

    def _contract(self, target: Target, tiling: MlpTiling, number: int, start: Reg, count: Reg) -> None:
        """Compute the results where the hidden rows were, and store them."""
        network, ring = target.network, tiling.rings[1]
        pitch = network.row_pitch
        load_weights(target, target.blocks[self.layer].linears["mlp.fc2"], ring.tile_bytes, ring.depth, count)
        target.asm.emit(
            "MM",
            a=self._hidden(tiling, number), a_pitch=record_pitch(network.hidden), rows=count, k=network.hidden,
            columns=network.width, out=number * tiling.out_slot, out_pitch=pitch, batch0=1, batch1=1,
            waits=[(Semaphore.QUANTISED, 1)], signals=[(Semaphore.OUT_FULL, 1)],
        )  # fmt: skip
        target.asm.emit(
            "STORE",
            result=number * tiling.out_slot, result_pitch=pitch, to=at(target.branches[self.branch].y), pitch=pitch,
            start=start, count=count, stride=1, outer=1, row_bytes=2 * network.width,
            waits=[(Semaphore.OUT_FULL, 1)], signals=[(Semaphore.OUT_FREE, 1)],
        )  # fmt: skip

    @staticmethod
    def _hidden(tiling: MlpTiling, number: int) -> int:
        """Address in A of a unit's hidden records."""
        return 2 * tiling.in_slot + number * tiling.hidden_slot
