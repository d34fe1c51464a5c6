from typing import Any

import pytest
from amaranth.hdl import Module
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, connect, flipped

from flightvgm_rtl.control.barrier import Barrier
from flightvgm_rtl.control.commands import command
from flightvgm_rtl.control.core import Core
from flightvgm_rtl.control.issue import ISSUED
from flightvgm_rtl.control.pools import Pools
from flightvgm_rtl.control.ports import CountWrite
from harness.run import run_bench


class CoreAlone(wiring.Component):
    """A core with pools and barriers of its own."""

    def __init__(self) -> None:
        self.core, self.pools, self.barrier = Core(), Pools(cores=1), Barrier(cores=1)
        inside = ("pool", "barrier", "guard_counter", "guard_held")
        members = {name: member for name, member in self.core.signature.members.items() if name not in inside}
        super().__init__({**members, "count": In(CountWrite)})

    def elaborate(self, _: Any) -> Module:
        m = Module()
        m.submodules.core, m.submodules.pools, m.submodules.barrier = self.core, self.pools, self.barrier
        connect(m, self.core.pool, self.pools.ports[0])
        connect(m, self.core.barrier, self.barrier.ports[0])
        m.d.comb += [
            self.pools.writes[0].eq(self.count),
            self.pools.guard_counters[0].eq(self.core.guard_counter),
            self.core.guard_held.eq(self.pools.guard_held),
        ]
        for name, member in self.signature.members.items():
            if name == "count":
                continue
            inside, outside = getattr(self.core, name), getattr(self, name)
            if member.is_signature:
                connect(m, inside, flipped(outside))
            else:
                m.d.comb += inside.eq(outside) if member.flow is In else outside.eq(inside)
        return m


def places(layout: Any, base: int = 0, prefix: str = "") -> dict[str, tuple[int, int]]:
    """Offset and width of each leaf of a layout, by its path."""
    if not isinstance(layout, data.Layout):
        return {prefix: (base, layout if isinstance(layout, int) else layout.width)}
    found = {}
    for name, field in layout:
        found |= places(field.shape, base + field.offset, f"{prefix}.{name}" if prefix else str(name))
    return found


@pytest.mark.parametrize("bench", ["programs", "faults"])
def test_core(bench):
    layouts = {queue: places(command(queue)) for queue in ISSUED}
    run_bench(CoreAlone(), f"rtl.control.bench_core_{bench}", layouts=layouts, name="core_alone")
