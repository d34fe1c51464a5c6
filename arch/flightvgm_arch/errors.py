"""Codes with which a machine stops, and the sentence that each stands for."""

from __future__ import annotations

from enum import IntEnum


class ErrorCode(IntEnum):
    """Why a machine stopped. The code is in the register ``ERROR``; core and program counter are beside it."""

    NONE = 0
    ILLEGAL_INSTRUCTION = 1
    FIELD_RANGE = 2
    ADDRESS_WINDOW = 3
    MISALIGNED = 4
    BUFFER_OVERRUN = 5
    AXI_SLVERR = 6
    AXI_DECERR = 7
    DEADLOCK = 8
    WATCHDOG = 9
    SEMAPHORE_OVERFLOW = 10
    COUNT_OVERRUN = 11
    RING_MISMATCH = 12
    LEDGER = 13
    END_CODE = 14

    @property
    def sentence(self) -> str:
        """What happened, and what to do about it."""
        return SENTENCES[self]


SENTENCES = {
    ErrorCode.NONE: "No error.",
    ErrorCode.ILLEGAL_INSTRUCTION: (
        "The word is not an instruction, or a reserved bit is set: load the whole program, compiled for this version."
    ),
    ErrorCode.FIELD_RANGE: "A field or register holds a value that the instruction cannot take: compile again.",
    ErrorCode.ADDRESS_WINDOW: "The address lies outside every open window: open a window over the whole buffer.",
    ErrorCode.MISALIGNED: "The address is not a multiple of 32 bytes: align rows and base addresses.",
    ErrorCode.BUFFER_OVERRUN: "The access ends beyond the on-chip buffer: compile for this machine's configuration.",
    ErrorCode.AXI_SLVERR: "The memory answered with SLVERR: check its health and the shell's address map.",
    ErrorCode.AXI_DECERR: "No memory answers there (DECERR): check the windows against the shell's address map.",
    ErrorCode.DEADLOCK: "Every queue waits for a semaphore that nobody will signal: the program lacks a signal.",
    ErrorCode.WATCHDOG: "The watchdog's limit passed: the program does not end, or the limit is too short for it.",
    ErrorCode.SEMAPHORE_OVERFLOW: "A signal would raise a semaphore above 63: the program signals more than it waits.",
    ErrorCode.COUNT_OVERRUN: "More rows were kept than their segment holds: give segments a stride of all their rows.",
    ErrorCode.RING_MISMATCH: "The ring's next weight tile is not of the size that MM expects: match LOADW and MM.",
    ErrorCode.LEDGER: "MACs offered are not the sum of those done and skipped: the program left out or repeated rows.",
    ErrorCode.END_CODE: "The program ended with a code of its own: see the register END_CODE.",
}
