"""Memory map of a program: named regions, one after another, on pages."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from flightvgm.compiler.errors import CompileError
from flightvgm_arch.formats import round_up

PAGE = 4096  # Memory is striped over channels in pages of this size.


class Region(NamedTuple):
    """Bytes ``[address, address + size)``, relative to the base of the program."""

    name: str
    address: int
    size: int

    @property
    def end(self) -> int:
        """First byte behind the region."""
        return self.address + self.size


class MemoryMap:
    """Hands out regions in the order of the requests, each on a page of its own.

    Parameters
    ----------
    limit : int
        Bytes of memory of the machine.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.regions: list[Region] = []
        self.size = 0

    def region(self, name: str, size: int) -> Region:
        """Reserve ``size`` bytes.

        Raises
        ------
        CompileError
            The memory is full, or the name is taken.
        """
        if any(region.name == name for region in self.regions):
            raise CompileError(f"the region '{name}' exists already; give each region a name of its own")
        region = Region(name, self.size, max(size, 1))
        self.size = round_up(region.end, PAGE)
        if self.size > self.limit:
            raise CompileError(
                f"region '{name}' ends at {self.size} bytes, but the machine has {self.limit} bytes of memory; "
                "compile fewer tokens or blocks, or choose a machine with more memory"
            )
        self.regions.append(region)
        return region


def table(regions: Iterable[Region]) -> str:
    """Text of a memory map: address, size and name of each region, one a line."""
    lines = [f"{'address':>12} {'bytes':>12}  region"]
    lines += [f"{region.address:#12x} {region.size:12,}  {region.name}" for region in regions]
    return "\n".join(lines)
