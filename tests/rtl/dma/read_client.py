"""A read port as an ideal engine answers it: a beat a cycle, after a latency; and layouts of the ports' payloads."""

import random
from collections import deque

import cocotb
from cocotb.triggers import ReadOnly, RisingEdge

OK, WINDOW, SLVERR, DECERR = range(4)


def request(address, beats):
    return address | beats << 40


def beat(data, last=0, error=0):
    return data | last << 256 | error << 257


class ReadServer:
    """Answers the requests of the read port ``name`` from ``memory``, a bytearray; outside it, with one beat of
    error WINDOW.

    ``broken`` maps beat addresses to errors.
    """

    def __init__(self, dut, name, memory, *, latency=120, stalls=0.0):
        self.dut, self.memory, self.latency, self.stalls = dut, memory, latency, stalls
        self.broken, self.requests, self.beats = {}, [], 0
        self._parts = [
            getattr(dut, f"{name}__{channel}__{part}")
            for channel in ("request", "beat")
            for part in ("valid", "ready", "payload")
        ]
        self._queue = deque()
        self.task = cocotb.start_soon(self._run())

    def _accept(self, word, cycle):
        address, count = word & (1 << 40) - 1, word >> 40
        assert address % 32 == 0
        assert count > 0
        self.requests.append((address, count))
        if address + 32 * count > len(self.memory):
            self._queue.append((cycle + self.latency, beat(0, 1, WINDOW)))
            return
        for number in range(count):
            place = address + 32 * number
            data = int.from_bytes(self.memory[place : place + 32], "little")
            word = beat(data, number == count - 1, self.broken.get(place, OK))
            self._queue.append((cycle + self.latency, word))

    async def _run(self):
        ask_valid, ask_ready, ask, valid, ready, payload = self._parts
        cycle = 0
        while True:
            ask_ready.value = int(random.random() >= self.stalls)
            go = bool(self._queue) and self._queue[0][0] <= cycle and random.random() >= self.stalls
            valid.value = int(go)
            if go:
                payload.value = self._queue[0][1]
            await ReadOnly()
            if int(ask_valid.value) and int(ask_ready.value):
                self._accept(int(ask.value), cycle)
            if go and int(ready.value):
                self._queue.popleft()
                self.beats += 1
            await RisingEdge(self.dut.clk)
            cycle += 1
