"""Builds programs whose queues are ordered by the semaphores that their accesses need, and by no others."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from flightvgm_arch.formats import fp16_pitch, round_up
from flightvgm_arch.isa import QUEUES, Address, Event, Instruction, Reg, disassemble, encode
from flightvgm_arch.operations import BY_NAME

ISSUED = QUEUES[1:]
FRONT = 0
BASE = 16  # The register with the address of the memory image, which is at least 1,024.
TEMPORARY = (*range(1, 8), *range(17, 32))  # Registers that hold operands of the next instruction.
_FILLERS = {"weights": "LOADW", "load": "LOADA", "matrix": "MM", "rows": "ROWS", "store": "FILL"}
_MOST = 40  # Of a semaphore's count: what all edges of a pair of queues may add up to between two fences.


class Span(NamedTuple):
    """Bytes of memory or of a buffer, or count registers."""

    space: str
    low: int
    high: int

    def meets(self, other: Span) -> bool:
        return self.space == other.space and self.low < other.high and other.low < self.high


@dataclass
class Step:
    """An instruction under construction, what it touches, and what is known to be complete when it begins."""

    name: str
    flags: frozenset[str]
    operands: dict
    queue: int
    reads: tuple[Span, ...]
    writes: tuple[Span, ...]
    waits: dict[int, int] = field(default_factory=dict)
    signals: dict[int, int] = field(default_factory=dict)
    complete: list[int] = field(default_factory=list)

    def instruction(self) -> Instruction:
        waits, signals = (
            tuple(Event(semaphore, count) for semaphore, count in events.items())
            for events in (self.waits, self.signals)
        )
        return Instruction(self.name, self.operands, self.flags, waits, signals)

    def conflicts(self, later: Step) -> bool:
        pairs = ((self.writes, later.reads + later.writes), (self.reads, later.writes))
        return any(one.meets(other) for first, second in pairs for one in first for other in second)


class Builder:
    """A program and the memory image that it works on.

    Parameters
    ----------
    rng : Generator
    """

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng
        self.steps: list[Step] = []
        self._image = bytearray(64 * int(rng.integers(1, 8)))
        self._fence = 0  # First step that an edge may come from.
        self._known = [[-1] * len(QUEUES) for _ in QUEUES]  # [queue][other]: newest step known to be complete.
        self._edges: dict[tuple[int, int], int] = {}
        self._register = 0

    def chance(self, probability: float) -> bool:
        return bool(self.rng.random() < probability)

    def number(self, low: int, high: int) -> int:
        """A number from ``low`` to ``high``, both included; the ends are likely."""
        choice = self.rng.random()
        if choice < 0.1:
            return low
        return high if choice < 0.2 else int(self.rng.integers(low, high + 1))

    def pick(self, *items):
        return items[int(self.rng.integers(len(items)))]

    # Memory

    def put(self, array) -> int:
        """Offset of an array in the image."""
        raw = np.ascontiguousarray(array).reshape(-1).view(np.uint8).tobytes()
        place = len(self._image) + 32 * self.number(0, 3)
        self._image += bytes(place - len(self._image)) + raw + bytes(-len(raw) % 32)
        return place

    def put_halves(self, rows) -> int:
        padded = np.zeros((len(rows), fp16_pitch(rows.shape[1]) // 2), np.float16)
        padded[:, : rows.shape[1]] = rows
        return self.put(padded)

    def room(self, size: int) -> int:
        """Offset of bytes that a program writes; they hold anything before."""
        return self.put(self.rng.integers(0, 256, round_up(size, 32), np.uint8))

    def image(self):
        return np.frombuffer(bytes(self._image) + bytes(64), np.uint8)

    def word(self, offset: int, dtype: str = "<u4") -> int:
        """A word of the initial image."""
        return int(np.frombuffer(bytes(self._image[offset : offset + 4]), dtype)[0])

    # Operands

    def temporary(self) -> int:
        """Next register for an operand: the front end executes in order, so it is free again after its use."""
        self._register = (self._register + 1) % len(TEMPORARY)
        return TEMPORARY[self._register]

    def at(self, offset: int) -> Address:
        """Address of an offset in the image: some of it in a register."""
        if self.chance(0.7):
            return Address(BASE, offset)
        register, part = self.temporary(), int(self.rng.integers(-32, offset // 32 + 1)) * 32
        self.front("ADD", rd=register, rs=BASE, value=part)
        return Address(register, offset - part)

    def extent(self, value: int):
        """A number, or a register that holds it."""
        if self.chance(0.75):
            return value
        register = self.temporary()
        if self.chance(0.3):
            self.get(register, value)
        else:
            self.front("SET", rd=register, value=value)
        return Reg(register)

    def get(self, register: int, value: int) -> None:
        """Read a value from memory into a register."""
        words = self.rng.integers(0, 1 << 32, 8, np.uint32)
        place = int(self.rng.integers(8))
        words[place] = value
        self.front("ADD", rd=register, rs=BASE, value=4 * place)
        self.front("GET", rd=register, source=Address(register, self.put(words)))

    # Instructions

    def front(self, name: str, *flags: str, reads=(), **operands) -> int:
        return self.emit(name, *flags, reads=reads, **operands)

    def emit(self, name: str, *flags: str, reads=(), writes=(), **operands) -> int:
        """Append an instruction behind those that it conflicts with; returns its place."""
        queue = QUEUES.index(BY_NAME[name].queue)
        step = Step(name, frozenset(flags), operands, queue, tuple(reads), tuple(writes))
        sources = {}
        for place in range(self._fence, len(self.steps)):
            earlier = self.steps[place]
            if earlier.queue not in (queue, FRONT) and earlier.conflicts(step):
                sources[earlier.queue] = place
        events: dict[int, int] = {}
        for source, place in sources.items():
            if place > self._known[queue][source]:
                self._edge(events, source, place, queue)
        self._wait(step, events)
        self._append(step)
        return len(self.steps) - 1

    def order(self, place: int, queue: str) -> None:
        """Let what follows in a queue wait for a step, though nothing asks for it."""
        events: dict[int, int] = {}
        target = QUEUES.index(queue)
        if self.steps[place].queue != target and place > self._known[target][self.steps[place].queue]:
            self._edge(events, self.steps[place].queue, place, target)
            filler = self._filler(target)
            filler.waits = events
            self._append(filler)

    def fence(self) -> None:
        """Wait for all queues."""
        self.emit("BARRIER", cores=self.pick(1, 1, 0xFFFF, 0))
        self._fence = len(self.steps)
        self._edges = {}
        self._known = [[len(self.steps) - 1] * len(QUEUES) for _ in QUEUES]

    def _append(self, step: Step) -> None:
        step.complete = list(self._known[step.queue])
        self.steps.append(step)

    def _filler(self, queue: int) -> Step:
        """An instruction that does nothing but wait and signal."""
        if queue == FRONT:
            return Step("MARK", frozenset(), {"layer": self.number(0, 127), "site": 7}, queue, (), ())
        return Step(_FILLERS[QUEUES[queue]], frozenset(), {}, queue, (), ())

    def _edge(self, events: dict[int, int], source: int, place: int, target: int) -> None:
        """A signal of step ``place``, or of one behind it in its queue, that ``target`` will wait for."""
        semaphore = source * len(QUEUES) + target - (target > source) - source
        candidates = [
            number
            for number in range(place, len(self.steps))
            if self.steps[number].queue == source
            and len(self.steps[number].signals) < 2
            and semaphore not in self.steps[number].signals
        ]
        if not candidates or self.chance(0.05):
            self._append(self._filler(source))
            candidates = [len(self.steps) - 1]
        chosen = candidates[0] if self.chance(0.8) else candidates[-1]
        spent = self._edges.get((source, target), 0)
        count = self.number(1, 3) if spent < _MOST else 1
        self._edges[source, target] = spent + count
        self.steps[chosen].signals[semaphore] = count
        events[semaphore] = events.get(semaphore, 0) + count
        known = self._known[target]
        known[source] = max(known[source], chosen)
        for other, newest in enumerate(self.steps[chosen].complete):
            known[other] = max(known[other], newest)

    def _wait(self, step: Step, events: dict[int, int]) -> None:
        """Give a step its waits; what exceeds two of them goes to fillers before it."""
        items = list(events.items())
        while len(items) > 2:
            filler = self._filler(step.queue)
            filler.waits, items = dict(items[:2]), items[2:]
            self._append(filler)
        step.waits = dict(items)

    # The result

    def code(self):
        steps = [*self.steps, Step("END", frozenset(), {}, FRONT, (), ())]
        return np.frombuffer(b"".join(encode(step.instruction()) for step in steps), np.uint8)

    def writers(self, offset: int) -> list[int]:
        """Steps that may write a byte of the image."""
        byte = Span("memory", offset, offset + 1)
        return [place for place, step in enumerate(self.steps) if any(span.meets(byte) for span in step.writes)]

    def listing(self) -> str:
        return "\n".join(f"{place:4} {disassemble(step.instruction())}" for place, step in enumerate(self.steps))
