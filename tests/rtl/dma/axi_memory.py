"""A memory behind AXI4 channels: latency, random stalls, errors, and a judge of what a master does."""

import random
from collections import deque

import cocotb
from cocotb.triggers import ReadOnly, RisingEdge

OK, WINDOW, SLVERR, DECERR = range(4)
OPEN = [(0, 1 << 40)]


class _Channels:
    """Ports of a master, judged: a valid signal and what it offers hold until they are taken."""

    def __init__(self, dut, name):
        self._dut, self._name = dut, name
        self._offers = {}

    def port(self, part):
        return getattr(self._dut, f"{self._name}__{part}")

    def judge(self, channel, parts, ready):
        """Whether a transfer happens, and its values."""
        offered = (
            tuple(int(self.port(part).value) for part in parts) if int(self.port(f"{channel}valid").value) else None
        )
        before = self._offers.get(channel)
        assert before is None or before == offered, f"{channel} changed from {before} to {offered} before it was taken"
        self._offers[channel] = None if ready else offered
        return offered if ready else None


def judge_burst(address, length, windows):
    """Addresses of the beats of a burst, after the rules of AXI4 and the windows."""
    beats = length + 1
    assert address % 32 == 0
    assert beats <= 32
    assert address // 4096 == (address + 32 * beats - 1) // 4096, f"a burst of {beats} at {address:#x} crosses 4 KiB"
    assert any(low <= address and address + 32 * beats <= high for low, high in windows), f"{address:#x} is closed"
    return [address + 32 * number for number in range(beats)]


class Memory:
    """Memory at the AXI4 master ``name``: its read or its write channels.

    Parameters
    ----------
    memory : bytearray
        Its bytes, from address 0; addresses are taken modulo its size.
    latency : int
        Cycles from a read's address to its first beat, or from the last data of a write to its response.
    stalls : float
        Probability of a wait, in each cycle of each channel.
    windows : list of pairs
        Where accesses are allowed.
    broken : dict
        Errors by address of a beat.
    """

    def __init__(self, dut, name, memory, *, latency=120, stalls=0.0, windows=OPEN, write=False):
        self.dut, self.memory, self.latency, self.stalls, self.windows = dut, memory, latency, stalls, windows
        self.broken, self.bursts, self.beats, self.most = {}, 0, 0, 0
        self._channels = _Channels(dut, name)
        self.task = cocotb.start_soon(self._write() if write else self._read())

    def _lucky(self):
        return not self.stalls or random.random() >= self.stalls

    @property
    def outstanding(self):
        return self._count

    async def _read(self):
        port = self._channels.port
        ready, valid, data, answer, final, taken = (
            port(part) for part in ("arready", "rvalid", "rdata", "rresp", "rlast", "rready")
        )
        queue, cycle, offered = deque(), 0, False
        self._count = 0
        while True:
            go = self._lucky()
            ready.value = int(go)
            if not offered and queue and queue[0][0] <= cycle and self._lucky():
                _, place, last = queue[0]
                at = place % len(self.memory)
                data.value = int.from_bytes(self.memory[at : at + 32], "little")
                answer.value = self.broken.get(place, random.randrange(2))
                final.value = last
                offered = True
            valid.value = int(offered)
            await ReadOnly()
            address = self._channels.judge("ar", ("araddr", "arlen"), go)
            if address:
                places = judge_burst(*address, self.windows)
                queue.extend((cycle + self.latency, place, int(place == places[-1])) for place in places)
                self.bursts += 1
                self._count += 1
                self.most = max(self.most, self._count)
            if offered and int(taken.value):
                self._count -= queue.popleft()[2]
                self.beats += 1
                offered = False
            await RisingEdge(self.dut.clk)
            cycle += 1

    async def _write(self):
        port = self._channels.port
        address_ready, data_ready, valid, answer, taken = (
            port(part) for part in ("awready", "wready", "bvalid", "bresp", "bready")
        )
        places, data, answers, cycle, offered = deque(), deque(), deque(), 0, False
        self._count = 0
        while True:
            goes = self._lucky(), self._lucky()
            address_ready.value, data_ready.value = map(int, goes)
            if not offered and answers and answers[0][0] <= cycle and self._lucky():
                answer.value = answers[0][1]
                offered = True
            valid.value = int(offered)
            await ReadOnly()
            address = self._channels.judge("aw", ("awaddr", "awlen"), goes[0])
            if address:
                places.append(judge_burst(*address, self.windows))
                self.bursts += 1
                self._count += 1
            beat = self._channels.judge("w", ("wdata", "wstrb", "wlast"), goes[1])
            if beat:
                data.append(beat)
                self.beats += 1
            if offered and int(taken.value):
                answers.popleft()
                self._count -= 1
                offered = False
            while places and len(data) >= len(places[0]):
                answers.append((cycle + self.latency, self._put(places.popleft(), data)))
            await RisingEdge(self.dut.clk)
            cycle += 1

    def _put(self, places, data):
        """Write a burst; its response."""
        worst = OK
        for place in places:
            word, strobe, last = data.popleft()
            assert last == (place == places[-1])
            worst = max(worst, self.broken.get(place, OK))
            at = place % len(self.memory)
            content = word.to_bytes(32, "little")
            for byte in range(32):
                if strobe >> byte & 1:
                    self.memory[at + byte] = content[byte]
        return worst or random.randrange(2)


def pack_windows(windows):
    """The windows as an engine's input."""
    return sum((low | high << 40) << 80 * number for number, (low, high) in enumerate(windows))
