"""The control port: one table of AXI4-Lite registers, from which gateware, driver, C header and documentation derive.

The first four registers are those of ``ap_ctrl_hs``, so that runtimes which know that protocol can start the machine.
``DONE`` is set when the machine stops, with an error too: a host that waits for it never hangs. A register of 64 bits
is a pair of words, the low one first; reading the low word latches the high one.

Access
    ``rw`` read and write; ``ro`` read only; ``rc`` cleared when read; ``tow`` a one toggles the bit; ``wo`` reads zero.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from flightvgm_arch.isa import REGISTER_BITS, REGISTERS
from flightvgm_arch.operations import QUEUES

ID = int.from_bytes(b"FVGM", "little")
VERSION = (0, 1, 0)
WINDOWS = 8
FIRST_ARGUMENT = REGISTERS // 2  # r16: the upper half of a core's registers are the host's arguments.
SPAN_BYTES = 4096
ACCESSES = ("rw", "ro", "rc", "tow", "wo")


class RegisterError(ValueError):
    """A register map that cannot be built; the message names the register and the remedy."""


@dataclass(frozen=True)
class RegisterField:
    """Some bits of a register."""

    name: str
    low: int
    bits: int
    access: str
    text: str


@dataclass(frozen=True)
class Register:
    """One register: its name, its byte offset, 32 or 64 bits, its access, its meaning and its fields."""

    name: str
    offset: int
    bits: int
    access: str
    text: str
    fields: tuple[RegisterField, ...] = ()

    @property
    def bytes(self) -> int:
        """Bytes of address space."""
        return self.bits // 8


def _flags(access: str, **texts: str) -> tuple[RegisterField, ...]:
    return tuple(RegisterField(name, low, 1, access, text) for low, (name, text) in enumerate(texts.items()))


_CONTROL = (
    RegisterField("START", 0, 1, "rw", "write one to start all cores at ENTRY; reads one until they have started"),
    RegisterField("DONE", 1, 1, "rc", "the machine has stopped since the last read"),
    RegisterField("IDLE", 2, 1, "ro", "nothing runs"),
    RegisterField("READY", 3, 1, "ro", "arguments may be written for the next start"),
    RegisterField("AUTO_RESTART", 7, 1, "rw", "start again when done; for benchmarks of the control path"),
)
_VERSION = (
    RegisterField("PATCH", 0, 16, "ro", "patch"),
    RegisterField("MINOR", 16, 8, "ro", "minor"),
    RegisterField("MAJOR", 24, 8, "ro", "major"),
)
_EVENTS = {"DONE": "the machine has stopped", "READY": "the machine takes the next start"}
_RESET = (
    RegisterField("RESET", 0, 1, "wo", "write one: refuse new bursts, drain those outstanding, then reset all cores"),
)

REGISTER_MAP: tuple[Register, ...] = (
    Register("CONTROL", 0x00, 32, "rw", "Start and completion, ap_ctrl_hs.", _CONTROL),
    Register("GIE", 0x04, 32, "rw", "Global interrupt enable.", _flags("rw", ENABLE="interrupts reach the host")),
    Register("IER", 0x08, 32, "rw", "Interrupt enable, by cause.", _flags("rw", **_EVENTS)),
    Register("ISR", 0x0C, 32, "tow", "Interrupt status, by cause.", _flags("tow", **_EVENTS)),
    Register("ID", 0x10, 32, "ro", f"The letters FVGM: {ID:#010x}."),
    Register("VERSION", 0x14, 32, "ro", "Version of this map and of the instruction set.", _VERSION),
    Register("CONFIG_DIGEST", 0x18, 64, "ro", "Digest of the machine's configuration; a program names the same."),
    Register("ENTRY", 0x20, 64, "rw", "Address of the first instruction; all cores start there."),
    Register("WATCHDOG", 0x28, 64, "rw", "Cycles without progress after which the machine stops; zero for never."),
    Register("LEDGER", 0x30, 64, "rw",
             "Address of the sparsity ledger, a multiple of 64; the machine adds to it. Zero: none is kept."),
    Register("RESET", 0x38, 32, "wo", "Soft reset.", _RESET),
    *(
        Register(f"R{number}", 0x40 + 8 * (number - FIRST_ARGUMENT), 64, "rw",
                 f"Register r{number} of each core at start; {REGISTER_BITS} bits.")
        for number in range(FIRST_ARGUMENT, REGISTERS)
    ),
    *(
        Register(f"WINDOW{number}_{end}", 0x100 + 16 * number + 8 * half, 64, "rw", text)
        for number in range(WINDOWS)
        for half, (end, text) in enumerate({
            "BASE": "First byte that programs may touch.",
            "LIMIT": "First byte beyond the window; equal to the base, nothing is open.",
        }.items())
    ),
    Register("STATUS", 0x180, 32, "ro", "What the machine does.",
             _flags("ro", RUNNING="a program runs", ERROR="stopped with an error", RESETTING="bursts are drained",
                    RESET_TIMEOUT="the last reset found a burst that did not end")),
    Register("ERROR", 0x184, 32, "ro", "Error code; zero for none."),
    Register("ERROR_PC", 0x188, 32, "ro", "Instruction number that the error names, counted from ENTRY."),
    Register("ERROR_CORE", 0x18C, 32, "ro", "Core that the error names."),
    Register("ERROR_ADDRESS", 0x190, 64, "ro", "Address that the error names, where it names one."),
    Register("END_CODE", 0x198, 32, "ro", "Code of the first END that had one."),
    Register("CYCLES", 0x200, 64, "ro", "Cycles from start to stop."),
    *(
        Register(f"BUSY_{queue.upper()}", 0x208 + 8 * place, 64, "ro",
                 f"Cycles in which queue '{queue}' works, summed over the cores.")
        for place, queue in enumerate(QUEUES)
    ),
    Register("SATURATIONS", 0x238, 64, "ro", "Results that exceeded FP16 and were saturated."),
    Register("PADDING_MACS", 0x240, 64, "ro", "MACs spent on rows and columns that only fill up tiles."),
)  # fmt: skip


def check(registers: Sequence[Register]) -> None:
    """Refuse a map that hardware cannot have.

    Raises
    ------
    RegisterError
        A register is misaligned, overlaps another or lies beyond the span, or a field does not fit its register.
    """
    end, before, names = 0, "", set()
    for register in sorted(registers, key=lambda item: item.offset):
        where = f"register {register.name} at {register.offset:#x}"
        if register.name in names:
            raise RegisterError(f"{where} has a name that is taken; rename it")
        if register.bits not in {32, 64} or register.access not in ACCESSES:
            raise RegisterError(f"{where} must have 32 or 64 bits and an access of {', '.join(ACCESSES)}")
        if register.offset % register.bytes:
            raise RegisterError(f"{where} must be aligned to its {register.bytes} bytes")
        if register.offset < end:
            raise RegisterError(f"{where} overlaps {before}; move it to {end:#x}")
        end, before = register.offset + register.bytes, register.name
        if end > SPAN_BYTES:
            raise RegisterError(f"{where} lies beyond the span of {SPAN_BYTES} bytes")
        names.add(register.name)
        _check_fields(register, where)


def _check_fields(register: Register, where: str) -> None:
    free = 0
    for field in register.fields:
        if field.low < free or field.bits < 1 or field.low + field.bits > register.bits or field.access not in ACCESSES:
            raise RegisterError(f"{where}: field {field.name} overlaps another, leaves the register or has no access")
        free = field.low + field.bits


check(REGISTER_MAP)
BY_NAME = {register.name: register for register in REGISTER_MAP}
