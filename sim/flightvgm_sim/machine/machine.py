"""The golden machine: executes a program's instruction stream, bit for bit, and refuses what hardware would refuse."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from flightvgm_arch.config import Config
from flightvgm_arch.errors import ErrorCode
from flightvgm_arch.isa import ALIGNMENT, REGISTER_BITS, REGISTERS, disassemble
from flightvgm_sim.golden.fp import U8
from flightvgm_sim.machine.core import Core
from flightvgm_sim.machine.counters import Counters
from flightvgm_sim.machine.errors import FaultError, MachineError, require
from flightvgm_sim.machine.journal import Journal, Origin
from flightvgm_sim.machine.ledger import Ledger, Place
from flightvgm_sim.machine.memory import Memory
from flightvgm_sim.machine.scheduler import FixedOrder, RandomOrder, Scheduler
from flightvgm_sim.machine.state import Shared, State

BUDGET = 10_000_000
_REPORT = 512  # Instructions between two calls of a progress callback.


class Machine:
    """A machine of a configuration, with memory, cores, ledger and counters.

    What each instruction does is in ``docs/explanation/machine.md``.

    Parameters
    ----------
    config : Config
        The machine.
    order_seed : int, optional
        Seed of a random order of the queues; by default the order is fixed.
    """

    def __init__(self, config: Config, *, order_seed: int | None = None) -> None:
        self.config = config
        self._shared = Shared(config)
        self._scheduler: Scheduler = FixedOrder() if order_seed is None else RandomOrder(order_seed)
        self._states: list[State] = []
        self._cores: list[Core] = []

    @property
    def memory(self) -> Memory:
        """Memory of the machine; the host opens windows, writes and reads."""
        return self._shared.memory

    @property
    def ledger(self) -> Ledger:
        """Rows and MACs by place since the machine was made; a copy stays as it is."""
        return self._shared.ledger

    @property
    def counters(self) -> Counters:
        """Sums since the machine was made."""
        return self._shared.counters

    @property
    def counts(self) -> tuple[int, ...]:
        """Count registers."""
        return tuple(self._shared.counts)

    @property
    def steps(self) -> int:
        """Instructions completed since the start."""
        return self._shared.steps

    def open_window(self, address: int, size: int) -> None:
        """Let programs and the host reach ``size`` bytes from ``address``; see :meth:`Memory.open_window`."""
        self.memory.open_window(address, size)

    def buffer(self, core: int, name: str) -> U8:
        """Copy of the buffer A, B, R or P of a core, as the last program left it."""
        state = self._states[core]
        return {"A": state.a, "B": state.b, "R": state.result, "P": state.parameters}[name].data.copy()

    def start(self, entry: int, arguments: Sequence[int] = ()) -> None:
        """Put all cores at the instruction at address ``entry``, with the arguments in r16, r17 and so on.

        Raises
        ------
        FaultError
            The entry is misaligned, or the arguments are too many or too large.
        """
        most = REGISTERS // 2
        require(entry % ALIGNMENT == 0, f"the entry {entry:#x} must be a multiple of {ALIGNMENT}", ErrorCode.MISALIGNED)
        require(len(arguments) <= most, f"a start takes {most} arguments, not {len(arguments)}")
        for argument in arguments:
            require(0 <= argument < 1 << REGISTER_BITS, f"the argument {argument} must fit {REGISTER_BITS} bits")
        self._shared.reset()
        self._shared.program.entry = entry
        self._states = [State(number, self._shared, arguments) for number in range(self.config.cores)]
        self._cores = [Core(state, self._states) for state in self._states]

    @property
    def place(self) -> Place:
        """What the last MARK of the first core named."""
        return self._states[0].place

    def origin(self, address: int) -> Origin | None:
        """What wrote a byte last since the machine was let run with ``pause``; None if nothing did."""
        journal = self.memory.journal
        return None if journal is None else journal.origin(address)

    def run(
        self, budget: int = BUDGET, progress: Callable[[int], None] | None = None, *, pause: bool = False
    ) -> int | None:
        """Execute until all cores have ended, or meet.

        Parameters
        ----------
        budget : int
            Instructions that the watchdog allows since the start.
        progress : callable, optional
            Called now and then with the number of instructions completed since the start.
        pause : bool
            Stop at the next BARRIER at which all cores stand; the next call goes on behind it. All instructions before
            it are done then, and none behind it has begun.

        Returns
        -------
        int or None
            Number of that BARRIER; None when all cores have ended.

        Raises
        ------
        MachineError
            The machine stopped; it must be started anew.
        FaultError
            The machine was not started.
        """
        require(bool(self._cores), "the machine is not started; start it first")
        shared = self._shared
        shared.budget, shared.pausing = budget, pause
        shared.memory.journal = Journal() if pause else None
        shared.resume()
        cores, reported = self._cores, 0
        self._cores = []
        while not all(core.ended for core in cores):
            if not self._scheduler.sweep(cores):
                if shared.meeting is None:
                    raise _deadlock(cores)
                self._cores = cores
                return shared.meeting
            if progress and self.steps >= reported + _REPORT:
                reported = self.steps
                progress(reported)
        self._conclude(cores)
        return None

    def _conclude(self, cores: Sequence[Core]) -> None:
        """Check what the cores leave behind."""
        for core in cores:
            if core.state.code:
                text = f"the program ended with code {core.state.code} of its own; ask its author what that means"
                raise core.stopped(FaultError(ErrorCode.END_CODE, text))
        try:
            self.ledger.check()
        except FaultError as problem:
            raise cores[0].stopped(problem) from None


def _deadlock(cores: Sequence[Core]) -> MachineError:
    """The error for cores none of which can go on."""
    stuck = [(core, *obstacle) for core in cores for obstacle in core.obstacles()]
    core, counter, decoded, _ = stuck[0]
    reasons = "; ".join(f"core {other.state.number}: {text}" for other, _, _, text in stuck)
    return MachineError(
        ErrorCode.DEADLOCK,
        core=core.state.number,
        counter=counter,
        instruction=disassemble(decoded.instruction),
        text=f"deadlock, everything waits ({reasons}); add the missing signal",
    )
