"""Memory behind the ledger's ports, and posts."""

import random
from collections import deque

from cocotb.triggers import RisingEdge

from flightvgm_arch.sites import OUTSIDE
from harness.drive import PARAMETERS

WORDS = ("rows_offered", "rows_kept", "macs_offered", "macs_skipped", "macs_done", "attention_macs")


class Table:
    """Memory that answers after random times."""

    def __init__(self, dut, base, *, read="read", write="write", size=1 << 17):
        self.dut, self.base, self.bytes = dut, base, bytearray(random.randbytes(size))
        self.read, self.write = read, write
        self.beats, self.answers, self.requests, self.data = deque(), deque(), deque(), deque()
        self.error, self.frozen, self.offered = 0, False, False
        self.reads = self.writes = 0

    def get(self, name):
        return getattr(self.dut, name)

    async def serve(self):
        now = 0
        while True:
            await RisingEdge(self.dut.clk)
            now += 1
            if self.dut.rst.value == 1:
                continue
            self._read(now)
            self._write(now)

    def _read(self, now):
        port = self.read
        if self.offered and int(self.get(f"{port}__beat__ready").value):
            self.beats.popleft()
            self.offered = False
        if int(self.get(f"{port}__request__valid").value) and int(self.get(f"{port}__request__ready").value):
            request = int(self.get(f"{port}__request__payload").value)
            address, beats = request & (1 << 40) - 1, request >> 40
            low, due = address - self.base, now + random.randrange(2, 30)
            self.reads += 1
            for beat in range(beats):
                word = int.from_bytes(self.bytes[low + 32 * beat : low + 32 * beat + 32], "little")
                self.beats.append((due, word | (beat == beats - 1) << 256 | self.error << 257))
        if self.beats and self.beats[0][0] <= now and random.random() < 0.7 and not self.frozen:
            self.offered = True  # Until it is taken, as streams have it.
        self.get(f"{port}__beat__valid").value = int(self.offered)
        if self.offered:
            self.get(f"{port}__beat__payload").value = self.beats[0][1]
        self.get(f"{port}__request__ready").value = int(random.random() < 0.5)

    def _write(self, now):
        port = self.write
        if int(self.get(f"{port}__request__valid").value) and int(self.get(f"{port}__request__ready").value):
            request = int(self.get(f"{port}__request__payload").value)
            self.requests.append((request & (1 << 40) - 1, request >> 40))
        if int(self.get(f"{port}__beat__valid").value) and int(self.get(f"{port}__beat__ready").value):
            self.data.append(int(self.get(f"{port}__beat__payload").value))
        if self.requests and len(self.data) >= self.requests[0][1]:
            address, beats = self.requests.popleft()
            for beat in range(beats):
                word = self.data.popleft()
                assert word >> 256 == (1 << 32) - 1
                low = address - self.base + 32 * beat
                self.bytes[low : low + 32] = (word & (1 << 256) - 1).to_bytes(32, "little")
            self.writes += 1
            self.answers.append(now + random.randrange(2, 30))
        due = bool(self.answers) and self.answers[0] <= now and not self.frozen
        if due:
            self.answers.popleft()
        self.get(f"{port}__done").value = int(due) | self.error << 1
        self.get(f"{port}__request__ready").value = int(random.random() < 0.5)
        self.get(f"{port}__beat__ready").value = int(random.random() < 0.5)

    def drop(self):
        """Forget what is under way, as an engine that is reset."""
        self.beats.clear()
        self.answers.clear()
        self.requests.clear()
        self.data.clear()
        self.offered = False
        self.get(f"{self.read}__beat__valid").value = 0


def post(places, *, balanced=True):
    """A random increment at one of some places."""
    numbers = {name: random.choice([0, (1 << 64) - 1, random.getrandbits(64), 1152]) for name in WORDS[2:]}
    numbers |= {name: random.choice([0, (1 << 24) - 1, 9]) for name in WORDS[:2]}
    if balanced:
        numbers["macs_done"] = numbers["macs_offered"] - numbers["macs_skipped"] & (1 << 64) - 1
    return {"place": random.choice(places), "padding_macs": random.getrandbits(40), **numbers}


def pack(increment):
    return sum(increment[name] << low for name, (low, _) in PARAMETERS["post"].items())


def add(table, increment):
    """Add an increment to a copy of the table."""
    for index, name in enumerate(WORDS):
        low = 64 * increment["place"] + 8 * index
        value = int.from_bytes(table[low : low + 8], "little") + increment[name]
        table[low : low + 8] = (value & (1 << 64) - 1).to_bytes(8, "little")


def inside(increment):
    """Whether the law binds its place."""
    return increment["place"] >> 1 & 7 != OUTSIDE
