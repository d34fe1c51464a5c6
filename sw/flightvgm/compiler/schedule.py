"""Order of the stages of both branches: while the array works for one, the row unit works for the other.

A branch's stages alternate: row stage of a site, matrix stage of the site (with the attention behind it), and so on.
The conditional branch runs one stage behind the unconditional one, so that a *phase* has one row stage and one matrix
stage of different branches. All cores meet between two phases: what a phase reads, no other core may still write.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from flightvgm.compiler.assembler import CREDITS, Label, Register, Semaphore, at
from flightvgm.compiler.attention import AttentionStage
from flightvgm.compiler.geometry import Cross, Spatial, Temporal
from flightvgm.compiler.linear import Counted, LinearStage
from flightvgm.compiler.mlp import MlpStage
from flightvgm.compiler.network import BRANCHES
from flightvgm.compiler.regions import qkv_row_pitch
from flightvgm.compiler.rows import LastRows, RowStage, SiteRows, counter, take_segment
from flightvgm.compiler.target import Target
from flightvgm_arch.sites import SITES

LINEAR_OF = dict(zip(SITES, ("attn.qkv", "attn.proj", "cross_attn.q_linear", "cross_attn.proj", None), strict=True))
SEGMENTS_LEFT, NO_SEGMENTS_LEFT = 2, 1  # LEFT counts down on the way back to the segments.


class Work(Protocol):
    """Units of a pool."""

    def prepare(self, target: Target) -> None:
        """Open the pool."""
        ...

    def iterate(self, target: Target, empty: Label) -> None:
        """Take and issue two units; jump where none is left."""
        ...


@dataclass(frozen=True)
class MatrixStage:
    """Linear layers of a site, and the attention behind them."""

    work: Work
    attention: AttentionStage | None = None


def start(target: Target) -> None:
    """Give the semaphores of free slots their first counts, through fills of nothing."""
    for first in range(0, len(CREDITS), 2):
        target.asm.emit("FILL", to=at(target.rope), signals=CREDITS[first : first + 2])


def forward(target: Target) -> None:
    """Emit all blocks of both branches."""
    start(target)
    stages = [_branch(target, branch) for branch in range(BRANCHES)]
    for time in range(len(stages[0]) + BRANCHES - 1):
        current = [own[time - branch] for branch, own in enumerate(stages) if 0 <= time - branch < len(own)]
        rows = next((stage for stage in current if not isinstance(stage, MatrixStage)), None)
        matrix = next((stage for stage in current if isinstance(stage, MatrixStage)), None)
        _phase(target, rows, matrix)
    target.asm.emit("END")


def loop(target: Target, work: Work, rows: RowStage | None = None) -> None:
    """Issue units until their pool is empty, and with each pair of units a segment of the row stage until none is left.

    A barrier stands before it: the slots are used in turn from the first one on, so all must be free.
    """
    asm = target.asm
    again, units, all_issued, empty = Label(), Label(), Label(), Label()
    if rows is not None:
        asm.set(Register.LEFT, SEGMENTS_LEFT)
    asm.here(again)
    if rows is not None:
        take_segment(target, all_issued)
        rows.issue(target)
        asm.jump(units)
        asm.here(all_issued)
        asm.set(Register.LEFT, NO_SEGMENTS_LEFT)
        asm.here(units)
    work.iterate(target, empty)
    asm.jump(again)
    asm.here(empty)
    # The unit that was not there has taken the front end's credit.
    asm.add(Register.SCRATCH, Register.LEFT, signals=[(Semaphore.UNIT, 1)])
    if rows is not None:
        asm.loop(Register.SCRATCH, again)


def _phase(target: Target, rows: RowStage | None, matrix: MatrixStage | None) -> None:
    target.barrier()
    if rows is not None:
        rows.prepare(target)
    if matrix is None:
        assert rows is not None
        _segments(target, rows)
        return
    matrix.work.prepare(target)
    if matrix.attention is not None:
        matrix.attention.prepare(target)
    loop(target, matrix.work, rows)
    if matrix.attention is not None:
        target.barrier()
        matrix.attention.load(target)
        loop(target, matrix.attention)


def _segments(target: Target, rows: RowStage) -> None:
    """Issue a row stage that nothing runs beside."""
    again, done = Label(), Label()
    target.asm.here(again)
    take_segment(target, done)
    rows.issue(target)
    target.asm.jump(again)
    target.asm.here(done)


def _branch(target: Target, branch: int) -> list[RowStage | MatrixStage]:
    stages: list[RowStage | MatrixStage] = []
    for layer in range(target.network.layers):
        for site in range(len(SITES)):
            stages += [SiteRows(branch, layer, site), _matrix(target, branch, layer, site)]
    return [*stages, LastRows(branch)]


def _matrix(target: Target, branch: int, layer: int, site: int) -> MatrixStage:
    """Matrix stage of a site."""
    name, own = SITES[site], target.branches[branch]
    rows = Counted(counter(branch), target.segments[target.site_name(layer, site)])
    linear = LINEAR_OF[name]
    if linear is None:
        return MatrixStage(MlpStage(branch, layer, rows))
    out, pitch = (own.qkv, qkv_row_pitch(target.network)) if name == "attn.qkv" else (own.y, target.network.row_pitch)
    weights = target.blocks[layer].linears[linear]
    work = LinearStage(weights, own.records, out, pitch, (branch, layer, site), rows)
    if name == "attn.qkv":
        kind = Spatial if target.network.kind(layer) == "spatial" else Temporal
        return MatrixStage(work, AttentionStage(kind(branch, layer)))
    return MatrixStage(work, AttentionStage(Cross(branch, layer)) if name == "cross_attn.q_linear" else None)
