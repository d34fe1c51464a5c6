"""Row stages: what happens to the rows between two matrix stages, segment by segment."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Protocol

from flightvgm.compiler.assembler import Label, Register, Semaphore, at
from flightvgm.compiler.memory import Region
from flightvgm.compiler.network import MODULATION_ROWS
from flightvgm.compiler.regions import MAPS
from flightvgm.compiler.target import GATE, SCALE, SHIFT, Pool, Target
from flightvgm_arch.isa import COUNTERS, Address, Operand, Reg
from flightvgm_arch.sites import SITES, macs_per_row

BRANCH_COUNTERS = COUNTERS // 2
THETA_BYTES = 4
ROWS_OF_UNIT = 256  # Most rows that a core takes at once in the last stage.


class RowStage(Protocol):
    """A stage of the row unit: prepared once, then taken segment by segment."""

    def prepare(self, target: Target) -> None:
        """Load parameters and open the pool of segments."""
        ...

    def issue(self, target: Target) -> None:
        """Work on the segment in SEGMENT."""
        ...


@dataclass(frozen=True)
class Stage:
    """What a site's row stage does before it quantises.

    Attributes
    ----------
    attended : bool
        Rows come from the attention output instead of the residual stream.
    add : bool
        The last matrix stage's result is added, and the sum written back.
    gate, shift, scale : int, optional
        Rows of the modulation table, counted from the block's first one.
    """

    attended: bool = False
    add: bool = False
    gate: int | None = None
    shift: int | None = None
    scale: int | None = None


# The first site adds the MLP of the block before, with that block's gate.
STAGES = (
    Stage(add=True, gate=-1, shift=0, scale=1),
    Stage(attended=True),
    Stage(add=True, gate=2),
    Stage(attended=True),
    Stage(add=True, shift=3, scale=4),
)
assert len(STAGES) == len(SITES)


def counter(branch: int) -> int:
    """First count register of a branch."""
    return branch * BRANCH_COUNTERS


def map_out(target: Target, branch: int, layer: int, site: int) -> Region:
    """Map that a site writes; its matrix stage's result is read through it."""
    return target.branches[branch].maps[(layer * len(SITES) + site) % MAPS]


def map_in(target: Target, branch: int, layer: int, site: int) -> Region:
    """Map of the site before."""
    return target.branches[branch].maps[(layer * len(SITES) + site - 1) % MAPS]


def load_parameters(target: Target, layer: int, rows: dict[int, int | None]) -> None:
    """Load rows of the modulation table into the parameter buffer, and let the row unit wait for them."""
    asm, pitch = target.asm, target.network.parameter_pitch
    wanted = [(place, row) for place, row in rows.items() if row is not None]
    for number, (place, row) in enumerate(wanted):
        last = number == len(wanted) - 1
        asm.emit(
            "LOADA",
            source=Address(Register.MODULATION, (layer * MODULATION_ROWS + row) * pitch),
            pitch=pitch, count=1, stride=1, outer=1, row_bytes=4 * target.network.width, target="P",
            to=target.parameters.row(place), to_pitch=pitch,
            signals=[(Semaphore.PARAMETERS, 1)] if last else [],
        )  # fmt: skip
    if wanted:
        # A walk over no rows: it keeps the queue until the parameters are there.
        asm.emit("ROWS", width=target.network.width, waits=[(Semaphore.PARAMETERS, 1)])


@dataclass(frozen=True)
class SiteRows:
    """The row stage before a site: recovery and addition, norm, modulation, quantisation, comparison, compaction."""

    branch: int
    layer: int
    site: int

    def prepare(self, target: Target) -> None:
        """Load parameters and thresholds, describe the site and open the pool of its segments."""
        stage, name = STAGES[self.site], target.site_name(self.layer, self.site)
        gate = None if self._first else stage.gate
        load_parameters(target, self.layer, {GATE: gate, SHIFT: stage.shift, SCALE: stage.scale})
        grid, network = target.recipe.grid(name), target.network
        compares = target.recipe.site(name).compares
        thetas: list[Operand] = []
        for number, register in enumerate((Register.THETA_GROUP, Register.THETA_CHUNK)):
            if compares[number]:
                offset = ((self.layer * len(SITES) + self.site) * 2 + number) * THETA_BYTES
                target.asm.add(Register.POINTER, Register.THRESHOLDS, offset)
                target.asm.emit("GET", rd=register, source=Address(Register.POINTER))
            thetas.append(Reg(register) if compares[number] else 0)
        target.asm.emit(
            "SITE",
            slot=self.branch, t=network.t, h=network.h, w=network.w,
            theta_group=thetas[0], theta_chunk=thetas[1],
            macs=macs_per_row(SITES[self.site], network.width, network.hidden), operands=grid.fields,
        )  # fmt: skip
        target.open_static(Pool.SEGMENTS, len(target.segments[name].bands), 1)

    def issue(self, target: Target) -> None:
        """Stream the segment in SEGMENT."""
        target.mark(self.branch, self.layer, self.site)
        segments = target.segments[target.site_name(self.layer, self.site)]
        cases = [partial(self._stream, target, number) for number in range(len(segments.bands))]
        target.asm.choose(Register.SEGMENT, cases)

    @property
    def _first(self) -> bool:
        """Whether nothing has been computed before."""
        return self.layer == self.site == 0

    def _stream(self, target: Target, number: int) -> None:
        stage, branch = STAGES[self.site], target.branches[self.branch]
        segments = target.segments[target.site_name(self.layer, self.site)]
        flags = ["quantise", "compare"]
        if stage.add and not self._first:
            flags += ["add", "write_back"]
        if stage.gate is not None and not self._first:
            flags.append("gated")
        if stage.scale is not None:
            flags += ["norm", "modulate"]
        first, count = segments.bands[number]
        parameters = target.parameters
        target.asm.emit(
            "ROWS", flags,
            x=at(branch.attended if stage.attended else branch.x), y=at(branch.y),
            map_in=at(map_in(target, self.branch, self.layer, self.site)), out=at(branch.records),
            map_out=at(map_out(target, self.branch, self.layer, self.site)),
            gate=parameters.row(GATE), shift=parameters.row(SHIFT), scale=parameters.row(SCALE),
            width=target.network.width, first=first, count=count, site=self.branch,
            counter=counter(self.branch) + number, base=number * segments.stride, limit=segments.stride,
        )  # fmt: skip


@dataclass(frozen=True)
class LastRows:
    """The row stage behind the last block: it adds the last MLP and leaves the residual stream in memory."""

    branch: int

    def prepare(self, target: Target) -> None:
        """Load the gate and open a pool of ranges of tokens."""
        load_parameters(target, target.network.layers, {GATE: -1})
        target.open_static(Pool.SEGMENTS, target.network.tokens, ROWS_OF_UNIT)

    def issue(self, target: Target) -> None:
        """Stream SEGMENT_COUNT rows from SEGMENT on."""
        branch, layers = target.branches[self.branch], target.network.layers
        target.mark(self.branch, layers - 1, len(SITES) - 1)
        target.asm.emit(
            "ROWS", ["add", "gated", "write_back"],
            x=at(branch.x), y=at(branch.y), map_in=at(map_in(target, self.branch, layers, 0)),
            gate=target.parameters.row(GATE), width=target.network.width,
            first=Reg(Register.SEGMENT), count=Reg(Register.SEGMENT_COUNT),
        )  # fmt: skip


def take_segment(target: Target, empty: Label) -> None:
    """Take a segment, or jump if none is left."""
    target.asm.emit(
        "TILE", ["branch"],
        pool=Pool.SEGMENTS, start=Register.SEGMENT, count=Register.SEGMENT_COUNT, jump=empty,
    )  # fmt: skip
