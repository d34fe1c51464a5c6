"""Probabilities, their corrections and the reciprocals of their sums are the golden ones, bit for bit."""

import random

import cocotb
import numpy as np
from cocotb.triggers import ReadOnly, RisingEdge

from flightvgm_sim.golden.fp import sub, to_fp16
from flightvgm_sim.golden.functions import exp2, reciprocal
from harness.drive import PARAMETERS, reset, start
from rtl.vector.drained import COLUMNS, ROWS, SCORE, WIDTH, Player, tile

KEYS = PARAMETERS["keys"]
WORDS = -(-KEYS // 16)
WORD_BITS = (WORDS - 1).bit_length()
SLOTS, P_SLOTS, ITEMS = 3, 2, 4
CORRECTION_BITS = 58


def items():
    """Scores ``[rows, keys]`` of items: one key, whole and broken tiles and words, equal ones, far and near ones."""
    rng = np.random.default_rng(4)
    for keys in (1, COLUMNS, KEYS, 2, COLUMNS + 1, 16, 17, KEYS - 1):
        yield np.float32(rng.normal(0, 3, (ROWS, keys)))
    yield np.full((ROWS, 19), -2.5, np.float32)
    yield np.float32(rng.normal(0, 1e4, (ROWS, 21)))
    yield np.float32(np.sort(rng.normal(-20, 8, (ROWS, KEYS)), axis=1))
    yield np.zeros((ROWS, 3), np.float32)


def expected(scores):
    """Words, corrections and reciprocals of the rows of an item."""
    p, _ = to_fp16(exp2(sub(scores, scores.max(axis=-1, keepdims=True))))
    total = p.sum(axis=-1, dtype=np.float64).astype(np.float32)
    aligned = np.zeros((ROWS, WORDS * 16), object)
    aligned[:, : p.shape[1]] = (p.astype(np.float64) * 2.0**24).astype(np.int64) >> 3
    corrections = (aligned[:, 0::2] * aligned[:, 1::2]).sum(axis=1)
    padded = np.zeros((ROWS, -(-p.shape[1] // 16) * 16), np.uint16)
    padded[:, : p.shape[1]] = p.view(np.uint16)
    words = [[int.from_bytes(word.tobytes(), "little") for word in row.reshape(-1, 16)] for row in padded]
    return words, corrections.tolist(), reciprocal(total).view(np.uint32).tolist()


class Monitor:
    """What was written to the slots of probabilities and of reciprocals."""

    def __init__(self, dut):
        self._dut = dut
        self.words, self.corrections, self.reciprocals = {}, {}, {}

    def look(self):
        for row in range(ROWS):
            value = int(getattr(self._dut, f"p__{row}").value)
            if value & 1:
                word = value >> 2 & (1 << WORD_BITS) - 1
                self.words[row, value >> 1 & 1, word] = value >> 2 + WORD_BITS
            value = int(getattr(self._dut, f"p_entry__{row}").value)
            if value & 1:
                self.corrections[row, value >> 1 & 1] = value >> 2
            value = int(getattr(self._dut, f"reciprocal__{row}").value)
            if value & 1:
                self.reciprocals[row, value >> 1 & 3] = value >> 3

    def check(self, number, scores):
        words, corrections, reciprocals = expected(scores)
        for row in range(ROWS):
            for place, word in enumerate(words[row]):
                assert self.words.pop((row, number % P_SLOTS, place)) == word, (number, row, place)
            assert self.corrections.pop((row, number % P_SLOTS)) == corrections[row], (number, row)
            assert self.reciprocals.pop((row, number % ITEMS)) == reciprocals[row], (number, row)


def scores_of(begin, number, scores):
    """An item and the tiles of its scores, one behind the other at most."""
    keys = scores.shape[1]
    yield begin, "item", 1 | keys << 1
    bits = scores.view(np.uint32)
    at = begin + random.randrange(1, 9)
    for place, first in enumerate(range(0, keys, COLUMNS)):
        part = bits[:, first : first + COLUMNS]
        last = first + COLUMNS >= keys
        yield from tile(at, part, kind=SCORE, column=place * WIDTH, slot=number % SLOTS, last=last)
        at += WIDTH + random.choice((0, 0, 5))


@cocotb.test()
async def probabilities_are_the_golden_ones(dut):
    """Items come as soon as a slot is free; probabilities are read for a while."""
    await start(dut)
    await reset(dut, cycles=2 * (ROWS + COLUMNS))  # What came before the first reset is on its way that long.
    player, monitor = Player(dut), Monitor(dut)
    jobs = list(items())
    begun = ready = freed = read = 0
    quiet = 0  # The cycle from which on the next scores may come.
    while ready < len(jobs):
        if begun < len(jobs) and begun - freed < SLOTS and player.cycle >= quiet:
            schedule = list(scores_of(player.cycle, begun, jobs[begun]))
            player.add(schedule)
            quiet = max(cycle for cycle, port, _ in schedule if port != "item") - ROWS + 1
            begun += 1
        player.play()
        await ReadOnly()
        monitor.look()
        freed += int(dut.scores_free.value)
        if int(dut.p_ready.value):
            monitor.check(ready, jobs[ready])
            ready += 1
            read = max(read + 1, player.cycle + random.randrange(1, 200))
            player.add([(read, "p_free", 1)])
        await RisingEdge(dut.clk)
        assert player.cycle < 100 * KEYS * len(jobs), "an item is not done"
    assert not monitor.corrections
    assert not monitor.reciprocals
