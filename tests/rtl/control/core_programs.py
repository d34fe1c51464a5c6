"""Random legal programs for a core's control."""

import random

from flightvgm_arch.grid import Grid
from flightvgm_arch.isa import BY_NAME, OPERATIONS, Address, Event, Instruction, Reg
from rtl.control.core_model import DATA

QUEUED = [operation for operation in OPERATIONS if operation.queue != "front"]
GRIDS = [Grid("t / h / w", 2, (2, 2)), Grid("- / h / tw", 1, (1, 3)), Grid("- / t / hw", 1, (5, 1))]
EXTENT_REGISTERS, ADDRESS_REGISTERS = range(1, 5), range(5, 8)
COUNTER, INNER, OUTER, START, COUNT = 8, 9, 10, 11, 12


def instruction(name, flags=(), waits=(), signals=(), **operands):
    return Instruction(name, operands, frozenset(flags), tuple(waits), tuple(signals))


def operand(item):
    """A random operand that hardware takes."""
    if item.kind == "extent":
        return Reg(random.choice([0, *EXTENT_REGISTERS, 18])) if random.random() < 0.5 else random.randrange(1 << 24)
    if item.kind == "address":
        return Address(random.choice([0, *ADDRESS_REGISTERS, 16]), 32 * random.randrange(1 << 20))
    if item.choices:
        return random.randrange(len(item.choices))
    return random.choice([0, (1 << item.bits) - 1, random.randrange(1 << item.bits)])


def work(operation=None, waits=(), signals=()):
    """A random instruction of a queue, with random flags; ROWS that compares leaves the low count registers alone."""
    operation = operation or random.choice(QUEUED)
    operands = {item.name: operand(item) for item in operation.fields}
    flags = {flag for flag in operation.flags if random.random() < 0.4}
    if operation.name == "ROWS":
        operands["counter"] |= 32
    return Instruction(operation.name, operands, frozenset(flags), tuple(waits), tuple(signals))


def setting():
    """A random instruction that changes registers, slots or the place."""
    kind = random.randrange(6)
    if kind == 0:
        return instruction("SET", rd=random.choice(EXTENT_REGISTERS), value=random.randrange(1 << 24))
    if kind == 1:
        return instruction("SET", rd=random.choice([0, *ADDRESS_REGISTERS]), value=random.randrange(1 << 38) & -32)
    if kind == 2:
        rd = random.choice(ADDRESS_REGISTERS)
        return instruction("ADD", rd=rd, rs=random.choice([0, 17, 18]), value=random.randrange(1 << 20))
    if kind == 3:
        return instruction("GET", rd=random.choice(ADDRESS_REGISTERS), source=Address(17, 32 * random.randrange(4)))
    if kind == 4:
        return instruction("MARK", layer=random.randrange(128), site=random.randrange(8), branch=random.randrange(2))
    fields = random.choice(GRIDS).fields
    extents = {name: random.choice([1, 8191, random.randrange(1, 8192)]) for name in "thw"}
    thetas = {name: random.randrange(1 << 16) for name in ("theta_group", "theta_chunk")}
    return instruction("SITE", slot=random.randrange(8), macs=random.randrange(1 << 40), **fields, **extents, **thetas)


def links():
    """Two instructions of different queues, the second after the first."""
    first, second = random.sample(QUEUED, 2)
    event = Event(random.randrange(8, 32), random.randrange(1, 3))
    if first.queue == second.queue:
        return [work(), work()]
    event = Event(8 + 2 * first.opcode % 24 + (second.opcode > first.opcode), 1)
    return [work(first, signals=[event]), *([work()] if random.random() < 0.3 else []), work(second, waits=[event])]


def pools(base):
    """Sparsification of some segments, and a loop over their units."""
    segments, pool = random.randrange(1, 4), random.randrange(8)
    stride = random.choice([97, 200])
    program = []
    for segment in range(segments):
        rows = work(BY_NAME["ROWS"], signals=[Event(segment % 2, 1)])
        operands = {**rows.operands, "counter": segment, "limit": random.choice([0, 96, random.randrange(1 << 24)])}
        program.append(Instruction("ROWS", operands, rows.flags | {"compare"}, (), rows.signals))
    waits = [Event(0, -(-segments // 2)), *([Event(1, segments // 2)] if segments > 1 else [])]
    granule = random.choice([1, 2, 8])
    sizes = {"largest": granule * random.randrange(1, 9), "granule": granule, "stride": stride}
    if random.random() < 0.3:
        fixed = {"segments": 1, "rows": random.choice([0, 1, 77])}
        program += [
            instruction("BARRIER", cores=1, waits=waits),
            instruction("OPEN", ["static"], pool=pool, **fixed, **sizes),
        ]
    else:
        program.append(instruction("OPEN", pool=pool, counter=0, segments=segments, waits=waits, **sizes))
    head = base + len(program)
    body = [work() for _ in range(random.randrange(1, 3))]
    body.append(instruction("LOADW", source=Address(0, 0), gate=Reg(COUNT), tiles=3, tile_bytes=64))
    body.append(instruction("MM", rows=Reg(COUNT), batch0=Reg(1), k=4))
    body.append(instruction("LOADA", start=Reg(START), count=Reg(COUNT), outer=1))
    leave = head + 1 + len(body) + 1
    tile = {"pool": pool, "start": START, "count": COUNT, "target": leave}
    program.append(instruction("TILE", ["branch"], signals=[Event(5, 1)], **tile))
    again = instruction("LOOP", rd=0, target=head, waits=[Event(5, 1)])
    return [*program, *body, again, instruction("BARRIER", cores=1, waits=[Event(5, 1)])]


def program(parts):
    """A random program."""
    done = [setting() for _ in range(4)]
    for _ in range(parts):
        kind = random.randrange(5)
        if kind == 0:
            done += [setting() for _ in range(3)]
        elif kind == 1:
            done += links()
        elif kind == 2:
            done += pools(len(done))
        elif kind == 3:
            rounds = random.randrange(1, 6)
            done.append(instruction("SET", rd=INNER, value=rounds))
            head = len(done)
            done += [item for _ in range(random.randrange(1, 4)) for item in (*links(), setting())]
            done.append(instruction("LOOP", rd=INNER, target=head, signals=[Event(6, 2), Event(7, 1)]))
            done.append(instruction("BARRIER", cores=1, waits=[Event(6, 2 * rounds), Event(7, rounds)]))
        else:
            skip = instruction("LOOP", rd=0, target=len(done) + 3, signals=[Event(6, 1)])
            done += [skip, b"\xff" * 64, work(), instruction("BARRIER", cores=1, waits=[Event(6, 1)])]
    return [*done, instruction("END")]


def data():
    """Words that GET reads."""
    return random.randbytes(128)


ARGUMENTS = [0x40, DATA, 1 << 23, (1 << 40) - 1]
