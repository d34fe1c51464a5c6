"""Control that the cores share: registers, supervisor, counters, pools, barriers and ledger, joined."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, ClockDomain, ClockSignal, DomainRenamer, Module, ResetSignal, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from flightvgm_arch.isa import QUEUES, REGISTER_BITS
from flightvgm_rtl.control.barrier import Barrier
from flightvgm_rtl.control.commands import PC_BITS, Increment
from flightvgm_rtl.control.counters import Counter
from flightvgm_rtl.control.ledger import Ledger
from flightvgm_rtl.control.operands import RegisterWrite
from flightvgm_rtl.control.pools import Pools
from flightvgm_rtl.control.ports import COUNTER_BITS, BarrierPort, CountWrite, PoolPort
from flightvgm_rtl.control.registers import Registers
from flightvgm_rtl.control.supervisor import Supervisor
from flightvgm_rtl.dma.ports import ReadPort, WritePort
from flightvgm_rtl.dma.windows import Windows
from flightvgm_rtl.lib.fault import Fault
from flightvgm_rtl.lib.reset import add_with_own_reset
from flightvgm_rtl.lib.vector import Vector

HOST = ("awvalid", "awready", "awaddr", "wvalid", "wready", "wdata", "wstrb", "bvalid", "bready", "bresp", "arvalid",
        "arready", "araddr", "rvalid", "rready", "rdata", "rresp")  # fmt: skip
_SATURATION_BITS = 8


class SharedControl(wiring.Component):
    """What the host sees, and what the cores share beside memory.

    Parameters
    ----------
    cores : int
        Cores.
    digest : int
        Digest of the configuration.
    timeout : int
        Cycles after which a burst that does not end is given up; a power of two.

    Members
    -------
    awvalid, ..., rresp :
        AXI4-Lite, as :class:`flightvgm_rtl.control.registers.Registers` has it.
    interrupt : Out(1)
    run, core_reset, entry, preset :
        To all cores; ``core_reset`` also resets units, memory engines and their clients, but not this.
    stop : Out(1)
        To the memory engines: no burst begins.
    quiet : In(1)
        None is under way.
    moved : In(1)
        Data moved at a port.
    windows : Out(Windows)
    ended, end_codes, faults, progress, stuck, starved, pcs, stuck_pcs : In
        From the cores, an element for each.
    pools : In(PoolPort()).array(cores)
    counts : In(CountWrite).array(cores)
    guard_counters, guard_held :
        As :class:`flightvgm_rtl.control.pools.Pools` has them.
    barriers : In(BarrierPort()).array(cores)
    posts : In(stream.Signature(Increment)).array(2 * cores)
        Of the matrix and row units.
    ledger_read : Out(ReadPort()), ledger_write : Out(WritePort())
        Clients that no window binds.
    busy_<queue> : In(cores)
        For ``front`` and the five units.
    saturations : In(Vector(8, cores))
        Values that were saturated in this cycle.
    """

    def __init__(self, *, cores: int, digest: int, timeout: int = 1 << 16) -> None:
        self._cores = cores
        self._registers = Registers(digest=digest)
        self._supervisor = Supervisor(cores=cores, timeout=timeout)
        self._pools = Pools(cores=cores)
        self._barrier = Barrier(cores=cores)
        self._ledger = Ledger(sources=2 * cores)
        host = {name: member for name, member in self._registers.signature.members.items() if name in HOST}
        super().__init__(
            {
                **host,
                "interrupt": Out(1),
                "run": Out(1),
                "core_reset": Out(1),
                "entry": Out(REGISTER_BITS),
                "preset": Out(RegisterWrite),
                "stop": Out(1),
                "quiet": In(1),
                "moved": In(1),
                "windows": Out(Windows),
                "ended": In(cores),
                "end_codes": In(Vector(8, cores)),
                "faults": In(Fault).array(cores),
                "progress": In(cores),
                "stuck": In(cores),
                "starved": In(cores),
                "pcs": In(Vector(PC_BITS, cores)),
                "stuck_pcs": In(Vector(PC_BITS, cores)),
                "pools": In(PoolPort()).array(cores),
                "counts": In(CountWrite).array(cores),
                "guard_counters": In(COUNTER_BITS).array(cores),
                "guard_held": Out(cores),
                "barriers": In(BarrierPort()).array(cores),
                "posts": In(stream.Signature(Increment)).array(2 * cores),
                "ledger_read": Out(ReadPort()),
                "ledger_write": Out(WritePort()),
                **{f"busy_{queue}": In(cores) for queue in QUEUES},
                "saturations": In(Vector(_SATURATION_BITS, cores)),
            }
        )

    def elaborate(self, _: Any) -> Module:
        """Connect what is shared."""
        m = Module()
        registers, supervisor, ledger = self._registers, self._supervisor, self._ledger
        m.submodules.registers = registers
        add_with_own_reset(m, "supervisor", supervisor)
        add_with_own_reset(m, "ledger", ledger)
        m.domains.run = ClockDomain(local=True)  # Reset before each start.
        again = Signal(reset_less=True, attrs={"keep": "true"})
        m.d.sync += again.eq(ResetSignal() | supervisor.core_reset)
        m.d.comb += [ClockSignal("run").eq(ClockSignal()), ResetSignal("run").eq(again)]
        m.submodules.pools = DomainRenamer("run")(self._pools)
        m.submodules.barrier = DomainRenamer("run")(self._barrier)
        self._host(m, registers, supervisor)
        self._watch(m, supervisor)
        self._share(m)
        m.d.comb += [
            ledger.table.eq(registers.ledger),
            ledger.clear.eq(supervisor.started),
            ledger.restart.eq(supervisor.restart),
            ledger.flush.eq(supervisor.flush),
            supervisor.flushed.eq(ledger.flushed),
            supervisor.balanced.eq(ledger.balanced),
            supervisor.ledger_fault.eq(ledger.fault),
        ]
        connect(m, ledger.read, flipped(self.ledger_read))
        connect(m, ledger.write, flipped(self.ledger_write))
        for number in range(2 * self._cores):
            connect(m, flipped(self.posts[number]), ledger.posts[number])
        self._report(m, registers, supervisor)
        return m

    def _host(self, m: Module, registers: Registers, supervisor: Supervisor) -> None:
        for name in HOST:
            inside, outside = getattr(registers, name), getattr(self, name)
            m.d.comb += inside.eq(outside) if self.signature.members[name].flow is In else outside.eq(inside)
        m.d.comb += [
            self.interrupt.eq(registers.interrupt),
            self.entry.eq(registers.entry),
            self.windows.eq(registers.windows),
            supervisor.start.eq(registers.start),
            supervisor.reset.eq(registers.reset),
            registers.started.eq(supervisor.started),
            registers.stopped.eq(supervisor.stopped),
            registers.idle.eq(supervisor.idle),
            registers.index.eq(supervisor.index),
            supervisor.argument.eq(registers.argument),
            supervisor.watchdog.eq(registers.watchdog),
        ]

    def _watch(self, m: Module, supervisor: Supervisor) -> None:
        m.d.comb += [
            self.run.eq(supervisor.run),
            self.core_reset.eq(supervisor.core_reset),
            self.preset.eq(supervisor.preset),
            self.stop.eq(supervisor.stop),
            supervisor.quiet.eq(self.quiet),
            supervisor.ended.eq(self.ended),
            supervisor.end_codes.eq(self.end_codes),
            supervisor.progress.eq(self.progress | self.moved.replicate(self._cores)),
            supervisor.stuck.eq(self.stuck),
            supervisor.starved.eq(self.starved),
            supervisor.pcs.eq(self.pcs),
            supervisor.stuck_pcs.eq(self.stuck_pcs),
            *(supervisor.faults[core].eq(self.faults[core]) for core in range(self._cores)),
        ]

    def _share(self, m: Module) -> None:
        for core in range(self._cores):
            connect(m, flipped(self.pools[core]), self._pools.ports[core])
            connect(m, flipped(self.barriers[core]), self._barrier.ports[core])
            m.d.comb += [
                self._pools.writes[core].eq(self.counts[core]),
                self._pools.guard_counters[core].eq(self.guard_counters[core]),
            ]
        m.d.comb += self.guard_held.eq(self._pools.guard_held)

    def _counter(self, m: Module, name: str, values: list[Value], clear: Value) -> Value:
        """Sum of what is counted in a cycle over the cores, added up."""
        while len(values) > 1:
            pairs = [left + right for left, right in zip(values[::2], values[1::2], strict=False)]
            values = pairs + values[2 * len(pairs) :]
        step = Signal(len(values[0]), name=f"{name}_step")
        counter = Counter(width=len(step))
        add_with_own_reset(m, name, counter)
        m.d.sync += step.eq(values[0])
        m.d.comb += [counter.i.eq(step), counter.clear.eq(clear)]
        return counter.o

    def _report(self, m: Module, registers: Registers, supervisor: Supervisor) -> None:
        report, cores = registers.report, range(self._cores)
        clear = supervisor.started
        sums = {"cycles": self._counter(m, "cycles", [supervisor.run], clear)}
        for queue in QUEUES:
            busy = getattr(self, f"busy_{queue}")
            working = [busy[core] & supervisor.run for core in cores]
            sums[f"busy_{queue}"] = self._counter(m, f"busy_{queue}", working, clear)
        never = Signal()
        sums["saturations"] = self._counter(m, "saturations", [self.saturations[core] for core in cores], never)
        m.d.comb += [report[name].eq(value) for name, value in sums.items()]
        m.d.comb += [
            report.status.eq(
                Cat(
                    ~supervisor.idle & ~supervisor.resetting, supervisor.error.valid & supervisor.idle,
                    supervisor.resetting, supervisor.reset_timeout,
                )
            ),
            report.error.eq(supervisor.error.code),
            report.error_pc.eq(supervisor.error.pc),
            report.error_core.eq(supervisor.error_core),
            report.error_address.eq(supervisor.error.address),
            report.end_code.eq(supervisor.end_code),
            report.padding_macs.eq(self._ledger.padding),
        ]  # fmt: skip
