"""The backend ``cosim``: a session on the emitted Verilog, whose finished steps may be kept."""

from __future__ import annotations

import hashlib
import time
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np

from flightvgm.compiler import Program
from flightvgm.media.atomic import replacing
from flightvgm.media.formats import check_folder
from flightvgm.runtime.backend import Array
from flightvgm.runtime.cosim import CosimDevice
from flightvgm.runtime.device import DeviceError
from flightvgm.runtime.difference import MismatchError
from flightvgm.runtime.ledger import FIELDS, Ledger, Place, Work
from flightvgm.runtime.places import describe
from flightvgm.runtime.session import Session
from flightvgm_arch.config import Config
from flightvgm_arch.operations import QUEUES
from flightvgm_sim.cosim.build import verilator_root

_BUILDING = "building the chip's model"
_BUSY = tuple(f"busy_{queue}" for queue in QUEUES)
_COUNTERS = ("saturations", "cycles", *_BUSY)


class SimulationError(ValueError):
    """A simulation that cannot be run as asked; the message names the option and the remedy."""


@dataclass(frozen=True)
class Simulation:
    """How a chip is simulated.

    Parameters
    ----------
    verify : bool
        Compare all of memory with the golden machine's behind each group of instructions.
    waveform : Path, optional
        FST file of the cycles round the first difference; needs ``verify``.
    resume : Path, optional
        Folder of finished steps; those that are there already are not run again. It is made if it does not exist.

    Raises
    ------
    ValueError
        A file or folder cannot be written, or the options contradict each other.
    """

    verify: bool = False
    waveform: Path | None = None
    resume: Path | None = None

    def __post_init__(self) -> None:
        if self.waveform is not None:
            if not self.verify:
                raise SimulationError("a waveform shows the first difference; add verify to look for one")
            if self.waveform.suffix.lower() != ".fst":
                raise SimulationError(f"the waveform '{self.waveform}' must end in .fst, which GTKWave and Surfer read")
            check_folder(self.waveform)
        if self.resume is not None:
            if self.resume.exists() and not self.resume.is_dir():
                raise SimulationError(f"'{self.resume}' is a file; name a folder for finished steps")
            self.resume.mkdir(parents=True, exist_ok=True)
            check_folder(self.resume / "step.npz")


class Spent(NamedTuple):
    """What runs took: work, counters of the chip by name, and seconds of simulation."""

    ledger: Ledger = Ledger()
    counters: Mapping[str, int] = dict.fromkeys(_COUNTERS, 0)
    seconds: float = 0.0

    def plus(self, other: Spent) -> Spent:
        """Sum of both."""
        counters = {name: self.counters[name] + other.counters[name] for name in _COUNTERS}
        return Spent(self.ledger + other.ledger, counters, self.seconds + other.seconds)


@dataclass(frozen=True)
class ChipReport:
    """What a video took on the simulated chip, kept steps included.

    Attributes
    ----------
    cycles : int
        Cycles of the chip.
    seconds : float
        Time of their simulation, with the golden machine's where it verifies.
    verified : bool
        All of memory was compared with the golden machine's behind each group of instructions.
    utilisation : float
        Share of the array's cycles that did work: ``(INT8 MACs / 4 + FP16 MACs / 2) / (DSP58 * cycles)``.
    busy : mapping
        By queue, cycles in which it worked, summed over the cores.
    """

    cycles: int
    seconds: float
    verified: bool
    utilisation: float
    busy: Mapping[str, int] = field(default_factory=dict)


def simulated(
    config: Config, program: Program, how: Simulation, callback: Callable[[float, float, str], None] | None = None
) -> SimulatedBackend:
    """Make a backend that emits a machine, builds its model and runs a program on it as soon as it must.

    Parameters
    ----------
    config : Config
        The machine.
    program : Program
        Compiled for it.
    how : Simulation
        How it is simulated.
    callback : callable, optional
        Called with ``(done, total, label)`` while the model is built.
    """
    from flightvgm.gateware import emit

    def progress(share: float) -> None:
        if callback is not None:
            callback(share, 1.0, _BUILDING)

    def session() -> Session:
        progress(0.0)
        verilator_root()
        _check_memory(config)
        text = emit(config).text
        device = CosimDevice(config, text, verify=how.verify, waveform=how.waveform, progress=progress)
        return Session(device, program)

    return SimulatedBackend(session, config, program, how)


def _check_memory(config: Config) -> None:
    """Refuse, before a model is built, a machine whose memory cannot be had; pages that nobody touches cost nothing."""
    try:
        np.empty(config.memory_bytes // 4 * 5, np.uint8)  # Bytes, and the cycle of the last write of each 32.
    except MemoryError:
        raise SimulationError(
            f"the {config.memory_bytes >> 20:,} MiB of memory of '{config.name}' cannot be had here; "
            "simulate a machine with less, such as SMALL"
        ) from None


class SimulatedBackend:
    """A backend on a simulated chip; see :class:`~flightvgm.runtime.backend.Backend`.

    With a folder to resume from, it keeps the outcome of each run in a file there, and takes it from there the next
    time. A file's name depends on all that the run depends on: program, prompt, modulation, step, tokens, and whether
    it was verified. Cycles are those of the Verilog that ran.

    Parameters
    ----------
    make : callable
        Makes the session, when a run is needed.
    config : Config
        The machine.
    program : Program
        Compiled for it.
    how : Simulation
        Whether it is verified, and where finished runs are kept.
    """

    def __init__(self, make: Callable[[], Session], config: Config, program: Program, how: Simulation) -> None:
        self._make = make
        self._dsps = config.dsps
        self._program = program
        self._how = how
        self._session: Session | None = None
        self._prompted = False
        self._prompt: tuple[Array, Array] = (np.zeros(0), np.zeros(0))
        self._spent = Spent()

    @property
    def saturations(self) -> int:
        """Values that were beyond the range of FP16, so far."""
        return self._spent.counters["saturations"]

    def prompt(self, texts: Array, tables: Array) -> None:
        """Begin a video; see :class:`~flightvgm.runtime.backend.Backend`."""
        self._prompt = (texts, tables)
        self._prompted = False
        self._once("prompt", b"", self._run_prompt)

    def step(self, tokens: Array, index: int, progress: Callable[[float], None] | None = None) -> Array:
        """Run a step, or read it."""

        def run() -> tuple[Array, Spent]:
            if not self._prompted:
                self._run_prompt()
            return self._measured(lambda session: session.step(tokens, index, progress))

        return self._once(f"step-{index:03d}", tokens.tobytes(), run)

    def ledger(self) -> Ledger:
        """Work so far, that of kept runs included."""
        return self._spent.ledger

    def report(self) -> ChipReport:
        """What all runs so far took."""
        total, cycles = self._spent.ledger.total, self._spent.counters["cycles"]
        work = total.done / 4 + total.attention / 2
        busy = {queue: self._spent.counters[name] for queue, name in zip(QUEUES, _BUSY, strict=True)}
        share = work / (self._dsps * cycles) if cycles else 0.0
        return ChipReport(cycles, self._spent.seconds, self._how.verify, share, busy)

    def _run_prompt(self) -> tuple[Array, Spent]:
        def run(session: Session) -> Array:
            session.prompt(*self._prompt)
            return np.zeros(0)

        outcome = self._measured(run)
        self._prompted = True
        return outcome

    def _once(self, name: str, content: bytes, run: Callable[[], tuple[Array, Spent]]) -> Array:
        """Run, or read what an earlier run left."""
        path = None if self._how.resume is None else self._how.resume / f"{name}-{self._key(content)}.npz"
        if path is not None and path.exists():
            result, spent = _read(path)
        else:
            result, spent = run()
            if path is not None:
                _save(path, result, spent)
        self._spent = self._spent.plus(spent)
        return result

    def _key(self, content: bytes) -> str:
        digest = hashlib.sha256(self._program.digest.encode() + bytes([self._how.verify]))
        for part in (*(item.tobytes() for item in self._prompt), content):
            digest.update(hashlib.sha256(part).digest())
        return digest.hexdigest()[:16]

    def _measured(self, run: Callable[[Session], Array]) -> tuple[Array, Spent]:
        """Run on the chip, and say what that took."""
        if self._session is None:
            self._session = self._make()
        session, began = self._session, time.perf_counter()
        ledger, counters = session.ledger(), dict(session.device.counters())
        try:
            result = run(session)
        except MismatchError as error:
            where = describe(self._program, session.base, error.difference)
            raise DeviceError(f"{where}{error.more}") from error
        after = session.device.counters()
        spent = {name: after[name] - counters[name] for name in _COUNTERS}
        return result, Spent(session.ledger() - ledger, spent, time.perf_counter() - began)


def _save(path: Path, result: Array, spent: Spent) -> None:
    entries = spent.ledger.entries
    places = np.array([[item.branch, item.layer] for item in entries], np.int64).reshape(-1, 2)
    work = np.array([[getattr(item, name) for name in FIELDS] for item in entries.values()], np.int64)
    with replacing(path) as partial:
        np.savez(
            partial, result=result, places=places, sites=np.array([item.site for item in entries], str),
            work=work.reshape(-1, len(FIELDS)), counters=np.array([spent.counters[name] for name in _COUNTERS]),
            seconds=spent.seconds,
        )  # fmt: skip


def _read(path: Path) -> tuple[Array, Spent]:
    try:
        with path.open("rb") as file, np.load(file) as kept:
            rows = zip(kept["places"], kept["sites"], kept["work"], strict=True)
            ledger = {Place(int(at[0]), int(at[1]), str(site)): Work(*map(int, work)) for at, site, work in rows}
            counters = dict(zip(_COUNTERS, map(int, kept["counters"]), strict=True))
            result: Array = kept["result"]
            return result, Spent(Ledger(ledger), counters, float(kept["seconds"]))
    except (EOFError, KeyError, TypeError, ValueError, zipfile.BadZipFile):
        raise SimulationError(f"'{path}' is no finished step; delete it, and the step is run again") from None
