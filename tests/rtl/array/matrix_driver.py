"""The host's side of the matrix unit and its data path: loads, instructions, results."""

import random

import cocotb
import numpy as np
from cocotb.triggers import ReadOnly, RisingEdge

from flightvgm_arch.formats import record_pitch, round_up
from flightvgm_arch.operations import BY_NAME, EXTENT_BITS
from flightvgm_sim.golden.align import align
from flightvgm_sim.golden.quantize import correction
from harness.drive import PARAMETERS, receive, send

R, C, DEPTH = (PARAMETERS.get(name, 1) for name in ("rows", "columns", "depth"))
A_WORDS, B_WORDS, RESULT_WORDS = (PARAMETERS.get(name, 2) for name in ("a_words", "b_words", "result_words"))
INCREMENT = {"place": 11, "rows_offered": 24, "rows_kept": 24} | dict.fromkeys(
    ("macs_offered", "macs_skipped", "macs_done", "attention_macs", "padding_macs"), 64
)


def bits(words):
    return max(1, (words - 1).bit_length())


def pack(*fields):
    total, position = 0, 0
    for value, width in fields:
        assert 0 <= value < 1 << width, (value, width)
        total |= int(value) << position
        position += width
    return total


def unpack(value, layout):
    found = {}
    for name, width in layout.items():
        found[name] = value & (1 << width) - 1
        value >>= width
    return found


def instruction(name, *flags, place=5, pc=77, **fields):
    operation = BY_NAME[name]
    parts = [(operation.opcode, 6), (pc, 24), (place, 11)]
    parts += [
        (fields.pop(item.name, 0), {"extent": EXTENT_BITS, "address": 40}.get(item.kind, item.bits))
        for item in operation.fields
    ]
    assert not fields
    return pack(*parts, *((flag in flags, 1) for flag in operation.flags))


def entry_of(values):
    """Entry of an FP16 head or channel."""
    mantissa, exponent = align(values)
    padded = np.append(mantissa, 0).astype(np.int64)[: round_up(len(mantissa), 2)]
    fip = int((padded[0::2] * padded[1::2]).sum())
    return (fip & (1 << 58) - 1) | int(exponent + 21 + 15) << 58


class Driver:
    """Writes to operand buffers are collected, then sent together."""

    def __init__(self, dut):
        self.dut = dut
        self.writes = {"a": [], "b": []}
        self.taken = self.released = 0
        self.tiles = []
        self.saturations = 0
        self.posts = []
        self.dones = 0
        self.patient = True

    def write(self, side, bank, word, data, *, entry=None, strobe=0xFFFF):
        banks, words = (R, A_WORDS) if side == "a" else (C, B_WORDS)
        data = np.frombuffer(bytes(data).ljust(32, b"\0"), "<u1")
        self.writes[side].append(
            pack(
                (0, 2), (bank, bits(max(2, banks))), (word, bits(words)),
                (int.from_bytes(data.tobytes(), "little"), 256), (strobe, 16),
                (entry or 0, 64), (entry is not None, 1),
            )
        )  # fmt: skip

    def rows(self, side, address, pitch, rows, heads, head_dim):
        """FP16 rows with an entry for each head, as one problem."""
        banks = R if side == "a" else C
        for number, row in enumerate(rows):
            raw = row.astype("<f2").tobytes()
            raw += b"\x5a" * (round_up(len(raw), 32) - len(raw))
            entries = {
                head * head_dim * 2 // 32: entry_of(row[head * head_dim : (head + 1) * head_dim])
                for head in range(heads)
            }
            base = address // (32 * banks) + number // banks * (pitch // 32)
            for word in range(len(raw) // 32):
                self.write(side, number % banks, base + word, raw[32 * word : 32 * word + 32], entry=entries.get(word))

    def channels(self, address, values):
        """V, ``[keys, channels]``, with an entry for each channel."""
        keys, channels = values.shape
        words = -(-keys // 16)
        for channel in range(channels):
            padded = np.full(words * 16, 77, "<f2")  # What lies behind the last key must not count.
            padded[:keys] = values[:, channel]
            base = address // (32 * C) + channel // C * words
            for word in range(words):
                entry = entry_of(values[:, channel]) if word == 0 else None
                self.write("b", channel % C, base + word, padded[16 * word : 16 * word + 16].tobytes(), entry=entry)

    def records(self, address, pitch, q, scale):
        """INT8 records, as one problem."""
        size = record_pitch(q.shape[1])
        fip = correction(q)
        for number, row in enumerate(q):
            raw = bytearray(size)
            raw[: len(row)] = row.tobytes()
            raw[-8:-4] = np.float32(scale[number]).tobytes()
            raw[-4:] = np.int32(fip[number]).tobytes()
            base = address // (32 * R) + number // R * (pitch // 32)
            for word in range(size // 32):
                part = raw[32 * word : 32 * word + 32]
                self.write("a", number % R, base + word, part, entry=int.from_bytes(part[-8:], "little"))

    def weights(self, ring, q, scale, bias):
        """Weight tiles, at the first line of the ring in each bank and behind it."""
        channels, k = q.shape
        groups = -(-k // 16)
        fip = correction(q)
        place = ring
        for first in range(0, channels, C):
            for bank in range(C):
                lines = np.zeros((groups + 1, 16), np.uint8)
                if first + bank < channels:
                    flat = np.zeros(groups * 16, np.int8)
                    flat[:k] = q[first + bank]
                    lines[:-1] = flat.view(np.uint8).reshape(groups, 16)
                    lines[-1, :4] = np.float32([scale[first + bank]]).view(np.uint8)
                    lines[-1, 4:8] = np.float32([bias[first + bank]]).view(np.uint8)
                    lines[-1, 8:12] = np.int32([fip[first + bank]]).view(np.uint8)
                for number, line in enumerate(lines):
                    at = place + number
                    strobe = 0xFF00 if at % 2 else 0x00FF
                    self.write("b", bank, at // 2, line.tobytes() * 2, strobe=strobe)
            self.tiles.append((place, (groups + 1) * 16 * C))
            place += groups + 1
        return place

    async def load(self):
        """Send what was written."""
        tasks = [cocotb.start_soon(send(self.dut, side, writes)) for side, writes in self.writes.items()]
        for task in tasks:
            await task
        self.writes = {"a": [], "b": []}
        for _ in range(8):
            await RisingEdge(self.dut.clk)

    async def watch(self):
        """Play the ring and the ledger, and count what is done."""
        dut = self.dut
        while True:
            tile = self.tiles[self.taken] if self.taken < len(self.tiles) else None
            dut.ring__valid.value = int(tile is not None and (not self.patient or random.random() < 0.7))
            dut.ring__place.value = tile[0] if tile else 0
            dut.ring__bytes.value = tile[1] if tile else 0
            dut.post__ready.value = int(not self.patient or random.random() < 0.5)
            await ReadOnly()
            self.taken += int(dut.ring__take.value)
            self.released += int(dut.ring__release.value)
            self.saturations += int(dut.saturations.value)
            if int(dut.post__valid.value) and int(dut.post__ready.value):
                self.posts.append(unpack(int(dut.post__payload.value), INCREMENT))
            self.dones += int(dut.done.value)
            await RisingEdge(dut.clk)

    async def run(self, *commands, limit=60000):
        """Execute instructions, and wait until all are done; gives the cycles."""
        wanted = self.dones + len(commands)
        cocotb.start_soon(send(self.dut, "command", commands, stalls=0.1))
        for cycle in range(limit):
            if self.dones >= wanted:
                return cycle
            await RisingEdge(self.dut.clk)
        raise AssertionError(f"only {self.dones} of {wanted} instructions are done")

    async def fault(self, limit=3000):
        """Wait for a fault; gives its code and instruction."""
        for _ in range(limit):
            await RisingEdge(self.dut.clk)
            value = int(self.dut.fault.value)
            if value & 1:
                return value >> 1 & 31, value >> 6 & 0xFFFFFF
        raise AssertionError("there is no fault")

    async def results(self, address, pitch, rows, values):
        """FP16 rows of the result buffer, as bits."""
        first, last = address // 32, (address + (rows - 1) * pitch + 2 * values - 1) // 32
        task = cocotb.start_soon(send(self.dut, "read__request", range(first, last + 1)))
        words = await receive(self.dut, "read__word", last + 1 - first)
        await task
        raw = b"".join(word.to_bytes(32, "little") for word in words)
        return np.stack([np.frombuffer(raw, "<u2", values, address % 32 + number * pitch) for number in range(rows)])
