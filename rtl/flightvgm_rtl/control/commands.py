"""Layouts of issued instructions: the instruction table with registers substituted."""

from __future__ import annotations

from amaranth.lib import data

from flightvgm_arch.isa import OPCODE_BITS, REGISTER_BITS
from flightvgm_arch.operations import (
    BODY_BITS,
    BY_NAME,
    EXTENT_BITS,
    FLAG_BITS,
    HEADER_BITS,
    OPERATIONS,
    Field,
    Operation,
)

PC_BITS = 24
PLACE_BITS = 11  # Layer, site and branch as in MARK: ((layer * 8 + site) * 2 + branch).
RESOLVED = {"extent": EXTENT_BITS, "address": REGISTER_BITS}


def resolved_bits(item: Field) -> int:
    """Bits of a field after its register was substituted."""
    return RESOLVED.get(item.kind, item.bits)


def body(operation: Operation) -> data.StructLayout:
    """Fields of an operation, then one bit ``flag_<name>`` for each of its flags."""
    members = {item.name: resolved_bits(item) for item in operation.fields}
    return data.StructLayout(members | {f"flag_{flag}": 1 for flag in operation.flags})


def raw(operation: Operation) -> data.StructLayout:
    """Fields of an operation as they are encoded."""
    return data.StructLayout({item.name: item.bits for item in operation.fields})


def site() -> data.StructLayout:
    """What a SITE instruction said, without its slot; ``known`` is zero in a slot that was never described."""
    members = {item.name: resolved_bits(item) for item in BY_NAME["SITE"].fields if item.name != "slot"}
    return data.StructLayout(members | {"known": 1})


def command(queue: str) -> data.StructLayout:
    """Layout of an issued instruction of a queue.

    ``body`` is a union with a member for each operation of the queue, by its name in lower case; ``rows`` has ``site``,
    too.
    """
    operations = {item.name.lower(): body(item) for item in OPERATIONS if item.queue == queue}
    members: dict[str, object] = {"opcode": OPCODE_BITS, "pc": PC_BITS, "place": PLACE_BITS}
    members["body"] = data.UnionLayout(operations)
    if queue == "rows":
        members["site"] = site()
    return data.StructLayout(members)


Event = data.StructLayout({"semaphore": 5, "count": 6})
Events = data.StructLayout({"first": Event, "second": Event})
"""Two waits, or two signals; a count of zero means none."""
Header = data.StructLayout(
    {"opcode": OPCODE_BITS, "flags": FLAG_BITS, "waits": Events, "signals": Events, "rest": HEADER_BITS - 60}
)
Word = data.StructLayout({"header": Header, "body": BODY_BITS})
"""An instruction as it lies in memory."""


def queued(queue: str) -> data.StructLayout:
    """Layout of an instruction in a queue: its command, its waits and its signals."""
    return data.StructLayout({"command": command(queue), "waits": Events, "signals": Events})


Increment = data.StructLayout(
    {
        "place": PLACE_BITS,
        "rows_offered": EXTENT_BITS,
        "rows_kept": EXTENT_BITS,
        "macs_offered": 64,
        "macs_skipped": 64,
        "macs_done": 64,
        "attention_macs": 64,
        "padding_macs": 64,
    }
)
"""What an instruction adds to the ledger's entry of its place when it completes, and to the counter of padding."""
