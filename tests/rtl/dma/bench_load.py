"""LOADA puts every byte, value and entry where the contract says, whatever stalls."""

import random

import cocotb
import numpy as np

from flightvgm_arch.errors import ErrorCode
from flightvgm_sim.golden.align import align
from flightvgm_sim.golden.fp import to_fp16
from flightvgm_sim.golden.norm import rms_norm
from flightvgm_sim.golden.rope import rotate
from harness.drive import PARAMETERS, reset, start
from rtl.dma.model_load import World, encode

SIZES = PARAMETERS["sizes"]
BANKS = (SIZES["rows"], SIZES["columns"], 1)
WORDS = (SIZES["a_words"], SIZES["b_words"], SIZES["p_words"])
MEMORY = 1 << 16
THOROUGH = PARAMETERS["thorough"]  # What does not depend on the geometry is tested in one.
A, B, P = range(3)


def fp16(count, *, spread=30, seed=None):
    """FP16 values of all magnitudes, zeros and subnormals among them."""
    numbers = np.random.default_rng(random.randrange(1 << 32) if seed is None else seed)
    exponent = numbers.integers(max(0, 30 - spread), 31, count)
    bits = numbers.integers(0, 2, count) << 15 | exponent << 10 | numbers.integers(0, 1024, count)
    bits[numbers.random(count) < 0.05] = 0
    return bits.astype(np.uint16).view(np.float16)


def entry_of(values):
    """Correction and exponent of a head or a channel."""
    mantissa, exponent = align(values)
    padded = np.append(mantissa, np.zeros(len(mantissa) % 2, np.int32)).astype(object)
    correction = int((padded[0::2] * padded[1::2]).sum())
    return correction & (1 << 58) - 1 | int(exponent + 36) << 58


class Case:
    """A LOADA and what it should leave."""

    def __init__(self, memory, *, target, count, row_bytes, outer=1, heads=0, dim=0, flags=(), transform=0, **more):
        banks = BANKS[target]
        pitch = -(-row_bytes // 32) * 32
        channels = heads * dim
        if "transposed" in flags:
            pitch = -(-2 * (-(-channels // banks) * banks) // 32) * 32
        to_pitch = more.pop("to_pitch", pitch)
        unit = 16 if "transposed" in flags else banks
        extent = -(-(-(-count // unit) * unit * to_pitch) // (32 * banks)) * 32 * banks
        self.fields = {
            "source": 32 * random.randrange(8), "pitch": pitch, "start": 0, "count": count, "stride": 1, "outer": outer,
            "outer_stride": count, "row_bytes": row_bytes, "target": target, "to": 0, "to_pitch": to_pitch,
            "to_outer": extent, "heads": heads, "head_dim": dim, "transform": transform, **more,
        }  # fmt: skip
        self.flags, self.memory = flags, memory
        self.command = encode(self.fields, flags=flags)

    def rows(self):
        """Bytes of the rows, ``[outer, count, row_bytes]``."""
        f = self.fields
        numbers = [
            [f["start"] + o * f["outer_stride"] + i * f["stride"] for i in range(f["count"])] for o in range(f["outer"])
        ]
        if "mapped" in self.flags:
            table = self.memory[f["map"] : f["map"] + 4096].view("<u4")
            numbers = [[int(table[number]) for number in row] for row in numbers]
        places = [[f["source"] + number * f["pitch"] for number in row] for row in numbers]
        return np.array([[self.memory[p : p + f["row_bytes"]] for p in row] for row in places])

    def transformed(self, rows, parameters):
        """Rows after the transform, and the values that saturated."""
        f = self.fields
        heads, dim = f["heads"], f["head_dim"]
        if not f["transform"]:
            return rows, 0
        values = rows.view(np.float16)[..., : heads * dim].reshape(f["outer"], f["count"], heads, dim)
        normed = rms_norm(values, parameters[f["norm"] // 4 :][:dim])
        if f["transform"] == 2:
            positions = np.arange(f["outer"])[:, None] if f["position"] else np.arange(f["count"])[None, :]
            table = parameters[f["rope"] // 4 :][: (positions.max() + 1) * dim].reshape(-1, dim // 2, 2)
            normed = rotate(normed, table[positions][:, :, None])
        halves, saturated = to_fp16(normed)
        rows = rows.copy()
        rows.view(np.float16)[..., : heads * dim] = halves.reshape(f["outer"], f["count"], heads * dim)
        return rows, saturated

    def check(self, world, *, alone=True):
        """Compare the target; where the case was not ``alone``, note what it should have written."""
        f = self.fields
        parameters = world.p.data.reshape(-1).view("<f4").copy()
        rows, saturated = self.transformed(self.rows(), parameters)
        assert world.saturations == saturated or not alone
        target = (world.a, world.b, world.p)[f["target"]]
        banks = BANKS[f["target"]]
        expected = np.zeros(target.written.shape, bool)
        entries = {}
        for o in range(f["outer"]):
            base = (f["to"] + o * f["to_outer"]) // (32 * banks)
            if "transposed" in self.flags:
                self._check_channels(target, rows[o].view(np.float16), base, expected, entries)
                continue
            for i in range(f["count"]):
                bank, word = i % banks, base + i // banks * f["to_pitch"] // 32
                found = target.data[bank, word : word + -(-f["row_bytes"] // 32)].reshape(-1)
                assert (found[: f["row_bytes"]] == rows[o, i]).all(), (o, i)
                expected[bank, word : word + len(found) // 32].reshape(-1)[: f["row_bytes"]] = True
                self._row_entries(rows[o, i], bank, word, entries)
        if not alone:
            target.written |= expected
            if f["target"] != P:
                target.entries |= entries
            return
        assert (target.written == expected).all()
        if f["target"] != P:
            assert target.entries == entries

    def _row_entries(self, row, bank, word, entries):
        f = self.fields
        if not f["heads"]:
            for line in range(len(row) // 32):
                entries[bank, word + line] = int.from_bytes(row[32 * line + 24 : 32 * line + 32].tobytes(), "little")
            return
        for head in range(f["heads"]):
            values = row.view(np.float16)[head * f["head_dim"] :][: f["head_dim"]]
            entries[bank, word + head * f["head_dim"] // 16] = entry_of(values)

    def _check_channels(self, target, rows, base, expected, entries):
        banks, keys = BANKS[B], self.fields["count"]
        words = -(-keys // 16)
        for channel in range(rows.shape[1]):
            bank, word = channel % banks, base + channel // banks * words
            found = target.data[bank, word : word + words].reshape(-1).view(np.float16)[:keys]
            assert (found.view(np.uint16) == rows[:, channel].copy().view(np.uint16)).all(), channel
            entries[bank, word] = entry_of(rows[:, channel])
        for round_ in range(-(-rows.shape[1] // min(8, banks)) * min(8, banks)):
            word = base + round_ // banks * words
            expected[round_ % banks, word : word + words] = True


async def judge(dut, cases, *, stalls=0.0, latency=(1, 1), memory=None, parameters=None):
    """Run cases one after another, and check each."""
    world = World(dut, SIZES, memory, stalls=stalls, latency=latency)
    if parameters is not None:
        load = Case(memory, target=P, count=1, row_bytes=len(parameters), source=MEMORY - 8192)
        memory[load.fields["source"] : load.fields["source"] + len(parameters)] = parameters
        await world.run([load.command])
    for case in cases:
        if parameters is None:
            world.p.clear()
        world.a.clear()
        world.b.clear()
        world.saturations = 0
        cycles = await world.run([case.command])
        assert isinstance(cycles, int), f"fault {cycles} of {case.fields}"
        case.check(world)
        dut._log.info(f"{case.fields['row_bytes']} bytes, {case.fields['count']} rows: {cycles} cycles")
    return world


def bytes_memory():
    return np.frombuffer(random.randbytes(MEMORY), np.uint8).copy()


def half_memory(spread=30):
    return fp16(MEMORY // 2, spread=spread).view(np.uint8).copy()


STALLS = ((0.0, (1, 1)), (0.3, (1, 40)))


@cocotb.test()
async def bytes_go_to_their_places(dut):
    await start(dut)
    memory = bytes_memory()
    for stalls, latency in STALLS:
        cases = [
            Case(memory, target=A, count=1, row_bytes=32),
            Case(
                memory,
                target=A,
                count=2 * BANKS[A] + 1,
                row_bytes=96,
                to_pitch=128,
                outer=2,
                stride=3,
                to=32 * BANKS[A],
            ),
            Case(memory, target=B, count=BANKS[B] - 1, row_bytes=64, outer=3, outer_stride=1, to=64 * BANKS[B]),
            Case(memory, target=P, count=3, row_bytes=50, to_pitch=96, to=32, outer=2),
        ]
        await judge(dut, cases, stalls=stalls, latency=latency, memory=memory)


@cocotb.test()
async def rows_are_looked_up(dut):
    await start(dut)
    memory = bytes_memory()
    table = 1 << 15
    memory[table : table + 400].view("<u4")[:] = [random.randrange(300) for _ in range(100)]
    case = Case(memory, target=A, count=7, row_bytes=64, outer=2, start=3, map=table, flags=("mapped",))
    for stalls, latency in STALLS:
        await judge(dut, [case], stalls=stalls, latency=latency, memory=memory)


@cocotb.test()
async def heads_of_rows_are_prepared(dut):
    await start(dut)
    for spread, (stalls, latency) in zip((30, 3), STALLS, strict=True):
        memory = half_memory(spread)
        cases = [
            Case(memory, target=A, count=5, row_bytes=2 * 24 * 3 + 10, heads=3, dim=24),
            Case(memory, target=B, count=BANKS[B] + 1, row_bytes=2 * 2 * 16, heads=2, dim=16, outer=2),
            Case(memory, target=A, count=3, row_bytes=2 * 21 + 20, heads=1, dim=21),
            Case(memory, target=B, count=20, row_bytes=2, heads=1, dim=1),
            Case(memory, target=B, count=2, row_bytes=2 * 72 * 4, heads=4, dim=72),
            Case(memory, target=A, count=2, row_bytes=2 * 400, heads=1, dim=400),
        ]
        await judge(dut, cases, stalls=stalls, latency=latency, memory=memory)


@cocotb.test()
async def heads_of_zeros_and_subnormals_have_exponent_one(dut):
    await start(dut)
    memory = (half_memory().view(np.uint16) & 0x83FF).view(np.uint8)
    memory[: MEMORY // 2] = 0
    cases = [
        Case(memory, target=A, count=2, row_bytes=64, heads=2, dim=16),
        Case(memory, target=A, count=2, row_bytes=64, heads=2, dim=16, start=1000),
    ]
    await judge(dut, cases, memory=memory)


@cocotb.test()
async def values_lie_by_channel(dut):
    await start(dut)
    for spread, (stalls, latency) in zip((30, 3), STALLS, strict=True):
        memory = half_memory(spread)
        cases = [
            Case(memory, target=B, count=1, row_bytes=2 * 16, heads=1, dim=16, flags=("transposed",)),
            Case(memory, target=B, count=17, row_bytes=2 * 48, heads=2, dim=24, outer=2, flags=("transposed",)),
            Case(memory, target=B, count=16, row_bytes=2 * 12, heads=1, dim=12, flags=("transposed",)),
            Case(
                memory,
                target=B,
                count=40,
                row_bytes=2 * 32,
                heads=2,
                dim=16,
                flags=("transposed",),
                to=32 * BANKS[B],
            ),
            Case(memory, target=B, count=9, row_bytes=2 * 24, heads=1, dim=24, outer=3, flags=("transposed",)),
        ]
        await judge(dut, cases, stalls=stalls, latency=latency, memory=memory)


def parameter_bytes(rope, positions, dim, norm):
    """Norm weights and a table of rotations at their addresses, as bytes."""
    values = np.zeros((rope + 4 * positions * dim) // 4, np.float32)
    numbers = np.random.default_rng(random.randrange(1 << 32))
    values[norm // 4 :][:dim] = numbers.normal(1.0, 0.5, dim)
    values[norm // 4] = np.float32(1e-41)  # Subnormal, so it counts as zero.
    angles = numbers.uniform(0, 6.3, (positions, dim // 2)).astype(np.float32)
    values[rope // 4 :] = np.stack((np.cos(angles), np.sin(angles)), -1).reshape(-1)
    return values.view(np.uint8)


@cocotb.test()
async def heads_are_normed_and_rotated(dut):
    await start(dut)
    for spread, (stalls, latency) in zip((30, 3), STALLS, strict=True):
        memory = half_memory(spread)
        dim, norm, rope = 24, 32, 32 * 5
        parameters = parameter_bytes(rope, 12, dim, norm)
        more = {"norm": norm, "rope": rope, "dim": dim}
        cases = [
            Case(memory, target=A, count=5, row_bytes=2 * dim * 3 + 10, heads=3, transform=1, start=9, **more),
            Case(memory, target=B, count=5, row_bytes=2 * dim * 2, heads=2, transform=2, position=0, outer=2, **more),
            Case(memory, target=A, count=2, row_bytes=2 * dim, heads=1, transform=2, position=1, outer=5, **more),
            Case(memory, target=A, count=2, row_bytes=32, heads=1, transform=1, norm=norm, dim=16, start=11),
        ]
        await judge(dut, cases, stalls=stalls, latency=latency, memory=memory, parameters=parameters)


async def begin_again(dut):
    dut.command__valid.value = 0
    await reset(dut)


@cocotb.test(skip=not THOROUGH)
async def bad_fields_stop_before_the_first_access(dut):
    await start(dut)
    memory = half_memory()
    rows = {"target": A, "count": 4, "row_bytes": 96}
    heads = {"target": B, "count": 4, "row_bytes": 96, "heads": 3, "dim": 16}
    keys = heads | {"flags": ("transposed",)}
    normed = heads | {"transform": 2, "norm": 0, "rope": 64}
    for fields, code in (
        (rows | {"source": 16}, ErrorCode.MISALIGNED),
        (rows | {"pitch": 100}, ErrorCode.MISALIGNED),
        (rows | {"to": 32 * BANKS[A] - 32}, ErrorCode.MISALIGNED),
        (rows | {"to": 16 * BANKS[A]}, ErrorCode.MISALIGNED),
        (rows | {"to_outer": 32 * BANKS[A] + 32, "outer": 1}, ErrorCode.MISALIGNED),
        (rows | {"row_bytes": 95, "to_pitch": 96}, ErrorCode.MISALIGNED),
        (rows | {"map": 4, "flags": ("mapped",)}, ErrorCode.MISALIGNED),
        (rows | {"to_pitch": 64}, ErrorCode.FIELD_RANGE),
        (rows | {"dim": 8}, ErrorCode.FIELD_RANGE),
        (rows | {"transform": 1}, ErrorCode.FIELD_RANGE),
        (rows | {"target": B, "flags": ("transposed",)}, ErrorCode.FIELD_RANGE),
        (heads | {"target": P}, ErrorCode.FIELD_RANGE),
        (heads | {"dim": 17}, ErrorCode.FIELD_RANGE),
        (heads | {"dim": 8}, ErrorCode.FIELD_RANGE),
        (heads | {"dim": 24}, ErrorCode.FIELD_RANGE),
        (keys | {"target": A}, ErrorCode.FIELD_RANGE),
        (keys | {"row_bytes": 128}, ErrorCode.FIELD_RANGE),
        (keys | {"transform": 1}, ErrorCode.FIELD_RANGE),
        (keys | {"heads": 1, "dim": 40, "row_bytes": 80, "to_pitch": 64}, ErrorCode.FIELD_RANGE),
        (normed | {"norm": 4}, ErrorCode.MISALIGNED),
        (normed | {"rope": 4}, ErrorCode.MISALIGNED),
        (normed | {"norm": 32 * SIZES["p_words"] - 32}, ErrorCode.BUFFER_OVERRUN),
    ):
        world = World(dut, SIZES, memory)
        case = Case(memory, **fields)
        assert await world.run([encode(case.fields, flags=case.flags, pc=77)]) == [code, 77], fields
        assert world.row.requests == 0
        await begin_again(dut)


@cocotb.test(skip=not THOROUGH)
async def what_shows_while_rows_come_stops_too(dut):
    await start(dut)
    memory = half_memory()
    memory[4096:4098] = np.array([np.inf], np.float16).view(np.uint8)
    lines = WORDS[B] * BANKS[B]
    rows = {"target": B, "count": 4, "row_bytes": 96}
    heads = rows | {"heads": 3, "dim": 16}
    infinite = heads | {"source": 4096}
    normed = {"transform": 2, "norm": 0, "rope": 64}
    for fields, code in (
        (rows | {"to": 32 * (lines - 2 * BANKS[B])}, ErrorCode.BUFFER_OVERRUN),
        (rows | {"outer": 2, "to_outer": 32 * (lines - 2 * BANKS[B])}, ErrorCode.BUFFER_OVERRUN),
        (rows | {"outer": 2, "to_outer": 64 * BANKS[B]}, ErrorCode.FIELD_RANGE),
        (rows | {"target": P, "to": 32 * SIZES["p_words"] - 352}, ErrorCode.BUFFER_OVERRUN),
        (heads | {"count": 17, "flags": ("transposed",), "to": 32 * (lines - 6 * BANKS[B])}, ErrorCode.BUFFER_OVERRUN),
        (infinite, ErrorCode.FIELD_RANGE),
        (infinite | {"flags": ("transposed",)}, ErrorCode.FIELD_RANGE),
        (infinite | normed, ErrorCode.FIELD_RANGE),
        (heads | normed | {"rope": 32 * SIZES["p_words"] - 64}, ErrorCode.BUFFER_OVERRUN),
        (rows | {"error": 1}, ErrorCode.ADDRESS_WINDOW),
        (rows | {"error": 2}, ErrorCode.AXI_SLVERR),
        (rows | {"error": 3}, ErrorCode.AXI_DECERR),
        (rows | {"map_error": 2, "map": 1 << 15, "flags": ("mapped",)}, ErrorCode.AXI_SLVERR),
    ):
        errors = {name: fields.pop(name, 0) for name in ("error", "map_error")}
        world = World(dut, SIZES, memory)
        case = Case(memory, **fields)
        world.row.bad = {case.fields["source"] + 128: errors["error"]}
        world.map.bad = {1 << 15: errors["map_error"]}
        assert await world.run([encode(case.fields, flags=case.flags, pc=5)]) == [code, 5], fields
        await begin_again(dut)


@cocotb.test(skip=not THOROUGH)
async def parameters_are_below_two_to_the_48(dut):
    await start(dut)
    memory = half_memory()
    for place, code in ((0, None), (4 * 15, None), (64, None), (64 + 4 * 31, None), (128 + 64, 0)):
        values = np.zeros(64, np.float32)
        values.view(np.uint8)[place : place + 4] = np.array([-(2.0**48)], np.float32).view(np.uint8)
        memory[8192:8448] = values.view(np.uint8)
        world = World(dut, SIZES, memory)
        copy = Case(memory, target=P, count=1, row_bytes=256, source=8192)
        case = Case(memory, target=A, count=2, row_bytes=32, heads=1, dim=16, transform=2, norm=0, rope=64)
        result = await world.run([copy.command, case.command])
        assert isinstance(result, int) if code == 0 else result == [ErrorCode.FIELD_RANGE, 0]
        await begin_again(dut)


@cocotb.test()
async def nothing_is_loaded_where_an_extent_is_zero(dut):
    await start(dut)
    memory = half_memory()
    world = World(dut, SIZES, memory)
    commands = [encode({"source": 7, "count": count, "outer": 1 - count}) for count in (0, 1)]
    assert isinstance(await world.run(commands), int)
    assert not world.row.requests


@cocotb.test(skip=not THOROUGH)
async def beats_and_groups_come_every_cycle(dut):
    await start(dut)
    memory = half_memory()
    latency = (60, 60)
    for fields, cycles in (
        ({"target": A, "count": 32, "row_bytes": 256}, 32 * 8),
        ({"target": A, "count": 256, "row_bytes": 32, "pitch": 64}, 256),
        ({"target": B, "count": 16, "row_bytes": 384, "heads": 8, "dim": 24}, 16 * 8 * 4),
        ({"target": A, "count": 16, "row_bytes": 384, "heads": 8, "dim": 24, "transform": 1, "norm": 0}, 16 * 8 * 4),
        ({"target": B, "count": 32, "row_bytes": 48, "heads": 1, "dim": 24, "flags": ("transposed",)}, 0),
    ):
        case = Case(memory, **fields)
        if (case.fields["to_pitch"] * fields["count"]) // 32 > WORDS[fields["target"]] * BANKS[fields["target"]]:
            continue
        world = World(dut, SIZES, memory, latency=latency)
        took = await world.run([case.command])
        dut._log.info(f"{cycles} cycles of data took {took}")
        assert not cycles or took <= cycles + 60 + 130, (fields, took)


@cocotb.test()
async def instructions_follow_each_other(dut):
    await start(dut)
    memory = half_memory()
    dim, norm, rope = 24, 32, 160
    parameters = parameter_bytes(rope, 4, dim, norm)
    memory[MEMORY - 8192 :][: len(parameters)] = parameters
    a_step, b_step = 32 * BANKS[A] * 8, 32 * BANKS[B] * 8
    normed = {"heads": 2, "dim": dim, "row_bytes": 4 * dim, "norm": norm, "rope": rope, "transform": 2, "position": 0}
    for stalls, latency in ((0.0, (50, 50)), *STALLS[1:]):
        cases = [
            Case(memory, target=P, count=1, row_bytes=len(parameters), source=MEMORY - 8192),
            Case(memory, target=A, count=4, **normed),
            Case(memory, target=A, count=3, row_bytes=96, to=a_step),
            Case(memory, target=B, count=3, row_bytes=64, heads=1, dim=32, flags=("transposed",)),
            Case(memory, target=B, count=0, row_bytes=64),
            Case(memory, target=A, count=2, row_bytes=32, to=2 * a_step),
            Case(memory, target=B, count=4, to=b_step, start=7, **normed),
        ]
        world = World(dut, SIZES, memory, stalls=stalls, latency=latency)
        cycles = await world.run([case.command for case in cases])
        dut._log.info(f"{len(cases)} instructions took {cycles} cycles")
        found = [(target.written.copy(), dict(target.entries)) for target in (world.a, world.b)]
        for target in (world.a, world.b):
            target.written[:], target.entries = False, {}
        for case in cases:
            if case.fields["count"]:
                case.check(world, alone=False)
        for target, (written, entries) in zip((world.a, world.b), found, strict=True):
            assert (target.written == written).all()
            assert target.entries == entries


@cocotb.test(skip=WORDS[A] < 1024)
async def the_longest_head_fits(dut):
    await start(dut)
    memory = half_memory()
    case = Case(memory, target=A, count=2, row_bytes=2 * 8191, heads=1, dim=8191)
    await judge(dut, [case], memory=memory)
