"""Random legal programs on the chip: every byte of memory, the ledger and the counters are the golden machine's."""

import numpy as np
import pytest

from flightvgm.runtime.device import DeviceError
from flightvgm.runtime.golden import GoldenDevice
from flightvgm_arch.config import PAGE_BYTES
from flightvgm_arch.formats import round_up
from flightvgm_arch.memory import LEDGER_BYTES
from flightvgm_arch.presets import TINY
from system.tasks import Stream

MOST = 1_000_000  # Cycles of a program.
MEMORIES = [{"latency": 1}, {"latency": 30}, {"latency": 200}, {"latency": 3, "stall": 0.3}]


def stream(seed):
    rng = np.random.default_rng(seed)
    made = Stream(rng, TINY)
    made.fill(int(rng.integers(2, 9)))
    return made


def load(device, made):
    """Code and image in windows of their own; returns entry and base."""
    places = []
    for content in (made.code(), made.image()):
        places.append(device.allocate(content.size))
        device.write(places[-1], content)
    return places


def golden(made, order_seed):
    """Image behind a program on the golden machine alone, or what it refuses."""
    device = GoldenDevice(TINY, order_seed=order_seed)
    entry, base = load(device, made)
    device.start(entry, [base])
    device.wait()
    return device.read(base, made.image().size)


def check(device, made, seed):
    entry, base = load(device, made)
    device.start(entry, [base])

    def limit(cycle):
        assert cycle < MOST, f"the chip does not stop, seed {seed}"

    try:
        device.wait(limit)
    except DeviceError as problem:
        difference = getattr(problem, "difference", None)
        where = [] if difference is None else made.writers(difference.address - base)
        raise AssertionError(f"seed {seed}: {problem}, written by {where}\n{made.listing()}") from problem
    expected, found = device._golden.counters(), device.counters()
    assert device.ledger() == device._golden.ledger(), f"seed {seed}"
    for name in ("saturations", "padding_macs"):
        assert found[name] == expected[name], f"seed {seed}: {name}"
    edge = round_up(device._top, PAGE_BYTES)
    assert not device._chip.memory[edge : TINY.memory_bytes - LEDGER_BYTES].any(), f"seed {seed}: writes beyond windows"


def check_seeds(make_device, seeds):
    """Three programs, one after the other, on each chip."""
    for number, seed in enumerate(seeds):
        if number % 3 == 0:
            device = make_device(**MEMORIES[seed // 3 % len(MEMORIES)], seed=seed)
        check(device, stream(seed), seed)


@pytest.mark.parametrize("first", range(0, 60, 6))
def test_random_programs_agree(make_device, first):
    check_seeds(make_device, range(first, first + 6))


@pytest.mark.slow
@pytest.mark.parametrize("first", range(60, 3060, 60))
def test_many_random_programs_agree(make_device, first):
    check_seeds(make_device, range(first, first + 60))


@pytest.mark.parametrize("seed", range(20))
def test_programs_are_legal_in_any_order(seed):
    made = stream(seed)
    images = [golden(made, order) for order in (None, seed)]
    assert np.array_equal(*images), f"seed {seed}"
