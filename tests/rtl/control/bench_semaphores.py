"""Semaphores grant what the counters hold, once, and tell of an overflow; the model counts on its own."""

import random

import cocotb
from cocotb.triggers import ReadOnly, RisingEdge

from flightvgm_arch.errors import ErrorCode
from flightvgm_arch.isa import SEMAPHORE_LIMIT, SEMAPHORES
from harness.drive import PARAMETERS, start

CLIENTS = PARAMETERS["clients"]
GRANTED_WITHIN = 6 * (CLIENTS + 2)  # Cycles, where the counters hold what a wait needs.


def events(first, second):
    """Two events of a semaphore and a count each, as they lie in a wait."""
    return first[0] | first[1] << 5 | second[0] << 11 | second[1] << 16


def totals(pair):
    """What a pair of events adds or takes, by semaphore."""
    sums = {}
    for number, count in pair:
        sums[number] = sums.get(number, 0) + count
    return sums


class Model:
    """Counters, and what clients ask for; checks each cycle."""

    def __init__(self, dut):
        self.dut = dut
        self.counters = [0] * SEMAPHORES
        self.waits = [None] * CLIENTS
        self.signals = [None] * CLIENTS
        self.age = [0] * CLIENTS
        self.grants = 0

    def holds(self, pair):
        return all(self.counters[number] >= count for number, count in totals(pair).items())

    def drive(self):
        for client in range(CLIENTS):
            wait, signal = self.waits[client], self.signals[client]
            getattr(self.dut, f"wait__{client}").value = (1 | events(*wait) << 1) if wait else 0
            value = 1 | events(*signal) << 1 | (100 + client) << 23 if signal else 0
            getattr(self.dut, f"signal__{client}").value = value

    async def cycle(self):
        """Check what is granted and taken now, then go on to the next cycle."""
        self.drive()
        await ReadOnly()
        granted, taken = int(self.dut.granted.value), int(self.dut.taken.value)
        assert granted & granted - 1 == 0
        assert taken & taken - 1 == 0
        for client in range(CLIENTS):
            if granted >> client & 1:
                assert self.waits[client], f"client {client} did not wait"
                assert self.holds(self.waits[client]), f"client {client}: {self.waits[client]}"
                for number, count in totals(self.waits[client]).items():
                    self.counters[number] -= count
                self.waits[client], self.age[client] = None, 0
                self.grants += 1
        # Signals count from now on, but not for a grant of this cycle.
        for client in range(CLIENTS):
            if taken >> client & 1:
                assert self.signals[client], f"client {client} did not signal"
                for number, count in totals(self.signals[client]).items():
                    self.counters[number] += count
                self.signals[client] = None
        first = next(
            (client for client in range(CLIENTS) if self.waits[client] and self.holds(self.waits[client])), None
        )
        for client in range(CLIENTS):
            self.age[client] = self.age[client] + 1 if client == first else 0
            assert self.age[client] <= GRANTED_WITHIN, f"client {client} is not granted {self.waits[client]}"
        overflow = int(self.dut.overflow.value)
        await RisingEdge(self.dut.clk)
        return overflow


def a_pair(numbers, most):
    return tuple((random.choice(numbers), random.randint(0, most)) for _ in range(2))


@cocotb.test()
async def random_waits_are_granted_once(dut):
    await start(dut)
    model = Model(dut)
    for numbers in (range(SEMAPHORES), range(3), (0, 31)):
        for _ in range(1500):
            for client in range(CLIENTS):
                if not model.waits[client] and random.random() < 0.3:
                    model.waits[client] = a_pair(numbers, random.choice((1, 4, 31)))
                pair = a_pair(numbers, random.choice((1, 3)))
                asked = [0] * SEMAPHORES
                for signal in (*model.signals, pair):
                    for number, count in totals(signal or ()).items():
                        asked[number] += count
                room = all(have + more <= SEMAPHORE_LIMIT for have, more in zip(model.counters, asked, strict=True))
                if not model.signals[client] and room and random.random() < 0.3:
                    model.signals[client] = pair
            assert await model.cycle() & 1 == 0
        model.waits = [None] * CLIENTS
        for _ in range(20):
            await model.cycle()
    assert model.grants > 50


@cocotb.test()
async def both_counts_of_one_semaphore_are_added(dut):
    await start(dut)
    model = Model(dut)
    model.waits[0] = ((5, 2), (5, 3))
    model.signals[0] = ((5, 2), (5, 2))
    for _ in range(40):
        await model.cycle()
    assert model.waits[0]
    model.signals[0] = ((5, 1), (9, 0))
    for _ in range(40):
        await model.cycle()
    assert not model.waits[0]
    assert model.counters == [0] * SEMAPHORES


@cocotb.test()
async def the_limit_is_held_and_one_more_is_told(dut):
    await start(dut)
    model = Model(dut)
    client = CLIENTS - 1
    for pair in (((31, 63), (0, 0)), ((7, 31), (7, 32))):
        model.signals[client] = pair
        for _ in range(12):
            assert await model.cycle() & 1 == 0
    for pair in (((31, 1), (0, 0)), ((3, 1), (7, 1))):
        model.signals[client] = pair
        told = [await model.cycle() for _ in range(12)]
        pulses = [value for value in told if value & 1]
        assert len(pulses) == 1
        assert pulses[0] >> 1 & 31 == ErrorCode.SEMAPHORE_OVERFLOW
        assert pulses[0] >> 6 & 0xFFFFFF == 100 + client
