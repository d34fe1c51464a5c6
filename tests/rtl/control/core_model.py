"""A core's surroundings, in Python, and what the golden machine issues."""

import random
from collections import deque
from dataclasses import replace

from cocotb.triggers import RisingEdge

from flightvgm_arch.isa import BY_NAME, QUEUES, encode
from flightvgm_arch.presets import TINY
from flightvgm_sim.machine import core as golden_core
from flightvgm_sim.machine.errors import MachineError
from flightvgm_sim.machine.machine import Machine
from flightvgm_sim.machine.state import Outcome
from harness.drive import PARAMETERS

ISSUED = QUEUES[1:]
ENTRY, DATA, MEMORY = 0x4020, 0x1000, 1 << 20
END = 0x40000  # First byte beyond the window.


def kept(fields):
    """Rows that a ROWS of the benches keeps."""
    return fields["limit"] % 97


def golden(words, content, arguments, seed=None):
    """What the golden front end issues to each queue, and the error that stops it."""
    issued = {queue: [] for queue in ISSUED}

    def unit(state, item):
        issued[item.decoded.instruction.operation.queue].append(item)
        if item.decoded.name == "ROWS" and "compare" in item.flags:
            golden_rows._check_counter(state, item.fields["counter"])
            state.shared.counts[item.fields["counter"]] = kept(item.fields)
        return Outcome.DONE

    from flightvgm_sim.machine.units import rows as golden_rows

    before = dict(golden_core.UNITS)
    golden_core.UNITS.update(dict.fromkeys(before, unit))
    try:
        machine = Machine(replace(TINY, memory_bytes=MEMORY), order_seed=seed)
        machine.open_window(0, END)
        import numpy as np

        machine.memory.write(DATA, np.frombuffer(content, np.uint8))
        machine.memory.write(ENTRY, np.frombuffer(b"".join(words), np.uint8))
        machine.start(ENTRY, arguments)
        error = None
        try:
            machine.run(100_000)
        except MachineError as problem:
            error = problem
    finally:
        golden_core.UNITS.update(before)
    return issued, error


class Surroundings:
    """Memory, units and host of the core under test; each has delays of its own."""

    def __init__(self, dut, words, content, arguments, *, slow=1.0):
        self.dut, self.slow = dut, slow
        self.memory = bytearray(END)
        self.memory[DATA : DATA + len(content)] = content
        program = b"".join(words)
        self.memory[ENTRY : ENTRY + len(program)] = program
        self.arguments = arguments
        self.taken = {queue: [] for queue in ISSUED}
        self._inside = {queue: deque() for queue in ISSUED}
        self._beats = deque()
        self.fetches = 0
        self.ring_empty = 1
        self.cycle = 0

    async def start(self):
        dut = self.dut
        for name in PARAMETERS["inputs"]:
            getattr(dut, name).value = 0
        dut.rst.value = 1
        await RisingEdge(dut.clk)
        await RisingEdge(dut.clk)
        dut.rst.value = 0
        dut.entry.value = ENTRY
        dut.ring_empty.value = self.ring_empty
        for number in range(32):
            place = number - 16
            value = self.arguments[place] if 0 <= place < len(self.arguments) else 0
            dut.preset.value = 1 | number << 1 | value << 6
            await RisingEdge(dut.clk)
        dut.preset.value = 0
        dut.run.value = 1

    async def run(self, limit=20_000):
        """Until the core ends, stops with a fault, or is stuck; how it ended."""
        dut = self.dut
        await self.start()
        stuck = 0
        for self.cycle in range(limit):
            await RisingEdge(dut.clk)
            self._memory()
            count = 0
            for queue in ISSUED:
                count |= self._unit(queue)
            dut.count.value = count
            stuck = stuck + 1 if int(dut.stuck.value) else 0
            if int(dut.fault.value) & 1:
                return "fault"
            if int(dut.ended.value):
                return "ended"
            if stuck > 60:
                return "stuck"
        return "late"

    def _memory(self):
        dut, now = self.dut, self.cycle
        if int(dut.fetch__beat__valid.value) and int(dut.fetch__beat__ready.value):
            self._beats.popleft()
        if int(dut.fetch__request__valid.value) and int(dut.fetch__request__ready.value):
            request = int(dut.fetch__request__payload.value)
            address, beats = request & (1 << 40) - 1, request >> 40
            self.fetches += 1
            due = now + random.randrange(1, 2 + int(40 * self.slow))
            if address + 32 * beats > END:
                self._beats.append((due, 1 << 256 | 1 << 257))
            else:
                for beat in range(beats):
                    low = address + 32 * beat
                    word = int.from_bytes(self.memory[low : low + 32], "little")
                    self._beats.append((due, word | (beat == beats - 1) << 256))
        ready = bool(self._beats) and self._beats[0][0] <= now and random.random() < 0.8
        dut.fetch__beat__valid.value = int(ready)
        if ready:
            dut.fetch__beat__payload.value = self._beats[0][1]
        dut.fetch__request__ready.value = int(random.random() < 0.8)

    def _unit(self, queue):
        """Take commands, and be done with the oldest one after a while."""
        dut, inside, count = self.dut, self._inside[queue], 0
        valid, ready = (getattr(dut, f"{queue}_command__{part}") for part in ("valid", "ready"))
        if int(valid.value) and int(ready.value):
            command = int(getattr(dut, f"{queue}_command__payload").value)
            self.taken[queue].append(command)
            inside.append((self.cycle + int(random.choice((0, 3, 30)) * self.slow), command))
        done = bool(inside) and inside[0][0] <= self.cycle
        if done:
            _, command = inside.popleft()
            if queue == "rows" and part(queue, command, "body.rows.flag_compare"):
                fields = {"limit": part(queue, command, "body.rows.limit")}
                count = 1 | part(queue, command, "body.rows.counter") << 1 | kept(fields) << 7
        getattr(dut, f"{queue}_done").value = int(done)
        ready.value = int(len(inside) < 3 and random.random() < 0.7)
        return count


def part(queue, command, path):
    """A field of a command."""
    offset, width = PARAMETERS["layouts"][queue][path]
    return command >> offset & (1 << width) - 1


def compare(queue, command, item):
    """A command is what the golden front end issued."""
    name = item.decoded.name
    operation = BY_NAME[name]
    seen = {
        "opcode": part(queue, command, "opcode"),
        "pc": part(queue, command, "pc"),
        "place": part(queue, command, "place"),
    }
    place = item.place
    expected = {"opcode": operation.opcode, "pc": item.counter}
    expected["place"] = (place.layer * 8 + place.site) * 2 + place.branch
    for field in operation.fields:
        seen[field.name] = part(queue, command, f"body.{name.lower()}.{field.name}")
        expected[field.name] = item.fields[field.name]
    for flag in operation.flags:
        seen[flag] = part(queue, command, f"body.{name.lower()}.flag_{flag}")
        expected[flag] = int(flag in item.flags)
    if queue == "rows":
        site = item.sites[item.fields["site"]]
        seen["known"], expected["known"] = part(queue, command, "site.known"), int(site is not None)
        if site is not None:
            wanted = {**site.grid.fields, "t": site.t, "h": site.h, "w": site.w, "macs": site.macs,
                      "theta_group": site.theta_group, "theta_chunk": site.theta_chunk}  # fmt: skip
            for key, value in wanted.items():
                seen[f"site.{key}"], expected[f"site.{key}"] = part(queue, command, f"site.{key}"), value
    assert seen == expected, f"{queue} {name}"


def words_of(program):
    """Encoded instructions; a word that is bytes already stays."""
    return [item if isinstance(item, bytes) else encode(item) for item in program]
