"""What all parts of the emission share: the sequence, the machine, the network and the memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum

from flightvgm.compiler.assembler import Assembler, Label, Register, Semaphore
from flightvgm.compiler.memory import Region
from flightvgm.compiler.network import Network
from flightvgm.compiler.regions import BlockWeights, Branch
from flightvgm.compiler.segments import Segments
from flightvgm.recipes import Recipe
from flightvgm_arch.config import Config
from flightvgm_arch.formats import round_up
from flightvgm_arch.isa import ALIGNMENT, Operand
from flightvgm_arch.sites import SITES

GATE, SHIFT, SCALE = range(3)  # Rows of the row stage in the parameter buffer.


class Pool(IntEnum):
    """Pools by what their units are."""

    SEGMENTS = 0
    UNITS = 1
    ATTENTION = 2


@dataclass(frozen=True)
class Parameters:
    """Addresses in the parameter buffer: three rows for the row stage, then norms of q and k, then the RoPE table."""

    network: Network

    def row(self, number: int) -> int:
        """Row of the row stage: GATE, SHIFT or SCALE."""
        return number * self.network.parameter_pitch

    @property
    def norm_pitch(self) -> int:
        """Bytes between the norms of q and k."""
        return round_up(4 * self.network.head_dim, ALIGNMENT)

    def norm(self, number: int) -> int:
        """Norm of q (0) or k (1)."""
        return self.row(SCALE + 1) + number * self.norm_pitch

    @property
    def rope(self) -> int:
        """RoPE table."""
        return self.norm(2)

    @property
    def rope_bytes(self) -> int:
        """Size of the RoPE table."""
        return self.network.t * 4 * self.network.head_dim

    @property
    def size(self) -> int:
        """Bytes in use."""
        return self.rope + round_up(self.rope_bytes, ALIGNMENT)


@dataclass
class Target:
    """A program under construction.

    Attributes
    ----------
    blocks : sequence of BlockWeights
        In order of execution.
    branches : sequence of Branch
        Unconditional, conditional.
    rope : Region
        RoPE table.
    segments : Mapping
        Segments by site, as the recipe's grids give them.
    """

    config: Config
    network: Network
    recipe: Recipe
    blocks: Sequence[BlockWeights]
    branches: Sequence[Branch]
    rope: Region
    segments: Mapping[str, Segments]
    asm: Assembler

    @property
    def parameters(self) -> Parameters:
        """Map of the parameter buffer."""
        return Parameters(self.network)

    def site_name(self, layer: int, site: int) -> str:
        """Full name of a site of a block."""
        return f"{self.network.kind(layer)}.{SITES[site]}"

    def barrier(self) -> None:
        """Let all cores meet with empty queues."""
        self.asm.emit("BARRIER", cores=(1 << self.config.cores) - 1)

    def open_static(self, pool: Pool, rows: Operand, largest: int, granule: int = 1) -> None:
        """Fill a pool with units of a number of rows that is known, if only to a register."""
        self.asm.emit("OPEN", ["static"], pool=pool, segments=1, rows=rows, largest=largest, granule=granule)

    def take(self, pool: Pool, start: Register, count: Register, empty: Label | None = None) -> None:
        """Take a unit once the operands of the last one are loaded, so that no core hoards; jump if there is none."""
        flags = [] if empty is None else ["branch"]
        self.asm.emit("TILE", flags, pool=pool, start=start, count=count, jump=empty, waits=[(Semaphore.UNIT, 1)])

    def mark(self, branch: int, layer: int, site: int) -> None:
        """Name the place in the network for what follows."""
        self.asm.emit("MARK", branch=branch, layer=layer, site=site)
