"""The accelerator: cores, and what they share. Wires only."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, ClockDomain, ClockSignal, DomainRenamer, Module, ResetSignal, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from flightvgm_arch.config import Config
from flightvgm_arch.isa import QUEUES
from flightvgm_rtl.control.axi_lite import AxiLite
from flightvgm_rtl.control.shared import SharedControl
from flightvgm_rtl.core import READS, WRITES, Core
from flightvgm_rtl.dma.axi import AxiRead, AxiWrite
from flightvgm_rtl.dma.read import ReadEngine
from flightvgm_rtl.dma.write import WriteEngine

# Clients of a core's ports: what each of them would rather not wait for comes first.
_READS_OF = {
    1: (READS,),
    2: (("fetch", "weights"), ("load_map", "load_row", "rows_x", "rows_map", "rows_y", "store_list")),
    4: (("fetch", "weights"), ("load_map", "load_row"), ("rows_x", "rows_map"), ("rows_y", "store_list")),
}
_WRITES_OF = {
    1: (WRITES,),
    2: (("records", "map"), ("store", "rows_x")),
    4: (("records",), ("map",), ("store",), ("rows_x",)),
}


class Accelerator(wiring.Component):
    """A machine of a configuration.

    Everything below a core's ports is reset by ``core_reset``, too; what the host sees is not. Each core and each
    engine has a register for its reset.

    Parameters
    ----------
    config : Config
        The machine; it has 1, 2 or 4 ports a core.

    Members
    -------
    control : In(AxiLite())
    reads, writes : Out(AxiRead()), Out(AxiWrite())
        Channels of ``cores * ports`` masters.
    interrupt : Out(1)
    """

    def __init__(self, config: Config) -> None:
        if config.ports not in _READS_OF:
            raise ValueError(f"ports is {config.ports}; a core's clients are shared out to 1, 2 or 4 ports")
        self._config = config
        self._shared = SharedControl(cores=config.cores, digest=int(config.digest, 16))
        self._cores = [Core(config) for _ in range(config.cores)]
        masters = config.cores * config.ports
        super().__init__(
            {
                "control": In(AxiLite()),
                "reads": Out(AxiRead()).array(masters),
                "writes": Out(AxiWrite()).array(masters),
                "interrupt": Out(1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        """Place all parts, and join."""
        m = Module()
        m.submodules.shared = shared = self._shared
        m.d.comb += self.interrupt.eq(shared.interrupt)
        for name in AxiLite().members:
            ours, theirs = getattr(self.control, name), getattr(shared, name)
            m.d.comb += theirs.eq(ours) if shared.signature.members[name].flow is In else ours.eq(theirs)
        for number, core in enumerate(self._cores):
            self._place(m, f"core_{number}", core)
            self._join(m, number, core)
        self._engines(m)
        return m

    def _place(self, m: Module, name: str, part: wiring.Component) -> None:
        """Add a part in a domain that is reset a cycle after the machine or the cores, from a register of its own."""
        domain = ClockDomain(f"{name}_domain", local=True)
        late = Signal(name=f"{name}_reset", reset_less=True, attrs={"keep": "true"})
        m.domains += domain
        m.d.sync += late.eq(ResetSignal() | self._shared.core_reset)
        m.d.comb += [ClockSignal(domain.name).eq(ClockSignal()), ResetSignal(domain.name).eq(late)]
        m.submodules[name] = DomainRenamer(domain.name)(part)

    def _join(self, m: Module, number: int, core: Core) -> None:
        """Join a core with what the cores share."""
        shared = self._shared
        connect(m, core.pool, shared.pools[number])
        connect(m, core.barrier, shared.barriers[number])
        for place in range(2):
            connect(m, core.posts[place], shared.posts[2 * number + place])
        m.d.comb += [
            core.run.eq(shared.run),
            core.entry.eq(shared.entry),
            core.preset.eq(shared.preset),
            core.guard_held.eq(shared.guard_held[number]),
            shared.guard_counters[number].eq(core.guard_counter),
            shared.counts[number].eq(core.count),
            shared.faults[number].eq(core.fault),
            shared.ended[number].eq(core.ended),
            shared.end_codes[number].eq(core.end_code),
            shared.progress[number].eq(core.progress),
            shared.stuck[number].eq(core.stuck),
            shared.starved[number].eq(core.starved),
            shared.pcs[number].eq(core.pc),
            shared.stuck_pcs[number].eq(core.stuck_pc),
            shared.saturations[number].eq(core.saturations),
            *(getattr(shared, f"busy_{queue}")[number].eq(core.busy[place]) for place, queue in enumerate(QUEUES)),
        ]

    def _engines(self, m: Module) -> None:
        """Place a read and a write engine at each port; the ledger is a client of the first ones."""
        ports, idle, moved = self._config.ports, [], []
        for number, core in enumerate(self._cores):
            for port in range(ports):
                master = number * ports + port
                reads = [core.reads[READS.index(name)] for name in _READS_OF[ports][port]]
                writes = [core.writes[WRITES.index(name)] for name in _WRITES_OF[ports][port]]
                unchecked: tuple[int, ...] = ()
                if master == 0:
                    unchecked = (len(reads), len(writes))
                    reads, writes = [*reads, self._shared.ledger_read], [*writes, self._shared.ledger_write]
                reader = ReadEngine(clients=len(reads), unchecked=unchecked[:1])
                writer = WriteEngine(clients=len(writes), unchecked=unchecked[1:])
                for name, engine, clients, axi in (
                    ("read", reader, reads, self.reads[master]),
                    ("write", writer, writes, self.writes[master]),
                ):
                    self._place(m, f"{name}_{master}", engine)
                    for client, theirs in zip(clients, engine.ports, strict=True):
                        connect(m, client, theirs)
                    connect(m, engine.axi, flipped(axi))
                    m.d.comb += [engine.windows.eq(self._shared.windows), engine.stop.eq(self._shared.stop)]
                    idle.append(engine.idle)
                    moved.append(engine.moved)
        m.d.comb += [self._shared.quiet.eq(Cat(idle).all()), self._shared.moved.eq(Cat(moved).any())]
