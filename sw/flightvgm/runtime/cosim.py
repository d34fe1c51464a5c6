"""The emitted Verilog as a device, in Verilator; on request every byte of memory is held against the golden machine."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from flightvgm.runtime.device import Bytes, DeviceError
from flightvgm.runtime.difference import Difference, Group, MismatchError, find
from flightvgm.runtime.golden import GoldenDevice
from flightvgm.runtime.ledger import OUTSIDE, Ledger, Place, Work
from flightvgm_arch.config import PAGE_BYTES, Config
from flightvgm_arch.errors import ErrorCode
from flightvgm_arch.formats import round_up
from flightvgm_arch.memory import LEDGER_BYTES, LEDGER_ENTRY_BYTES, LEDGER_WORDS
from flightvgm_arch.operations import QUEUES
from flightvgm_arch.registers import BY_NAME, FIRST_ARGUMENT, ID, WINDOWS
from flightvgm_arch.sites import KINDS, SITES
from flightvgm_sim.cosim.build import BuildError, build
from flightvgm_sim.cosim.chip import TICKS, Chip, Stop

_CHUNK = 2_000  # Cycles between two calls of a progress callback: Ctrl-C waits for no more than a second.
_BEFORE, _AFTER = 2_000, 200  # Cycles of a waveform before and behind the write that is wrong.
_RESETTING = 0b100  # Of STATUS.
_OUTSIDE_NUMBER = 7


class StoppedError(DeviceError):
    """A chip that stopped with an error: its code, its core, the instruction's number, and an address or zero."""

    def __init__(self, code: ErrorCode, *, core: int, counter: int, address: int) -> None:
        self.code, self.core, self.counter, self.address = code, core, counter, address
        super().__init__(
            f"the chip stopped at instruction {counter} of core {core} with {code.name}, address {address:#x}"
        )


class CosimDevice:
    """A simulated chip; see :class:`~flightvgm.runtime.device.Device` for the methods.

    Parameters
    ----------
    config : Config
        The machine that the Verilog was emitted for.
    verilog : str
        Its text, with the top module ``flightvgm``.
    verify : bool
        Run each program on the golden machine as well, and compare all of memory behind each group of instructions.
    latency, stall, seed :
        Of the memory models; see :class:`~flightvgm_sim.cosim.chip.Chip`.
    waveform : Path, optional
        FST file that is written round the first difference.
    watchdog : int
        Cycles without progress after which the chip stops.
    optimise : int
        Level of the compiler; see :func:`~flightvgm_sim.cosim.build.build`.
    progress : callable, optional
        Called with the share of the model that is built.
    """

    def __init__(
        self, config: Config, verilog: str, *, verify: bool = False, latency: int = 100, stall: float = 0.0,
        seed: int = 1, waveform: Path | None = None, watchdog: int = 100_000, optimise: int = 3,
        progress: Callable[[float], None] | None = None,
    ) -> None:  # fmt: skip
        self._config = config
        self._verilog = verilog
        self._waveform = waveform
        self._progress = progress
        self._memory = {"latency": latency, "stall": stall, "seed": seed}
        self._watchdog = watchdog
        self._ports, self._optimise = config.ports * config.cores, optimise
        library = build(verilog, ports=self._ports, optimise=optimise, progress=progress)
        self._chip = Chip(library, config.memory_bytes, **self._memory)  # type: ignore[arg-type]
        self._golden = GoldenDevice(config) if verify else None
        self._windows: list[tuple[int, int]] = []
        self._top = 0
        self._table = config.memory_bytes - LEDGER_BYTES
        self._run: tuple[int, tuple[int, ...]] = (0, ())
        self._began = 0
        self._before: Bytes = np.zeros(0, np.uint8)
        self._sums = dict.fromkeys(("cycles", *(f"busy_{queue}" for queue in QUEUES)), 0)  # Of all runs so far.
        if self._get("ID") != ID:
            raise DeviceError("the simulated chip does not answer with its ID; emit the Verilog again")

    @property
    def config(self) -> Config:
        """The machine that this is."""
        return self._config

    @property
    def cycles(self) -> int:
        """Cycles of all runs so far."""
        return self._sums["cycles"]

    def allocate(self, size: int) -> int:
        """Reserve and open ``size`` bytes."""
        address = self._top
        if size < 1 or address + size > self._table:
            raise DeviceError(f"{size} bytes do not fit the memory of '{self._config.name}'; choose a larger machine")
        if len(self._windows) == WINDOWS:
            raise DeviceError(f"all {WINDOWS} windows are open; allocate neighbouring buffers at once")
        if self._golden is not None:
            self._golden.allocate(size)
        self._windows.append((address, address + size))
        self._top = round_up(address + size, PAGE_BYTES)
        return address

    def write(self, address: int, data: NDArray[Any]) -> None:
        """Copy an array's bytes to memory."""
        raw = np.ascontiguousarray(data).reshape(-1).view(np.uint8)
        self._reachable(address, raw.size)
        self._chip.memory[address : address + raw.size] = raw
        if self._golden is not None:
            self._golden.write(address, data)

    def read(self, address: int, size: int) -> Bytes:
        """Copy ``size`` bytes from memory."""
        self._reachable(address, size)
        return self._chip.memory[address : address + size].copy()

    def start(self, entry: int, arguments: Sequence[int] = ()) -> None:
        """Start the chip at ``entry``."""
        self._run = (entry, tuple(arguments))
        if self._golden is not None:
            self._before = self._chip.memory[: self._top].copy()
            self._golden.start(entry, arguments)
            self._chip.watch(self._config.cores)
        self._began = self._begin(self._chip)

    def wait(self, progress: Callable[[int], None] | None = None) -> None:
        """Run until the interrupt; where that is wanted, compare memory behind each group of instructions.

        ``progress`` is told cycles.

        Raises
        ------
        StoppedError
            The chip stopped with an error.
        MismatchError
            Its memory differs from the golden machine's. The chip is reset.
        DeviceError
            It comes to another BARRIER than the golden machine, or that refuses the program. The chip is reset.
        """

        def tell() -> None:
            if progress is not None:
                progress(self._chip.cycle - self._began)

        for group in self._groups(self._chip, self._began, tell):
            if group.last is None:
                self._conclude()
            if self._golden is not None:
                self._verify(self._golden, group)

    def counters(self) -> Mapping[str, int]:
        """Counters by name: ``cycles``, ``busy_<queue>``, ``saturations``, ``padding_macs``."""
        return {**self._sums, **{name: self._get(name.upper()) for name in ("saturations", "padding_macs")}}

    def ledger(self) -> Ledger:
        """Work so far, from the table in memory."""
        table = self._chip.memory[self._table : self._table + LEDGER_BYTES].view("<u8")
        rows = table.reshape(-1, LEDGER_ENTRY_BYTES // 8)[:, : len(LEDGER_WORDS)]
        entries: dict[Place, Work] = {}
        for number in np.flatnonzero(rows.any(axis=1)):
            layer, site, branch = int(number) >> 4, int(number) >> 1 & 7, int(number) & 1
            work = dict(zip(LEDGER_WORDS, map(int, rows[number]), strict=True))
            outside = site == _OUTSIDE_NUMBER
            name = OUTSIDE if outside else f"{KINDS[layer % len(KINDS)]}.{SITES[site]}"
            entries[Place(branch, layer, name)] = Work(
                rows_offered=work["rows_offered"], rows_kept=work["rows_kept"],
                offered=work["macs_done"] if outside else work["macs_offered"], done=work["macs_done"],
                skipped=work["macs_skipped"], attention=work["attention_macs"],
            )  # fmt: skip
        return Ledger(entries)

    def _reachable(self, address: int, size: int) -> None:
        if not any(first <= address and address + size <= end for first, end in self._windows):
            raise DeviceError(f"{size} bytes at {address:#x} are not allocated; allocate them first")

    def _begin(self, chip: Chip) -> int:
        """Start a chip; the cycle."""
        entry, arguments = self._run
        values = {"ENTRY": entry, "WATCHDOG": self._watchdog, "LEDGER": self._table, "GIE": 1, "IER": 1}
        values |= {f"R{FIRST_ARGUMENT + number}": value for number, value in enumerate(arguments)}
        for number, (first, end) in enumerate(self._windows):
            values |= {f"WINDOW{number}_BASE": first, f"WINDOW{number}_LIMIT": end}
        for name, value in values.items():
            self._set(name, value, chip)
        began = chip.cycle
        self._set("CONTROL", 1, chip)
        return began

    def _set(self, name: str, value: int, chip: Chip | None = None) -> None:
        register = BY_NAME[name]
        for word in range(register.bits // 32):
            (chip or self._chip).write(register.offset + 4 * word, value >> 32 * word & 0xFFFFFFFF)

    def _get(self, name: str) -> int:
        register = BY_NAME[name]
        return sum(self._chip.read(register.offset + 4 * word) << 32 * word for word in range(register.bits // 32))

    def _conclude(self) -> None:
        """Take what the chip has counted, and its error."""
        self._set("ISR", 1)
        self._get("CONTROL")
        self._sums = {name: count + self._get(name.upper()) for name, count in self._sums.items()}
        code = self._get("ERROR")
        if code:
            raise StoppedError(
                ErrorCode(code), core=self._get("ERROR_CORE"), counter=self._get("ERROR_PC"),
                address=self._get("ERROR_ADDRESS"),
            )  # fmt: skip

    def _groups(self, chip: Chip, start: int, tell: Callable[[], None]) -> Iterator[Group]:
        """Run a program that was started in a cycle; yield each group of instructions when it is done."""
        number, first, began, stop = 0, 0, start, Stop.CYCLES
        while stop is not Stop.INTERRUPT:
            stop = chip.run(_CHUNK)
            if stop is not Stop.CYCLES:
                ended, last = chip.meeting() if stop is Stop.MEETING else (chip.cycle, None)
                yield Group(number, first, last, start, began, ended)
                number, first, began = number + 1, (last or 0) + 1, ended
            tell()

    def _verify(self, golden: GoldenDevice, group: Group) -> None:
        """Let the golden machine run a group, and compare."""
        try:
            last = golden.advance()
            self._compare(golden, group, last)
        except DeviceError:
            if group.last is not None:
                self._halt()
            raise

    def _compare(self, golden: GoldenDevice, group: Group, last: int | None) -> None:
        difference = find(self._chip, golden, self._windows, group, self._config)
        if difference is not None:
            self._report(golden, difference)
        if last != group.last:
            found, wanted = ("its end" if at is None else f"BARRIER {at}" for at in (group.last, last))
            raise DeviceError(f"{group}: the chip comes to {found}, and the golden machine to {wanted}")

    def _report(self, golden: GoldenDevice, found: Difference) -> NoReturn:
        """Raise the difference, with a waveform round its cycle if that is wanted and nothing stands in the way."""
        if self._waveform is None:
            raise MismatchError(found)
        try:
            raise self._recorded(golden, found, self._waveform)
        except BuildError as problem:
            raise MismatchError(found, f"; there is no waveform, because {problem}") from None
        except KeyboardInterrupt:
            raise MismatchError(found, "; there is no waveform, because it was interrupted") from None

    def _recorded(self, golden: GoldenDevice, found: Difference, waveform: Path) -> MismatchError:
        replayed = self._replay(golden, found.group.number)
        if replayed is None:
            return MismatchError(found, "; there is no waveform, because a replay from the same memory did not show it")
        cycle = replayed.group.ended if replayed.cycle is None else replayed.cycle
        self._trace(waveform, max(0, cycle - _BEFORE), cycle + _AFTER)
        what = "group's end" if replayed.cycle is None else "write"
        return MismatchError(replayed, f"; its waveform is in '{waveform}', the {what} at time {TICKS * cycle}")

    def _again(self, *, trace: bool) -> Chip:
        """A fresh chip with the memory of the program's start."""
        library = build(self._verilog, ports=self._ports, trace=trace, optimise=self._optimise, progress=self._progress)
        chip = Chip(library, self._config.memory_bytes, **self._memory)  # type: ignore[arg-type]
        chip.memory[: self._before.size] = self._before
        return chip

    def _replay(self, golden: GoldenDevice, number: int) -> Difference | None:
        """Run the program once more, up to the end of a group, and compare."""
        chip = self._again(trace=False)
        chip.watch(self._config.cores)
        groups = self._groups(chip, self._begin(chip), lambda: None)
        last = next(group for group in groups if group.number == number or group.last is None)
        found = find(chip, golden, self._windows, last, self._config)
        chip.close()
        return found

    def _trace(self, waveform: Path, first: int, end: int) -> None:
        """Run the program once more, and write a waveform of some cycles."""
        chip = self._again(trace=True)
        chip.trace(waveform, first, end)
        self._begin(chip)
        chip.run(end - chip.cycle)
        chip.close()

    def _halt(self) -> None:
        """Reset a chip in the middle of a run, as a driver does it, so that it can be started again."""
        self._set("RESET", 1)
        while self._get("STATUS") & _RESETTING:
            pass
        self._set("ISR", self._get("ISR"))
