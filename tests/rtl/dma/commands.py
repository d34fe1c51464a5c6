"""Commands as a unit's port takes them."""

from flightvgm_arch.operations import BY_NAME

RESOLVED = {"extent": 24, "address": 40}


def pack_command(name, pc=0, flags=(), **fields):
    """A command's payload; ``rows`` commands carry a site behind it, which is zero here."""
    operation = BY_NAME[name]
    word, place = operation.opcode | pc << 6, 6 + 24 + 11
    for item in operation.fields:
        bits = RESOLVED.get(item.kind, item.bits)
        value = fields.pop(item.name, 0)
        assert 0 <= value < 1 << bits, item.name
        word |= value << place
        place += bits
    assert not fields, fields
    for flag in operation.flags:
        word |= (flag in flags) << place
        place += 1
    return word


def unpack_fault(word):
    """Code, program counter and address of a fault, or None."""
    return (word >> 1 & 31, word >> 6 & (1 << 24) - 1, word >> 30) if word & 1 else None
