"""Control of a core: fetch, front end, queues and semaphores, joined."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from flightvgm_arch.isa import LOOP_WORDS, QUEUES, REGISTER_BITS
from flightvgm_rtl.control.commands import PC_BITS, command
from flightvgm_rtl.control.faults import Faults
from flightvgm_rtl.control.fetch import Fetch
from flightvgm_rtl.control.frontend import FrontEnd
from flightvgm_rtl.control.issue import ISSUED
from flightvgm_rtl.control.operands import RegisterWrite
from flightvgm_rtl.control.ports import BarrierPort, PoolPort
from flightvgm_rtl.control.queue import Queue
from flightvgm_rtl.control.rest import Rest
from flightvgm_rtl.control.semaphores import Semaphores
from flightvgm_rtl.dma.ports import ReadPort
from flightvgm_rtl.lib.fault import Fault
from flightvgm_rtl.lib.reset import add_with_own_reset

_SETTLE = 8  # Cycles from the signals of the last instruction until their fault is reported.


class Core(wiring.Component):
    """Control of a core, from instruction fetch to the commands of its five units.

    It must be reset before each start, together with the units.

    Members
    -------
    run : In(1)
        From start to stop. Without it nothing is fetched, executed or handed to a unit.
    entry : In(40)
        Address of instruction 0; stays while ``run``.
    preset : In(RegisterWrite)
        Writes a register of the front end while ``run`` is low; all 32 must be written between reset and start.
    fetch : Out(ReadPort())
    <queue>_command : Out(stream.Signature(command(queue)))
        For ``weights``, ``load``, ``matrix``, ``rows`` and ``store``.
    <queue>_done, <queue>_active : In(1)
        As a unit gives them.
    <queue>_fault : In(Fault)
    ring_empty : In(1)
        No weight tile is in the ring or on its way.
    pool : Out(PoolPort())
    barrier : Out(BarrierPort())
    guard_counter : Out(6)
        Count register that the next ROWS would write.
    guard_held : In(1)
        An open pool hands out its rows; follows ``guard_counter`` by at most two cycles.
    ended : Out(1)
        END was executed with empty queues, and none of their last signals was a fault; ``end_code`` is its code.
    fault : Out(Fault)
        The first fault of the front end, the queues or the units.
    progress : Out(1)
        A unit moved data, or an instruction of a queue was completed.
    stuck : Out(1)
        Everything waits, and no unit has an instruction.
    starved : Out(1)
        Everything waits, but for instructions of weights and matrix that wait for each other or work.
    pc : Out(24)
        Instruction that the front end has come to; ``stuck_pc`` is the oldest one that waits.
    busy_front : Out(1)
    """

    def __init__(self) -> None:
        units: dict[str, Any] = {}
        for queue in ISSUED:
            units |= {
                f"{queue}_command": Out(stream.Signature(command(queue))),
                f"{queue}_done": In(1),
                f"{queue}_active": In(1),
                f"{queue}_fault": In(Fault),
            }
        super().__init__(
            {
                "run": In(1),
                "entry": In(REGISTER_BITS),
                "preset": In(RegisterWrite),
                "fetch": Out(ReadPort()),
                **units,
                "ring_empty": In(1),
                "pool": Out(PoolPort()),
                "barrier": Out(BarrierPort()),
                "guard_counter": Out(6),
                "guard_held": In(1),
                "ended": Out(1),
                "end_code": Out(8),
                "fault": Out(Fault),
                "progress": Out(1),
                "stuck": Out(1),
                "starved": Out(1),
                "pc": Out(PC_BITS),
                "stuck_pc": Out(PC_BITS),
                "busy_front": Out(1),
            }
        )

    def elaborate(self, _: Any) -> Module:
        """Connect fetch, front end, semaphores and queues."""
        m = Module()
        front, fetch, semaphores = FrontEnd(), Fetch(words=2 * LOOP_WORDS), Semaphores(clients=len(QUEUES))
        add_with_own_reset(m, "front", front)
        add_with_own_reset(m, "fetcher", fetch)
        add_with_own_reset(m, "semaphores", semaphores)
        connect(m, front.number, fetch.i)
        connect(m, fetch.o, front.fetched)
        connect(m, front.get, fetch.get)
        connect(m, fetch.port, flipped(self.fetch))
        connect(m, front.pool, flipped(self.pool))
        connect(m, front.barrier, flipped(self.barrier))
        ended = Signal(_SETTLE)
        m.d.sync += ended.eq(Cat(front.ended, ended[:-1]))
        m.d.comb += [
            fetch.run.eq(self.run),
            fetch.entry.eq(self.entry),
            front.got.eq(fetch.got),
            front.run.eq(self.run),
            front.preset.eq(self.preset),
            front.ring_empty.eq(self.ring_empty),
            self.ended.eq(ended[-1]),
            self.end_code.eq(front.end_code),
            self.pc.eq(front.pc),
            self.busy_front.eq(front.busy),
        ]
        self._client(m, front, semaphores, QUEUES.index("front"))
        queues = [self._queue(m, name, front, semaphores) for name in ISSUED]
        m.d.comb += front.queues_empty.eq(Cat(queue.empty for queue in queues).all())
        self._watch(m, front, semaphores, queues)
        return m

    def _client(self, m: Module, part: Any, semaphores: Semaphores, number: int) -> None:
        m.d.comb += [
            semaphores.wait[number].eq(part.wait),
            part.granted.eq(semaphores.granted[number]),
            semaphores.signal[number].eq(part.signal),
            part.taken.eq(semaphores.taken[number]),
        ]

    def _queue(self, m: Module, name: str, front: FrontEnd, semaphores: Semaphores) -> Queue:
        queue = Queue(name)
        add_with_own_reset(m, f"queue_{name}", queue)
        connect(m, getattr(front, f"to_{name}"), queue.i)
        connect(m, queue.command, flipped(getattr(self, f"{name}_command")))
        m.d.comb += [queue.run.eq(self.run), queue.done.eq(getattr(self, f"{name}_done"))]
        self._client(m, queue, semaphores, QUEUES.index(name))
        if name == "rows":
            m.d.comb += [self.guard_counter.eq(queue.guard_counter), queue.guard_held.eq(self.guard_held)]
        return queue

    def _watch(self, m: Module, front: FrontEnd, semaphores: Semaphores, queues: list[Queue]) -> None:
        """Join faults, and tell whether anything moves."""
        rows = queues[ISSUED.index("rows")]
        m.submodules.faults = faults = Faults(sources=len(ISSUED) + 3)
        m.submodules.rest = rest = Rest(queues=len(ISSUED), ring=tuple(map(ISSUED.index, ("weights", "matrix"))))
        m.d.comb += [faults.i[place].eq(getattr(self, f"{name}_fault")) for place, name in enumerate(ISSUED)]
        m.d.comb += [
            faults.i[-3].eq(front.fault),
            faults.i[-2].eq(rows.refusal),
            faults.i[-1].eq(semaphores.overflow),
            self.fault.eq(faults.o),
            rest.front_waiting.eq(front.waiting),
            rest.front_pc.eq(front.pc),
            self.stuck.eq(rest.stuck),
            self.starved.eq(rest.starved),
            self.stuck_pc.eq(rest.pc),
            self.progress.eq(
                Cat(getattr(self, f"{name}_{what}") for name in ISSUED for what in ("done", "active")).any()
            ),
        ]
        for place, queue in enumerate(queues):
            m.d.comb += [
                rest.empty[place].eq(queue.empty),
                rest.begun[place].eq(queue.begun),
                rest.waiting[place].eq(queue.waiting),
                rest.pc_of[place].eq(queue.pc),
            ]
