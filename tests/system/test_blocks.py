"""Compiled STDiT3 blocks on the chip: every byte of memory, the ledger and the counters are the golden machine's."""

import numpy as np
import pytest

from flightvgm.recipes import load_recipe
from flightvgm.recipes.recipe import parse_recipe
from flightvgm_arch.presets import TINY
from flightvgm_arch.sites import SITE_NAMES
from harness.case import Case

MOST = 3_000_000  # Cycles.
PLANES = parse_recipe(
    "planes",
    {
        "sites": {
            "spatial.attn.qkv": {
                "grid": "t / h / w",
                "group": 2,
                "chunk": [2, 2],
                "theta_group": 0.8,
                "theta_chunk": 0.7,
            },
            "spatial.attn.proj": {
                "grid": "t / h / w",
                "group": 3,
                "chunk": [1, 2],
                "theta_group": 0.9,
                "theta_chunk": 0.9,
            },
            "temporal.attn.qkv": {"grid": "w / t / h", "group": 2, "chunk": [1, 1], "theta_group": 0.6},
            "cross_attn.q_linear": {"grid": "- / h / tw", "chunk": [2, 3], "theta_chunk": 0.75},
            "mlp": {"grid": "th / w / -", "group": 2, "chunk": [3, 1], "theta_group": 0.5, "theta_chunk": 0.5},
        }
    },
)
RECIPES = {"paper": load_recipe("paper"), "dense": load_recipe("dense"), "planes": PLANES}
CASES = {
    "spatial and temporal block": {"width": 32, "heads": 2, "grid": (2, 2, 3)},
    "one frame": {"width": 32, "heads": 2, "grid": (1, 3, 3)},
    "one token": {"width": 32, "heads": 1, "grid": (1, 1, 1)},
    "odd grid, empty text": {"width": 48, "heads": 2, "grid": (3, 1, 5), "valid": (0, 3), "seed": 3},
    "text of one": {"width": 24, "heads": 1, "grid": (2, 3, 1), "text": 1, "valid": (1, 1), "seed": 4},
    "no text": {"width": 16, "heads": 1, "grid": (3, 2, 1), "valid": (0, 0), "seed": 5},
}
MEMORIES = [{"latency": 1}, {"latency": 30}, {"latency": 200}, {"latency": 10, "stall": 0.3}]


def run(device, case, recipe, steps=(1,)):
    """Prompt and steps on a device, each checked; returns the program and its base."""
    program = case.compile(TINY, recipe)
    base = device.allocate(program.size)
    device.write(base, program.image)
    for branch in range(2):
        device.write(program.address(f"x.{branch}", base), program.rows(case.x[branch]))
        if len(case.texts[branch]):
            device.write(program.address(f"text.{branch}", base), program.rows(case.texts[branch]))
    began = device.cycles

    def limit(_):
        assert device.cycles - began < MOST, "the chip does not stop"

    for number, step in enumerate(steps):
        arguments = program.arguments(step, case.valid, base)
        device.write(arguments[0], program.modulation(case.tables))
        for entry in ("prompt", "forward") if not number else ("forward",):
            device.start(program.entry(entry, base), arguments)
            device.wait(limit)
    return program, base


def check_counters(device):
    """Ledger and counters are those of the golden machine that ran beside the chip."""
    golden = device._golden
    assert device.ledger() == golden.ledger()
    expected, found = golden.counters(), device.counters()
    for name in ("saturations", "padding_macs"):
        assert found[name] == expected[name], name


@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize("name", CASES)
def test_blocks_are_those_of_the_golden_machine(make_device, name, recipe):
    place = list(CASES).index(name) + list(RECIPES).index(recipe)
    device = make_device(**MEMORIES[place % len(MEMORIES)], seed=place)
    run(device, Case(**CASES[name]), RECIPES[recipe])
    check_counters(device)


def draw(seed):
    """A random model, video size and recipe."""
    rng = np.random.default_rng(seed)
    heads, text = int(rng.integers(1, 4)), int(rng.integers(1, 6))
    case = Case(
        width=heads * int(rng.choice([16, 24, 32])), heads=heads, grid=tuple(map(int, rng.integers(1, (4, 4, 5)))),
        text=text, valid=tuple(map(int, rng.integers(0, text + 1, 2))), mlp_ratio=float(rng.choice([0.5, 1.5, 4.0])),
        seed=seed,
    )  # fmt: skip
    sites = {}
    for name in rng.permutation(SITE_NAMES)[: rng.integers(1, len(SITE_NAMES) + 1)]:
        axes = "".join(rng.permutation(list("thw")))
        first, second = sorted(map(int, rng.integers(0, 4, 2)))
        slots = " / ".join(slot or "-" for slot in (axes[:first], axes[first:second], axes[second:]))
        thetas = {key: float(rng.uniform(0.3, 0.98)) for key in ("theta_group", "theta_chunk")}
        chunk = list(map(int, rng.integers(1, 4, 2)))
        sites[str(name)] = {"grid": slots, "group": int(rng.integers(1, 5)), "chunk": chunk, **thetas}
    return case, parse_recipe("random", {"sites": sites})


def check_drawn(make_device, seed):
    device = make_device(**MEMORIES[seed % len(MEMORIES)], seed=seed)
    run(device, *draw(seed))
    check_counters(device)


@pytest.mark.parametrize("seed", range(8))
def test_random_blocks_agree(make_device, seed):
    check_drawn(make_device, seed)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(8, 108))
def test_many_random_blocks_agree(make_device, seed):
    check_drawn(make_device, seed)


def test_programs_follow_each_other_on_a_chip(make_device):
    device = make_device(latency=5)
    outputs = []
    for seed in range(2):
        case = Case(width=32, heads=2, grid=(1, 2, 2), seed=seed)
        program, base = run(device, case, RECIPES["planes"], steps=(0, 1))
        regions = [program.regions[f"x.{branch}"] for branch in range(2)]
        outputs += [device.read(base + region.address, region.size) for region in regions]
        check_counters(device)
    assert len({output.tobytes() for output in outputs}) == len(outputs)


@pytest.mark.parametrize("memory", MEMORIES, ids=str)
def test_time_changes_no_bit(make_device, memory):
    """A chip under any memory; the runs above take one each."""
    device = make_device(**memory)
    case = Case(width=32, heads=2, grid=(2, 1, 2), seed=7)
    run(device, case, RECIPES["paper"])
    check_counters(device)
    assert np.count_nonzero(device._chip.memory[device._top :][: 1 << 20]) == 0
