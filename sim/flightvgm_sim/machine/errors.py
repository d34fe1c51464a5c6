"""Why a machine stops: a fault where it arises, and the error that names the instruction, the place and the remedy."""

from __future__ import annotations

from flightvgm_arch.errors import ErrorCode


class FaultError(ValueError):
    """What hardware would refuse, as the unit that sees it words it: culprit and remedy.

    Parameters
    ----------
    code : ErrorCode
        The code that the machine leaves for the host.
    text : str
        The rest of a sentence.
    """

    def __init__(self, code: ErrorCode, text: str) -> None:
        super().__init__(text)
        self.code = code


class MachineError(ValueError):
    """A machine that stopped; the message is one sentence with core, program counter, instruction and remedy.

    Parameters
    ----------
    code : ErrorCode
        Why.
    core : int
        The core that stopped.
    counter : int
        Number of the instruction, counted from the entry.
    instruction : str
        Its disassembly.
    text : str
        Culprit and remedy.
    """

    def __init__(self, code: ErrorCode, *, core: int, counter: int, instruction: str, text: str) -> None:
        shown = " ".join(instruction.split())
        super().__init__(f"core {core} stopped at instruction {counter} ({shown}): {text}")
        self.code = code
        self.core = core
        self.counter = counter
        self.instruction = instruction


def require(condition: bool, text: str, code: ErrorCode = ErrorCode.FIELD_RANGE) -> None:
    """Refuse what hardware would refuse.

    Raises
    ------
    FaultError
        The condition does not hold.
    """
    if not condition:
        raise FaultError(code, text)
