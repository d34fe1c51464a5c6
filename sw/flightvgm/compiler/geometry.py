"""What distinguishes spatial, temporal and cross attention: which rows see which, and how they are handed out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace

from flightvgm.compiler.assembler import Register
from flightvgm.compiler.memory import Region
from flightvgm.compiler.regions import Branch, parts_of, qkv_row_pitch
from flightvgm.compiler.rows import map_out
from flightvgm.compiler.target import Pool, Target
from flightvgm.compiler.tiling import AttentionTiling, batch_rows, frame_parts
from flightvgm_arch.isa import Operand, Reg
from flightvgm_arch.sites import SITES


@dataclass(frozen=True)
class Rows:
    """Loops over rows; ``offset`` is added to the first row before."""

    start: Reg
    count: Operand
    stride: int = 1
    outer: Operand = 1
    outer_stride: int = 0
    offset: int = 0

    def placed(self, start: Reg) -> Rows:
        """The same rows from a register that holds start and offset."""
        return replace(self, start=start, offset=0)

    def operands(self) -> dict[str, Operand]:
        """Fields of LOADA and STORE."""
        return {
            "start": self.start, "count": self.count, "stride": self.stride, "outer": self.outer,
            "outer_stride": self.outer_stride,
        }  # fmt: skip


@dataclass(frozen=True)
class Source:
    """Where rows of q, k or v lie: region, offset of the first channel, bytes between rows, and map if compacted."""

    region: Region
    offset: int
    pitch: int
    map: Region | None


@dataclass(frozen=True)
class Problem:
    """Extents of an ATTN: queries, keys and problems."""

    rows: Operand
    keys: Operand
    batch: Operand = 1


@dataclass(frozen=True)
class Unit:
    """Rows of a unit: its keys, and its queries, as many at a time as the buffers hold."""

    keys: Rows
    queries: tuple[Rows, ...]


@dataclass(frozen=True)
class Geometry(ABC):
    """Rows of a kind of attention.

    Attributes
    ----------
    branch, layer : int
        Whose.
    transform : str
        What happens to each head of q and k when it is loaded.
    transposed : bool
        P V has channels as rows: better where there are few queries.
    """

    branch: int
    layer: int
    transform = "none"
    transposed = False
    site = SITES.index("attn.qkv")

    @property
    def shared_keys(self) -> Rows | None:
        """Keys that all units have in common, if they do."""
        return None

    @property
    def place(self) -> tuple[int, int, int]:
        """Branch, layer and site, for the ledger."""
        return self.branch, self.layer, self.site

    @abstractmethod
    def tiling(self, target: Target) -> AttentionTiling:
        """Cut to the buffers."""

    @abstractmethod
    def open(self, target: Target) -> None:
        """Open the pool of units."""

    @abstractmethod
    def unit(self, target: Target, start: Register, count: Register) -> Unit:
        """Rows of the unit in two registers; further registers are computed here."""

    @abstractmethod
    def problem(self, target: Target, rows: Rows) -> Problem:
        """Extents of the attention of some queries."""

    def q(self, target: Target) -> Source:
        """Where queries lie."""
        return self._part(target, 0)

    def k(self, target: Target) -> Source:
        """Where keys lie."""
        return self._part(target, 1)

    def v(self, target: Target) -> Source:
        """Where values lie."""
        return self._part(target, 2)

    def _own(self, target: Target) -> Branch:
        return target.branches[self.branch]

    def _part(self, target: Target, number: int) -> Source:
        network = target.network
        part = parts_of(network, 3)
        offset = part[number].offset if len(part) > 1 else 2 * number * network.width
        return Source(self._own(target).qkv, offset, qkv_row_pitch(network), self._map(target))

    def _map(self, target: Target) -> Region:
        return map_out(target, self.branch, self.layer, self.site)


@dataclass(frozen=True)
class Spatial(Geometry):
    """Tokens of a frame see each other; a unit is a frame, or one of a few equal parts of its queries."""

    transform = "rms"

    def tiling(self, target: Target) -> AttentionTiling:
        """As many queries of a part as fit."""
        plane = target.network.plane
        queries = plane // frame_parts(target.config, target.network)
        return AttentionTiling.of(
            target.config, target.network, queries=queries, keys=plane, batched=False, name="spatial"
        )

    def open(self, target: Target) -> None:
        """Units are numbered frame by frame."""
        parts = frame_parts(target.config, target.network)
        target.open_static(Pool.ATTENTION, target.network.t * parts, 1)

    def unit(self, target: Target, start: Register, _count: Register) -> Unit:
        """Put the unit's first query into QUERY and its frame's first token into KEY."""
        plane, parts = target.network.plane, frame_parts(target.config, target.network)
        size, tile = plane // parts, self.tiling(target).queries
        target.asm.multiply(Register.QUERY, start, size)
        if parts > 1:
            target.asm.multiply_quotient(Register.KEY, start, parts, plane)
        else:
            target.asm.add(Register.KEY, Register.QUERY)
        query = Reg(Register.QUERY)
        queries = tuple(Rows(query, min(tile, size - low), offset=low) for low in range(0, size, tile))
        return Unit(Rows(Reg(Register.KEY), plane), queries)

    def problem(self, target: Target, rows: Rows) -> Problem:
        """One problem."""
        return Problem(rows.count, target.network.plane)


@dataclass(frozen=True)
class Temporal(Geometry):
    """Frames of a position see each other; a unit is a range of positions."""

    transform = "rms_rope"
    transposed = True

    def tiling(self, target: Target) -> AttentionTiling:
        """As many positions as fit."""
        frames = target.network.t
        return AttentionTiling.of(
            target.config, target.network, queries=frames, keys=frames, batched=True, name="temporal"
        )

    def open(self, target: Target) -> None:
        """Units are ranges of positions."""
        plane = target.network.plane
        target.open_static(Pool.ATTENTION, plane, batch_rows(target.config, self.tiling(target).problems, plane))

    def unit(self, target: Target, start: Register, count: Register) -> Unit:
        """All frames of the positions, position by position."""
        rows = Rows(Reg(start), target.network.t, target.network.plane, Reg(count), 1)
        return Unit(rows, (rows,))

    def problem(self, target: Target, rows: Rows) -> Problem:
        """A problem for each position."""
        frames = target.network.t
        return Problem(frames, frames, rows.outer)


@dataclass(frozen=True)
class Cross(Geometry):
    """Tokens see the text; a unit is a range of tokens."""

    site = SITES.index("cross_attn.q_linear")

    def tiling(self, target: Target) -> AttentionTiling:
        """As many tokens as fit."""
        network = target.network
        return AttentionTiling.of(
            target.config, network, queries=network.tokens, keys=network.text, batched=False, name="cross"
        )

    def open(self, target: Target) -> None:
        """Units are ranges of tokens."""
        tokens = target.network.tokens
        target.open_static(Pool.ATTENTION, tokens, batch_rows(target.config, self.tiling(target).queries, tokens))

    def unit(self, _target: Target, start: Register, count: Register) -> Unit:
        """A range of tokens and the valid text tokens."""
        return Unit(self.shared_keys, (Rows(Reg(start), Reg(count)),))

    @property
    def shared_keys(self) -> Rows:
        """The valid text tokens."""
        return Rows(Reg(Register.ZERO), self._valid)

    def problem(self, _target: Target, rows: Rows) -> Problem:
        """One problem."""
        return Problem(rows.count, self._valid)

    def q(self, target: Target) -> Source:
        """Results of the linear layer of q."""
        return Source(self._own(target).y, 0, target.network.row_pitch, self._map(target))

    def k(self, target: Target) -> Source:
        """Made once a prompt."""
        return self._text(target, 0)

    def v(self, target: Target) -> Source:
        """Made once a prompt."""
        return self._text(target, 1)

    @property
    def _valid(self) -> Reg:
        return Reg(Register.TEXT + self.branch)

    def _text(self, target: Target, number: int) -> Source:
        network = target.network
        offset = number * network.text * network.row_pitch
        return Source(self._own(target).keys[self.layer], offset, network.row_pitch, None)
