"""A memory behind read and write ports, with latency, stalls and errors; and the result buffer."""

import random
from collections import deque

import numpy as np
from cocotb.triggers import ReadOnly, RisingEdge

ADDRESS = (1 << 40) - 1
OK, WINDOW = 0, 1


class Memory:
    """Bytes from 0 to ``size``; whatever lies beyond is outside all windows."""

    def __init__(self, dut, size):
        self.dut = dut
        self.bytes = np.zeros(size, np.uint8)
        self.stalls = 0.0
        self.latency = 20
        self.bad = {}  # Answers of beats, by address.
        self.requests = self.answered = 0

    def read(self, address, count):
        return self.bytes[address : address + count].copy()

    def write(self, address, values):
        data = np.ascontiguousarray(values).reshape(-1).view(np.uint8)
        self.bytes[address : address + data.size] = data

    def _beats(self, address, count):
        if address + 32 * count > len(self.bytes):
            yield 0, True, WINDOW
            return
        for number in range(count):
            place = address + 32 * number
            yield place, number == count - 1, self.bad.get(place, OK)

    async def serve_read(self, name):
        port = {
            part: getattr(self.dut, f"{name}__{part}")
            for part in ("request__valid", "request__ready", "request__payload")
        }
        beat = {part: getattr(self.dut, f"{name}__beat__{part}") for part in ("valid", "ready", "payload")}
        waiting, cycle, shown = deque(), 0, False
        while True:
            port["request__ready"].value = ready = int(random.random() >= self.stalls and len(waiting) < 400)
            if not shown and waiting and waiting[0][0] <= cycle and random.random() >= self.stalls:
                _, place, last, error = waiting[0]
                data = int.from_bytes(self.bytes[place : place + 32].tobytes(), "little")
                beat["payload"].value = data | last << 256 | error << 257
                shown = True
            beat["valid"].value = int(shown)
            await ReadOnly()
            if ready and int(port["request__valid"].value):
                word = int(port["request__payload"].value)
                self.requests += 1
                due = cycle + 1 + random.randrange(self.latency + 1)
                if waiting:
                    due = max(due, waiting[-1][0])
                waiting.extend((due, *item) for item in self._beats(word & ADDRESS, word >> 40))
            if shown and int(beat["ready"].value):
                waiting.popleft()
                shown = False
            await RisingEdge(self.dut.clk)
            cycle += 1

    async def serve_write(self, name):
        part = {
            path: getattr(self.dut, f"{name}__{path}")
            for path in ("request__valid", "request__ready", "request__payload")
        }
        beat = {path: getattr(self.dut, f"{name}__beat__{path}") for path in ("valid", "ready", "payload")}
        done = getattr(self.dut, f"{name}__done")
        requests, beats, answers, cycle = deque(), deque(), deque(), 0
        while True:
            part["request__ready"].value = ready = int(random.random() >= self.stalls and len(requests) < 8)
            beat["ready"].value = taking = int(random.random() >= self.stalls and len(beats) < 64)
            answer = bool(answers) and answers[0][0] <= cycle
            self.answered += answer
            done.value = 1 | answers.popleft()[1] << 1 if answer else 0
            await ReadOnly()
            if ready and int(part["request__valid"].value):
                word = int(part["request__payload"].value)
                requests.append((word & ADDRESS, word >> 40))
            if taking and int(beat["valid"].value):
                beats.append(int(beat["payload"].value))
            while requests and len(beats) >= requests[0][1]:
                address, count = requests.popleft()
                error = WINDOW if address + 32 * count > len(self.bytes) else self.bad.get(address, OK)
                for number in range(count):
                    word = beats.popleft()
                    if error == OK:
                        self._strobed(address + 32 * number, word)
                due = cycle + 1 + random.randrange(self.latency + 1)
                answers.append((max(due, answers[-1][0] + 1 if answers else 0), error))
            await RisingEdge(self.dut.clk)
            cycle += 1

    def _strobed(self, place, word):
        data = (word & (1 << 256) - 1).to_bytes(32, "little")
        for number in range(32):
            if word >> 256 + number & 1:
                self.bytes[place + number] = data[number]


async def serve_result(dut, name, buffer, stalls):
    """A word for each request, in order."""
    valid, ready, payload = (getattr(dut, f"{name}__request__{part}") for part in ("valid", "ready", "payload"))
    out = {part: getattr(dut, f"{name}__word__{part}") for part in ("valid", "ready", "payload")}
    words, shown = deque(), False
    while True:
        ready.value = taking = int(random.random() >= stalls[0] and len(words) < 8)
        if not shown and words and random.random() >= stalls[0]:
            place = 32 * words[0]
            out["payload"].value = int.from_bytes(buffer[place : place + 32].tobytes(), "little")
            shown = True
        out["valid"].value = int(shown)
        await ReadOnly()
        if shown and int(out["ready"].value):
            words.popleft()
            shown = False
        if taking and int(valid.value):
            words.append(int(payload.value))
        await RisingEdge(dut.clk)
