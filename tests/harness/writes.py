"""A memory behind a write port, with latency, stalls and errors."""

from __future__ import annotations

import random
from collections import deque
from typing import Any

from cocotb.triggers import ReadOnly, RisingEdge


class WriteMemory:
    """Takes requests and beats of a write port, in their order, and answers each request.

    Parameters
    ----------
    dut : object
    name : str
        The write port.
    stalls : float
        Probability of a cycle in which nothing is taken.
    latency : int
        Most cycles until an answer.
    """

    def __init__(self, dut: Any, name: str, *, stalls: float = 0.0, latency: int = 20) -> None:
        self._dut, self._name = dut, name
        self.stalls, self.latency = stalls, latency
        self.bytes: dict[int, int] = {}
        self.requests: list[tuple[int, int]] = []
        self.error = 0  # Answer of the next request.
        self.answered = True

    def _port(self, part: str) -> Any:
        return getattr(self._dut, f"{self._name}__{part}")

    async def run(self) -> None:
        """Serve the port for ever."""
        places: deque[int] = deque()  # Addresses of beats to come.
        ends: deque[int] = deque()  # Beats after which a request is whole.
        beats: deque[tuple[int, int]] = deque()
        asked = written = cycle = due = 0
        answers: deque[int] = deque()
        while True:
            ready = [int(random.random() >= self.stalls) for _ in range(2)]
            for part, value in zip(("request", "beat"), ready, strict=True):
                self._port(f"{part}__ready").value = value
            answer = bool(answers) and cycle >= answers[0]
            if answer:
                answers.popleft()
            self._port("done").value = int(answer) | (self.error << 1 if answer else 0)
            self.answered = not (answers or ends or beats or answer)
            await ReadOnly()
            if ready[0] and int(self._port("request__valid").value):
                word = int(self._port("request__payload").value)
                address, count = word & (1 << 40) - 1, word >> 40
                assert address % 32 == 0
                assert count
                self.requests.append((address, count))
                places.extend(address + 32 * i for i in range(count))
                asked += count
                ends.append(asked)
            if ready[1] and int(self._port("beat__valid").value):
                word = int(self._port("beat__payload").value)
                beats.append((word & (1 << 256) - 1, word >> 256))
            while places and beats:
                data, strobe = beats.popleft()
                place = places.popleft()
                for i in range(32):
                    if strobe >> i & 1:
                        self.bytes[place + i] = data >> 8 * i & 255
                written += 1
            while ends and ends[0] <= written:
                ends.popleft()
                due = max(due, cycle + 1 + random.randrange(self.latency + 1))
                answers.append(due)
            await RisingEdge(self._dut.clk)
            cycle += 1
