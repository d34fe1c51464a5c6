"""The front end of a core: control flow, site slots, pools, barriers, and issue to the queues."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence

import numpy as np

from flightvgm_arch.errors import ErrorCode
from flightvgm_arch.isa import QUEUE_DEPTH
from flightvgm_sim.machine.errors import require
from flightvgm_sim.machine.ledger import Place
from flightvgm_sim.machine.pools import Unit, cut
from flightvgm_sim.machine.program import FRONT, Decoded, Issued
from flightvgm_sim.machine.sites import site
from flightvgm_sim.machine.state import State


class FrontEnd:
    """Takes one instruction after another; it waits where a queue is full or a condition does not hold yet.

    Parameters
    ----------
    state : State
        Of its core.
    queues : sequence of deque
        The core's queues, by position in :data:`flightvgm_arch.isa.QUEUES`; that of the front end stays empty.
    cores : list of State
        All cores, for barriers.
    """

    def __init__(self, state: State, queues: Sequence[deque[Issued]], cores: Sequence[State]) -> None:
        self.counter = 0
        self._state = state
        self._queues = queues
        self._cores = cores
        self._pending: Decoded | None = None
        self._begun = False
        self._next = 0
        self._control: dict[str, Callable[[dict[str, int], frozenset[str]], bool]] = {
            "END": self._end,
            "SET": self._set,
            "ADD": self._add,
            "GET": self._get,
            "LOOP": self._loop,
            "SITE": self._site,
            "OPEN": self._open,
            "TILE": self._tile,
            "BARRIER": self._barrier,
            "MARK": self._mark,
        }

    @property
    def pending(self) -> Decoded:
        """The instruction that is next."""
        if self._pending is None:
            self._pending = self._state.shared.program.fetch(self.counter)
        return self._pending

    def step(self) -> bool:
        """Execute or issue the next instruction; False if it must wait."""
        if self._state.code is not None:
            return False
        decoded = self.pending
        if decoded.queue != FRONT:
            return self._issue(decoded)
        if not self._begun and not self._state.acquire(decoded.waits):
            return False
        self._begun = True
        self._next = self.counter + 1
        if not self._control[decoded.name](decoded.substitute(self._state.registers), decoded.instruction.flags):
            return False
        self._state.signal(decoded.instruction.signals)
        self._state.shared.counters.instructions["front"] += 1
        self._state.shared.spend()
        self._advance(self._next)
        return True

    def obstacle(self) -> str:
        """What the next instruction waits for, in words."""
        decoded = self.pending
        if decoded.queue != FRONT:
            return f"room in the queue of {decoded.name}"
        if not self._begun:
            return self._state.wanting(decoded.waits)
        return {
            "BARRIER": "its queues or the other cores",
            "OPEN": "cores that have not emptied the pool",
        }.get(decoded.name, "its queues")

    def _advance(self, counter: int) -> None:
        self.counter = counter
        self._pending = None
        self._begun = False

    def _issue(self, decoded: Decoded) -> bool:
        queue = self._queues[decoded.queue]
        if len(queue) >= QUEUE_DEPTH:
            return False
        state = self._state
        queue.append(Issued(decoded, decoded.substitute(state.registers), self.counter, state.place, state.sites))
        self._advance(self.counter + 1)
        return True

    def _idle(self) -> bool:
        return not any(self._queues)

    def _end(self, fields: dict[str, int], _: frozenset[str]) -> bool:
        if not self._idle():
            return False
        left = self._state.ring.waiting
        require(not left, f"{left} weight tiles are left in the ring; load only what MM takes", ErrorCode.RING_MISMATCH)
        self._state.code = fields["code"]
        self._next = self.counter
        return True

    def _set(self, fields: dict[str, int], _: frozenset[str]) -> bool:
        self._state.write(fields["rd"], fields["value"])
        return True

    def _add(self, fields: dict[str, int], _: frozenset[str]) -> bool:
        self._state.write(fields["rd"], self._state.registers[fields["rs"]] + fields["value"])
        return True

    def _get(self, fields: dict[str, int], _: frozenset[str]) -> bool:
        address = fields["source"]
        require(address % 4 == 0, f"the word at {address:#x} is misaligned; read multiples of 4", ErrorCode.MISALIGNED)
        self._state.write(fields["rd"], int(self._state.shared.memory.words(address, np.zeros(1, np.int64))[0]))
        return True

    def _loop(self, fields: dict[str, int], _: frozenset[str]) -> bool:
        register = fields["rd"]
        self._state.write(register, self._state.registers[register] - 1)
        if not register or self._state.registers[register]:
            self._next = fields["target"]
        return True

    def _site(self, fields: dict[str, int], _: frozenset[str]) -> bool:
        slots = list(self._state.sites)
        slots[fields["slot"]] = site(fields)
        self._state.sites = tuple(slots)
        return True

    def _open(self, fields: dict[str, int], flags: frozenset[str]) -> bool:
        first = fields["counter"]
        counters = range(0) if "static" in flags else range(first, first + fields["segments"])
        pool = self._state.shared.pools[fields["pool"]]
        return pool.open(self._state.number, lambda: self._units(fields, flags), counters)

    def _units(self, fields: dict[str, int], flags: frozenset[str]) -> list[Unit]:
        shared = self._state.shared
        first, last = fields["counter"], fields["counter"] + fields["segments"]
        require(
            last <= len(shared.counts),
            f"count registers {first} to {last - 1} exceed the {len(shared.counts)} there are; use fewer segments",
        )
        counts = [fields["rows"]] if "static" in flags else shared.counts[first:last]
        return cut(
            counts,
            stride=fields["stride"],
            cores=shared.config.cores,
            largest=fields["largest"],
            granule=fields["granule"],
        )

    def _tile(self, fields: dict[str, int], flags: frozenset[str]) -> bool:
        unit = self._state.shared.pools[fields["pool"]].take(self._state.number)
        self._state.write(fields["count"], unit.rows if unit else 0)
        if unit:
            self._state.write(fields["start"], unit.start)
        elif "branch" in flags:
            self._next = fields["target"]
        return True

    def _barrier(self, fields: dict[str, int], _: frozenset[str]) -> bool:
        state = self._state
        if not self._idle():
            return False
        members = [core for core in self._cores if fields["cores"] >> core.number & 1]
        if state not in members:
            return len(self._cores) > 1 or state.shared.meet(self.counter)
        state.barrier = self.counter
        if not state.released and all(core.barrier == self.counter and not core.released for core in members):
            if len(members) == len(self._cores) and not state.shared.meet(self.counter):
                return False
            for core in members:
                core.released = True
        if not state.released:
            return False
        state.barrier, state.released = None, False
        return True

    def _mark(self, fields: dict[str, int], _: frozenset[str]) -> bool:
        self._state.place = Place(fields["branch"], fields["layer"], fields["site"])
        return True
