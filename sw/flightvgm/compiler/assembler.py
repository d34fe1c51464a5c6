"""Builds an instruction sequence: labels, control flow, addresses relative to the program's base."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import IntEnum

from flightvgm.compiler.memory import Region
from flightvgm_arch.isa import REGISTER_BITS, Address, Event, Instruction, Operand, encode


class Register(IntEnum):
    """Front-end registers by use."""

    ZERO = 0
    POINTER = 1
    THETA_GROUP = 2
    THETA_CHUNK = 3
    SEGMENT = 4
    SEGMENT_COUNT = 5
    START_A = 6
    COUNT_A = 7
    START_B = 8
    COUNT_B = 9
    SCRATCH = 10
    LEFT = 11
    QUERY = 12
    KEY = 13
    TILE = 14
    DIGIT = 15
    MODULATION = 16
    THRESHOLDS = 17
    TEXT = 18  # And 19: valid text tokens of the two branches.
    BASE = 20


class Semaphore(IntEnum):
    """Semaphores by what a count of one stands for."""

    IN_FREE = 0  # A slot of A may be written.
    IN_FULL = 1  # A slot of A, and what B needs for it, is loaded.
    OUT_FREE = 2  # A slot of the result buffer may be written.
    OUT_FULL = 3  # A slot of the result buffer waits for its store.
    KEYS_FREE = 4  # A slot of B may take keys and values.
    HIDDEN = 5  # Hidden rows of the MLP wait for quantisation.
    QUANTISED = 6  # Hidden rows of the MLP are quantised.
    PARAMETERS = 7  # Parameters of the row stage are loaded.
    UNIT = 8  # The front end may take another unit.


SLOTS = 2
CREDITS = ((Semaphore.IN_FREE, SLOTS), (Semaphore.OUT_FREE, SLOTS), (Semaphore.KEYS_FREE, SLOTS), (Semaphore.UNIT, 1))
Events = Iterable[tuple[int, int]]


@dataclass(eq=False)
class Label:
    """A place in the sequence, known once it is put down."""

    place: int | None = None


def at(region: Region, offset: int = 0) -> Address:
    """Address in a region: the program's base register plus an offset."""
    return Address(Register.BASE, region.address + offset)


@dataclass
class Assembler:
    """An instruction sequence under construction.

    Attributes
    ----------
    instructions : list of Instruction
        What has been emitted; targets of labels that are not yet put down are zero.
    """

    instructions: list[Instruction] = field(default_factory=list)
    _pending: list[tuple[int, Label]] = field(default_factory=list)

    def emit(
        self,
        name: str,
        flags: Iterable[str] = (),
        *,
        waits: Events = (),
        signals: Events = (),
        jump: Label | None = None,
        operands: Mapping[str, Operand | str] | None = None,
        **others: Operand | str,
    ) -> None:
        """Append an instruction; a choice may be given by its name.

        Parameters
        ----------
        jump : Label, optional
            Where LOOP or TILE jumps to.
        operands : Mapping, optional
            Operands beside those that are given by name.
        """
        choices = {item.name: item.choices for item in Instruction(name).operation.fields if item.choices}
        numbers: dict[str, Operand] = {
            key: choices[key].index(value) if isinstance(value, str) else value
            for key, value in {**(operands or {}), **others}.items()
        }
        if jump is not None:
            self._pending.append((len(self.instructions), jump))
        events = [tuple(Event(int(s), count) for s, count in pairs) for pairs in (waits, signals)]
        self.instructions.append(Instruction(name, numbers, frozenset(flags), events[0], events[1]))

    def here(self, label: Label) -> None:
        """Put a label down."""
        label.place = len(self.instructions)

    def set(self, register: int, value: int) -> None:
        """Set a register, modulo 2^40."""
        self.emit("SET", rd=register, value=value % (1 << REGISTER_BITS))

    def add(self, register: int, source: int, value: int = 0, *, signals: Events = ()) -> None:
        """``register = source + value``."""
        self.emit("ADD", rd=register, rs=source, value=value, signals=signals)

    def loop(self, register: int, target: Label) -> None:
        """Decrement a register and jump unless it became zero."""
        self.emit("LOOP", rd=register, jump=target)

    def jump(self, target: Label) -> None:
        """Jump always."""
        self.loop(Register.ZERO, target)

    def multiply(self, register: int, source: int, factor: int) -> None:
        """``register = source * factor`` by repeated addition; SCRATCH is used up."""
        again = Label()
        self.set(register, -factor)
        self.add(Register.SCRATCH, source, 1)
        self.here(again)
        self.add(register, register, factor)
        self.loop(Register.SCRATCH, again)

    def multiply_quotient(self, register: int, source: int, divisor: int, factor: int) -> None:
        """``register = (source // divisor) * factor`` by counting; SCRATCH and DIGIT are used up."""
        carry, count, borrow, done = Label(), Label(), Label(), Label()
        self.set(register, -factor)
        self.add(Register.SCRATCH, source, 1)
        self.here(carry)
        self.add(register, register, factor)
        self.set(Register.DIGIT, divisor)
        self.here(count)
        self.loop(Register.SCRATCH, borrow)
        self.jump(done)
        self.here(borrow)
        self.loop(Register.DIGIT, count)
        self.jump(carry)
        self.here(done)

    def choose(self, register: int, cases: Sequence[Callable[[], None]]) -> None:
        """Run the case whose number is in a register; SCRATCH is used up."""
        done = Label()
        self.add(Register.SCRATCH, register, 1)
        for number, case in enumerate(cases):
            following = Label()
            if number < len(cases) - 1:
                self.loop(Register.SCRATCH, following)
            case()
            if number < len(cases) - 1:
                self.jump(done)
            self.here(following)
        self.here(done)

    def finish(self) -> list[Instruction]:
        """Instructions with the targets of their labels."""
        finished = list(self.instructions)
        for position, label in self._pending:
            assert label.place is not None, "a jump leads to a label that was never put down"
            item = finished[position]
            finished[position] = replace(item, operands={**item.operands, "target": label.place})
        return finished

    def encode(self) -> bytes:
        """Words of the sequence."""
        return b"".join(encode(instruction) for instruction in self.finish())
