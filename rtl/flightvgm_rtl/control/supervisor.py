"""Supervisor: starts the cores, stops them, and resets what is inside."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import enum, wiring
from amaranth.lib.wiring import In, Out

from flightvgm_arch.errors import ErrorCode
from flightvgm_arch.isa import REGISTER_BITS, REGISTERS
from flightvgm_arch.registers import FIRST_ARGUMENT
from flightvgm_rtl.control.commands import PC_BITS
from flightvgm_rtl.control.operands import RegisterWrite
from flightvgm_rtl.control.watch import Watch
from flightvgm_rtl.lib.fault import Fault
from flightvgm_rtl.lib.vector import Vector

_PAUSE_CYCLES = 8
_RESET_CYCLES = 128  # Resets hop through rows and parts: all of them are in reset together for a while.
_END_CODE_BITS = 8


class Aim(enum.Enum, shape=2):
    """What the bursts are drained for."""

    START = 0
    STOP = 1
    RESET = 2


class Supervisor(wiring.Component):
    """Carry the cores from start to stop.

    A start drains bursts, resets the cores, presets their registers, and lets them run. A run ends when all cores have
    executed END, at the first fault, deadlock or alarm of the watchdog, or with a soft reset; except after END, bursts
    are drained and the cores are reset. Then the ledger is written back, and after END its law is checked. Draining
    and writing back take at most ``timeout`` cycles each. What was reported stays until the next start.

    Parameters
    ----------
    cores : int
        Cores.
    timeout : int
        Cycles for bursts to end; a power of two.

    Members
    -------
    start, reset : In(1)
        Wishes of the host; ``reset`` is a pulse.
    started, stopped : Out(1)
        Pulses.
    idle : Out(1)
        Nothing runs.
    index, argument :
        Read port of the arguments, with a latency of one cycle.
    preset : Out(RegisterWrite)
        To all cores.
    run : Out(1)
        To all cores and units.
    stop : Out(1)
        No burst begins.
    quiet : In(1)
        None is under way.
    core_reset : Out(1)
        Resets cores, units, memory engines with their clients, counts and pools.
    restart : Out(1)
        From then on until it has reached all parts, and bursts may begin again.
    flush : Out(1)
        The ledger is to be written back; held until ``flushed``.
    balanced : In(1)
        The law of the ledger holds.
    ledger_fault : In(Fault)
    ended : In(cores)
    end_codes : In(Vector(8, cores))
    faults : In(Fault).array(cores)
    progress, stuck, starved : In(cores)
    pcs, stuck_pcs : In(Vector(24, cores))
        As the cores give them.
    watchdog : In(64)
    resetting : Out(1)
        From the wish of the host until all is reset.
    reset_timeout : Out(1)
    error : Out(Fault)
    error_core : Out(4)
    end_code : Out(8)
    """

    def __init__(self, *, cores: int, timeout: int = 1 << 16) -> None:
        self._cores, self._timeout = cores, timeout
        super().__init__(
            {
                "start": In(1),
                "reset": In(1),
                "started": Out(1),
                "stopped": Out(1),
                "idle": Out(1),
                "index": Out((REGISTERS - FIRST_ARGUMENT - 1).bit_length()),
                "argument": In(REGISTER_BITS),
                "preset": Out(RegisterWrite),
                "run": Out(1),
                "stop": Out(1, init=1),
                "quiet": In(1),
                "core_reset": Out(1),
                "restart": Out(1),
                "flush": Out(1),
                "flushed": In(1),
                "balanced": In(1),
                "ledger_fault": In(Fault),
                "ended": In(cores),
                "end_codes": In(Vector(_END_CODE_BITS, cores)),
                "faults": In(Fault).array(cores),
                "progress": In(cores),
                "stuck": In(cores),
                "starved": In(cores),
                "pcs": In(Vector(PC_BITS, cores)),
                "stuck_pcs": In(Vector(PC_BITS, cores)),
                "watchdog": In(64),
                "resetting": Out(1),
                "reset_timeout": Out(1),
                "error": Out(Fault),
                "error_core": Out(4),
                "end_code": Out(_END_CODE_BITS),
            }
        )
        self._aim = Signal(Aim)
        self._timer, self._count = Signal(range(timeout)), Signal(range(2 * _RESET_CYCLES))
        self._wanted, self._resets = Signal(), Signal()  # A reset was asked for; one is in work.
        self._ran = Signal()

    def elaborate(self, _: Any) -> Module:
        """Step from start to stop, and note the first error."""
        m = Module()
        m.submodules.watch = watch = Watch()
        waits = self.stuck | self.ended
        m.d.comb += [
            watch.run.eq(self.run),
            watch.limit.eq(self.watchdog),
            watch.progress.eq(self.progress.any()),
            watch.stuck.eq(waits.all() & ~self.ended.all()),
            watch.starved.eq((waits | self.starved).all() & ~self.ended.all()),
        ]
        with m.If(self.reset):
            m.d.sync += self._wanted.eq(1)
        m.d.comb += self.resetting.eq(self._resets | self._wanted)
        m.d.sync += [self._timer.eq(self._timer + 1), self.started.eq(0), self.stopped.eq(0)]
        with m.FSM():
            self._idle_states(m)
            self._start_states(m)
            with m.State("RUN"):
                self._running(m, watch)
            self._stop_states(m)
        return m

    def _begin(self, m: Module, aim: Aim) -> None:
        """Drain bursts, then reset."""
        m.d.sync += [self._aim.eq(aim), self._timer.eq(0), self.stop.eq(1), self.run.eq(0), self.reset_timeout.eq(0)]
        m.d.sync += self._resets.eq(aim == Aim.RESET)
        if aim == Aim.RESET:
            m.d.sync += self._wanted.eq(0)
        m.next = "DRAIN"

    def _idle_states(self, m: Module) -> None:
        with m.State("IDLE"):
            m.d.comb += self.idle.eq(~self._wanted)
            with m.If(self._wanted):
                self._begin(m, Aim.RESET)
            with m.Elif(self.start):
                self._begin(m, Aim.START)
                m.d.sync += [self.error.eq(0), self.error_core.eq(0), self.end_code.eq(0)]
        # A pause, since a burst that begins when `stop` rises is seen a little later.
        drained = self.quiet & (self._timer >= _PAUSE_CYCLES)
        with m.State("DRAIN"), m.If(drained | self._timer.all()):
            m.d.sync += [self.reset_timeout.eq(~self.quiet), self._count.eq(0), self.core_reset.eq(1)]
            m.d.sync += self.restart.eq(1)
            m.next = "CLEAR"
        with m.State("CLEAR"):
            m.d.sync += self._count.eq(self._count + 1)
            with m.If(self._count == _RESET_CYCLES - 1):
                m.d.sync += self.core_reset.eq(0)
            with m.If(self._count == 2 * _RESET_CYCLES - 1):
                m.d.sync += [self._count.eq(0), self.stop.eq(0), self.restart.eq(0), self._timer.eq(0)]
                with m.If(self._aim == Aim.START):
                    m.next = "PRESET"
                with m.Else():
                    m.d.sync += self.flush.eq(1)
                    m.next = "FLUSH"

    def _start_states(self, m: Module) -> None:
        """Write all registers of the cores: arguments to the upper half, zeros to the lower."""
        number = Signal(range(REGISTERS), reset_less=True)
        m.d.comb += self.index.eq(self._count)
        with m.State("PRESET"):
            m.d.sync += [
                self._count.eq(self._count + 1),
                number.eq(self._count),
                self.preset.valid.eq((self._count != 0) & (self._count <= REGISTERS)),
                self.preset.number.eq(number),
                self.preset.value.eq(Mux(number >= FIRST_ARGUMENT, self.argument, 0)),
            ]
            with m.If(self._count == REGISTERS + 1):
                m.d.sync += [self.run.eq(1), self.started.eq(1), self._ran.eq(1)]
                m.next = "RUN"

    def _running(self, m: Module, watch: Watch) -> None:
        valids = Cat(self.faults[core].valid for core in range(self._cores))
        with m.If(self._wanted):
            self._begin(m, Aim.RESET)
        with m.Elif(valids.any()):
            for core in reversed(range(self._cores)):
                with m.If(valids[core]):
                    m.d.sync += [self.error.eq(self.faults[core]), self.error_core.eq(core)]
            self._begin(m, Aim.STOP)
        with m.Elif(self.ledger_fault.valid & ~self.started):  # A start makes the ledger forget it.
            m.d.sync += self.error.eq(self.ledger_fault)
            self._begin(m, Aim.STOP)
        with m.Elif(self.ended.all()):
            m.d.sync += [self.run.eq(0), self.flush.eq(1), self._timer.eq(0), self._aim.eq(Aim.START)]
            self._ends(m)
            m.next = "FLUSH"
        with m.Elif(watch.deadlock | watch.watchdog):
            code = Mux(watch.deadlock, ErrorCode.DEADLOCK, ErrorCode.WATCHDOG)
            self._blame(m, code, ~self.ended, self.stuck_pcs)
            self._begin(m, Aim.STOP)

    def _blame(self, m: Module, code: Any, cores: Any, pcs: Any) -> None:
        """Note an error of the first of some cores."""
        m.d.sync += [self.error.valid.eq(1), self.error.code.eq(code)]
        for core in reversed(range(self._cores)):
            with m.If(cores[core]):
                m.d.sync += [self.error_core.eq(core), self.error.pc.eq(pcs[core])]

    def _ends(self, m: Module) -> None:
        coded = Signal(self._cores)
        m.d.comb += coded.eq(Cat(self.end_codes[core] != 0 for core in range(self._cores)))
        with m.If(coded.any()):
            self._blame(m, ErrorCode.END_CODE, coded, self.pcs)
        for core in reversed(range(self._cores)):
            with m.If(coded[core]):
                m.d.sync += self.end_code.eq(self.end_codes[core])

    def _stop_states(self, m: Module) -> None:
        with m.State("FLUSH"), m.If(self.flushed | self._timer.all()):
            m.d.sync += [self.flush.eq(0), self.stop.eq(1), self._resets.eq(0)]
            with m.If(~self.error.valid & self.ledger_fault.valid):
                m.d.sync += self.error.eq(self.ledger_fault)
            with m.Elif(~self.error.valid & (self._aim == Aim.START) & ~self.balanced):
                m.d.sync += [
                    self.error.valid.eq(1),
                    self.error.code.eq(ErrorCode.LEDGER),
                    self.error.pc.eq(self.pcs[0]),
                ]
            m.d.sync += [self.stopped.eq(self._ran), self._ran.eq(0)]
            m.next = "IDLE"
