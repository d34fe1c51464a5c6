"""A core: its front end, its queues, and the units at their heads."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence

from flightvgm_arch.errors import ErrorCode
from flightvgm_arch.isa import QUEUES, disassemble
from flightvgm_sim.machine.errors import FaultError, MachineError
from flightvgm_sim.machine.frontend import FrontEnd
from flightvgm_sim.machine.journal import Author
from flightvgm_sim.machine.program import FRONT, Decoded, Issued
from flightvgm_sim.machine.state import Outcome, State
from flightvgm_sim.machine.units import load, matrix, rows, store

UNITS: dict[str, Callable[[State, Issued], Outcome]] = {
    "LOADW": load.load_weights,
    "LOADA": load.load_rows,
    "MM": matrix.multiply,
    "ATTN": matrix.attend,
    "ROWS": rows.stream,
    "STORE": store.store_rows,
    "FILL": store.fill,
}
AGENTS = range(len(QUEUES))


class Core:
    """One core; an agent is its front end or one of its queues, by position in :data:`flightvgm_arch.isa.QUEUES`.

    Parameters
    ----------
    state : State
        What it owns.
    states : sequence of State
        Those of all cores, for barriers.
    """

    def __init__(self, state: State, states: Sequence[State]) -> None:
        self.state = state
        self._queues: list[deque[Issued]] = [deque() for _ in QUEUES]
        self._front = FrontEnd(state, self._queues, states)

    @property
    def ended(self) -> bool:
        """Whether the core has executed END."""
        return self.state.code is not None

    def step(self, agent: int) -> bool:
        """Let one agent do what it can with one instruction; False if it must wait or has nothing to do.

        Raises
        ------
        MachineError
            The instruction is one that hardware would refuse.
        """
        if agent != FRONT:
            return bool(self._queues[agent]) and self._advance(agent)
        try:
            return self._front.step()
        except ValueError as problem:
            raise self.stopped(problem) from None

    def _advance(self, agent: int) -> bool:
        state, queue = self.state, self._queues[agent]
        issued = queue[0]
        moved = False
        try:
            if not issued.begun:
                if not state.acquire(issued.decoded.waits):
                    return False
                issued.begun = moved = True
            state.shared.memory.author = Author(state.number, issued.counter, issued.decoded.name, issued.place)
            outcome = UNITS[issued.decoded.name](state, issued)
            if outcome is Outcome.DONE:
                queue.popleft()
                state.signal(issued.decoded.instruction.signals)
                state.shared.counters.instructions[QUEUES[agent]] += 1
                state.shared.spend()
        except ValueError as problem:
            raise self._located(problem, issued.counter, issued.decoded) from None
        return moved or outcome is not Outcome.BLOCKED

    def obstacles(self) -> list[tuple[int, Decoded, str]]:
        """Number, instruction and obstacle, in words, of each head of a queue and of the front end."""
        found = []
        for name, queue in zip(QUEUES, self._queues, strict=True):
            if queue:
                issued = queue[0]
                reason = self.state.wanting(issued.decoded.waits)
                if issued.begun:
                    reason = "room in the ring" if name == "weights" else "weight tiles"
                found.append((issued.counter, issued.decoded, f"queue {name} at {issued.counter} for {reason}"))
        if not self.ended:
            found.append((self._front.counter, self._front.pending, f"the front end for {self._front.obstacle()}"))
        return found

    def stopped(self, problem: ValueError) -> MachineError:
        """The error for a problem of this core as a whole, at the instruction that its front end has come to."""
        return self._located(problem, self._front.counter)

    def _located(self, problem: ValueError, counter: int, decoded: Decoded | None = None) -> MachineError:
        """The error for a problem of this core's instruction."""
        if decoded is None:
            try:
                decoded = self._front.pending
            except FaultError:
                decoded = None
        code = problem.code if isinstance(problem, FaultError) else ErrorCode.FIELD_RANGE
        shown = disassemble(decoded.instruction) if decoded else "not fetched"
        return MachineError(code, core=self.state.number, counter=counter, instruction=shown, text=str(problem))
