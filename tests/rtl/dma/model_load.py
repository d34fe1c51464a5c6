"""What surrounds the load unit in its bench: memory behind its read ports, and the buffers that it fills."""

import random

import numpy as np
from cocotb.triggers import ReadOnly, RisingEdge

from flightvgm_arch.isa import REGISTER_BITS
from flightvgm_arch.operations import BY_NAME, EXTENT_BITS

LOADA = BY_NAME["LOADA"]
RESOLVED = {"extent": EXTENT_BITS, "address": REGISTER_BITS}
BACK_LATENCY = 3
ROW, VALUES = 0, 2


def encode(fields, *, flags=(), pc=0):
    """Payload of the command stream."""
    value, shift = 0, 0
    for width, part in ((6, LOADA.opcode), (24, pc), (11, 0)):
        value |= part << shift
        shift += width
    for item in LOADA.fields:
        width = RESOLVED.get(item.kind, item.bits)
        number = fields.get(item.name, 0)
        assert 0 <= number < 1 << width, item.name
        value |= number << shift
        shift += width
    for flag in LOADA.flags:
        value |= int(flag in flags) << shift
        shift += 1
    return value


def cut(value, widths):
    """Parts of a payload, the lowest first."""
    parts = []
    for width in widths:
        parts.append(value & (1 << width) - 1)
        value >>= width
    return parts


class Port:
    """A read port: answers beats of a memory in order, after a while."""

    def __init__(self, dut, name, memory, stalls, latency):
        self.names = {
            part: getattr(dut, f"{name}__{part}")
            for part in (
                "request__valid",
                "request__ready",
                "request__payload",
                "beat__valid",
                "beat__ready",
                "beat__payload",
            )
        }
        self.memory, self.stalls, self.latency = memory, stalls, latency
        self.queue, self.cycle, self.shown, self.requests, self.bad = [], 0, False, 0, {}

    def drive(self):
        self.cycle += 1
        self.names["request__ready"].value = int(random.random() >= self.stalls)
        if not self.shown:
            self.shown = bool(self.queue) and self.queue[0][0] <= self.cycle and random.random() >= self.stalls
            if self.shown:
                self.names["beat__payload"].value = self.queue[0][1]
        self.names["beat__valid"].value = int(self.shown)

    def sample(self):
        names = self.names
        if int(names["request__valid"].value) and int(names["request__ready"].value):
            address, beats = cut(int(names["request__payload"].value), (40, 24))
            assert address % 32 == 0
            assert beats
            self.requests += 1
            for beat in range(beats):
                place = address + 32 * beat
                error = self.bad.get(place, 0)
                data = 0 if error else int.from_bytes(self.memory[place : place + 32].tobytes(), "little")
                when = self.cycle + random.randint(*self.latency)
                self.queue.append((when, data | int(beat == beats - 1) << 256 | error << 257))
        if self.shown and int(names["beat__ready"].value):
            self.queue.pop(0)
            self.shown = False


class Banks:
    """An operand buffer: bytes, which of them were written, and entries."""

    def __init__(self, dut, name, banks, words, stalls):
        self.port = {part: getattr(dut, f"write_{name}__{part}") for part in ("valid", "ready", "payload")}
        self.back = None
        if name == "b":
            self.back = {
                part: getattr(dut, f"back_b__{part}")
                for part in ("request__valid", "request__ready", "request__payload", "valid", "data")
            }
        self.banks, self.words, self.stalls = banks, words, stalls
        self.bank_bits, self.word_bits = max(1, (banks - 1).bit_length()), (words - 1).bit_length()
        self.answers = [None] * BACK_LATENCY
        self.writes = 0
        self.clear()

    def clear(self):
        self.data = np.frombuffer(random.randbytes(self.banks * self.words * 32), np.uint8).copy()
        self.data = self.data.reshape(self.banks, self.words, 32)
        self.written = np.zeros(self.data.shape, bool)
        self.entries = {}

    def drive(self):
        self.port["ready"].value = int(random.random() >= self.stalls)
        if self.back:
            self.back["request__ready"].value = int(random.random() >= self.stalls)
            answer = self.answers.pop(0)
            self.back["valid"].value = int(answer is not None)
            if answer is not None:
                self.back["data"].value = answer

    def sample(self):
        if int(self.port["valid"].value) and int(self.port["ready"].value):
            self.write(int(self.port["payload"].value))
        if self.back:
            answer = None
            if int(self.back["request__valid"].value) and int(self.back["request__ready"].value):
                bank, word = cut(int(self.back["request__payload"].value), (self.bank_bits, self.word_bits))
                answer = int.from_bytes(self.data[bank, word].tobytes(), "little")
            self.answers.append(answer)

    def write(self, payload):
        self.writes += 1
        widths = (2, self.bank_bits, self.word_bits, 256, 16, 64, 1)
        kind, bank, word, data, strobe, entry, enable = cut(payload, widths)
        values = np.frombuffer(data.to_bytes(32, "little"), np.uint8).reshape(16, 2)
        lanes = [lane for lane in range(16) if strobe >> lane & 1]
        if kind == ROW:
            for lane in lanes:
                self.data[bank, word, 2 * lane : 2 * lane + 2] = values[lane]
                self.written[bank, word, 2 * lane : 2 * lane + 2] = True
        else:
            assert kind == VALUES
            count = min(8, self.banks)
            assert bank % count == 0
            assert bank + count <= self.banks
            for number in range(count):
                for lane in lanes:
                    self.data[bank + number, word, 2 * lane : 2 * lane + 2] = values[number]
                    self.written[bank + number, word, 2 * lane : 2 * lane + 2] = True
        if enable:
            self.entries[bank, word] = entry


class Parameters:
    """The parameter buffer."""

    def __init__(self, dut, words):
        self.payload, self.words = dut.parameters, words
        self.bits = (words - 1).bit_length()
        self.clear()

    def clear(self):
        self.data = np.zeros((1, self.words, 32), np.uint8)
        self.written = np.zeros(self.data.shape, bool)

    def sample(self):
        payload = int(self.payload.value)
        if payload & 1:
            _, word, data, strobe = cut(payload, (1, self.bits, 256, 16))
            values = np.frombuffer(data.to_bytes(32, "little"), np.uint8)
            lanes = np.repeat([bool(strobe >> lane & 1) for lane in range(16)], 2)
            self.data[0, word][lanes] = values[lanes]
            self.written[0, word][lanes] = True


class World:
    """The unit's surroundings, and a way to run commands in them."""

    def __init__(self, dut, sizes, memory, *, stalls=0.0, latency=(1, 1)):
        self.dut, self.stalls = dut, stalls
        self.a = Banks(dut, "a", sizes["rows"], sizes["a_words"], stalls)
        self.b = Banks(dut, "b", sizes["columns"], sizes["b_words"], stalls)
        self.p = Parameters(dut, sizes["p_words"])
        self.row = Port(dut, "row", memory, stalls, latency)
        self.map = Port(dut, "map", memory, stalls, latency)
        self.saturations = 0

    async def run(self, commands, *, limit=20000):
        """Run commands; gives the cycles that they took, or the fault (code, pc)."""
        dut, waiting, done = self.dut, list(commands), 0
        for cycle in range(limit):
            shown = bool(waiting) and random.random() >= self.stalls
            dut.command__valid.value = int(shown)
            if shown:
                dut.command__payload.value = waiting[0]
            for part in (self.a, self.b, self.row, self.map):
                part.drive()
            await ReadOnly()
            if shown and int(dut.command__ready.value):
                waiting.pop(0)
            for part in (self.a, self.b, self.p, self.row, self.map):
                part.sample()
            self.saturations += int(dut.saturations.value)
            done += int(dut.done.value)
            fault = int(dut.fault.value)
            await RisingEdge(dut.clk)
            if fault & 1:
                return cut(fault, (1, 5, 24))[1:]
            if done == len(commands):
                dut.command__valid.value = 0
                return cycle
        raise AssertionError("the unit does not come to an end")
