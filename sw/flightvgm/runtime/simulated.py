"""The backend ``cosim``: a session on the emitted Verilog, whose finished steps may be kept."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from flightvgm.compiler import Program
from flightvgm.media.atomic import replacing
from flightvgm.runtime.backend import Array, Backend
from flightvgm.runtime.cosim import CosimDevice
from flightvgm.runtime.ledger import FIELDS, Ledger, Place, Work
from flightvgm.runtime.session import Session
from flightvgm_arch.config import Config


@dataclass(frozen=True)
class Simulation:
    """How a chip is simulated.

    Parameters
    ----------
    verify : bool
        Compare all of memory with the golden machine's after each run.
    waveform : Path, optional
        FST file of the cycles around the first difference; needs ``verify``.
    resume : Path, optional
        Folder of finished steps; those that are there already are not run again.
    """

    verify: bool = False
    waveform: Path | None = None
    resume: Path | None = None

    def __post_init__(self) -> None:
        if self.waveform is not None and not self.verify:
            raise ValueError("a waveform shows the first difference; add verify to look for one")


def simulated(config: Config, program: Program, how: Simulation) -> Backend:
    """Emit a machine, build its model and make a session on it."""
    from flightvgm.gateware import emit

    def session() -> Session:
        device = CosimDevice(config, emit(config).text, verify=how.verify, waveform=how.waveform)
        return Session(device, program)

    return session() if how.resume is None else _Kept(session, program, how.resume)


class _Kept:
    """A backend that keeps the outcome of each step in a file, and takes it from there the next time.

    A file names what the step depends on: the program, the prompt, the modulation, the step and its tokens.
    """

    def __init__(self, make: Callable[[], Session], program: Program, folder: Path) -> None:
        self._make = make
        self._session: Session | None = None
        self._folder = folder
        self._program = program.digest
        self._prompt: tuple[Array, Array] = (np.zeros(0), np.zeros(0))
        self._kept = Ledger()
        self._saturations = 0
        folder.mkdir(parents=True, exist_ok=True)

    @property
    def saturations(self) -> int:
        """Values that were beyond the range of FP16, so far."""
        return self._saturations + (0 if self._session is None else self._session.saturations)

    def prompt(self, texts: Array, tables: Array) -> None:
        """Remember the prompt until a step must be run."""
        self._prompt = (texts, tables)
        self._session = None

    def step(self, tokens: Array, index: int, progress: Callable[[float], None] | None = None) -> Array:
        """Run a step, or read it."""
        content = [self._program.encode(), *(part.tobytes() for part in self._prompt), tokens.tobytes(), bytes([index])]
        path = self._folder / f"step-{index:03d}-{hashlib.sha256(b''.join(content)).hexdigest()[:16]}.npz"
        if path.exists():
            return self._read(path)
        if self._session is None:
            self._session = self._make()
            self._session.prompt(*self._prompt)
        before, saturations = self._session.ledger(), self._session.saturations
        result = self._session.step(tokens, index, progress)
        spent = self._session.ledger() - before
        places = np.array([[place.branch, place.layer] for place in spent.entries], np.int64).reshape(-1, 2)
        work = np.array([[getattr(item, name) for name in FIELDS] for item in spent.entries.values()], np.int64)
        with replacing(path) as partial:
            np.savez(partial, result=result, places=places, sites=np.array([place.site for place in spent.entries]),
                     work=work, saturations=self._session.saturations - saturations)  # fmt: skip
        return result

    def ledger(self) -> Ledger:
        """Work so far, that of kept steps included."""
        return self._kept if self._session is None else self._kept + self._session.ledger()

    def _read(self, path: Path) -> Array:
        with np.load(path) as kept:
            names = zip(kept["places"], kept["sites"], kept["work"], strict=True)
            entries = {
                Place(int(where[0]), int(where[1]), str(site)): Work(*map(int, work)) for where, site, work in names
            }
            self._kept += Ledger(entries)
            self._saturations += int(kept["saturations"])
            result: Array = kept["result"]
        return result
