"""Issue: the instruction in work, as the queues take it."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from flightvgm_arch.isa import QUEUES, REGISTER_BITS
from flightvgm_arch.operations import EXTENT_BITS, OPERATIONS, Operation
from flightvgm_rtl.control.commands import PC_BITS, PLACE_BITS, Word, command, queued, raw, site
from flightvgm_rtl.control.operands import ADDRESSES, EXTENTS, of_kind
from flightvgm_rtl.lib.vector import Vector

ISSUED = QUEUES[1:]


class Issue(wiring.Component):
    """Put together what a queue takes: fields as encoded, extents and addresses substituted. Combinational.

    Members
    -------
    word : In(Word)
    addresses, extents :
        Those of the word, substituted.
    pc, place, site : In
    queue : Out(5)
        A bit for the queue that the word goes to, in the order of ``ISSUED``; none for the front end.
    to_<queue> : Out(queued(queue))
    """

    def __init__(self) -> None:
        super().__init__(
            {
                "word": In(Word),
                "addresses": In(Vector(REGISTER_BITS, ADDRESSES)),
                "extents": In(Vector(EXTENT_BITS, EXTENTS)),
                "pc": In(PC_BITS),
                "place": In(PLACE_BITS),
                "site": In(site()),
                "queue": Out(len(ISSUED)),
                **{f"to_{queue}": Out(queued(queue)) for queue in ISSUED},
            }
        )

    def elaborate(self, _: Any) -> Module:
        """Name the queue, and lay the fields out for each."""
        m = Module()
        header = self.word.header
        with m.Switch(header.opcode):
            for operation in OPERATIONS:
                if operation.queue in ISSUED:
                    with m.Case(operation.opcode):
                        m.d.comb += self.queue.eq(1 << ISSUED.index(operation.queue))
        for queue in ISSUED:
            target = getattr(self, f"to_{queue}")
            m.d.comb += [
                target.waits.eq(header.waits),
                target.signals.eq(header.signals),
                target.command.opcode.eq(header.opcode),
                target.command.pc.eq(self.pc),
                target.command.place.eq(self.place),
            ]
            if queue == "rows":
                m.d.comb += target.command.site.eq(self.site)
            m.d.comb += target.command.body.eq(
                self._body(m, queue, [item for item in OPERATIONS if item.queue == queue])
            )
        return m

    def _body(self, m: Module, queue: str, operations: list[Operation]) -> Any:
        """Fields of the operation that the word is."""
        union = Signal(command(queue)["body"].shape, name=f"body_of_{queue}")
        with m.Switch(self.word.header.opcode):
            for number, operation in enumerate(operations):
                layout = union.shape()[operation.name.lower()].shape
                filled = Signal(layout, name=f"body_{operation.name.lower()}")
                self._fill(m, filled, operation)
                # The last one needs no case of its own.
                with m.Default() if number == len(operations) - 1 else m.Case(operation.opcode):
                    m.d.comb += union[operation.name.lower()].eq(filled)
        return union

    def _fill(self, m: Module, filled: Any, operation: Operation) -> None:
        layout = raw(operation)
        addresses, extents = (of_kind(operation, kind) for kind in ("address", "extent"))
        for item in operation.fields:
            if item in addresses:
                value = self.addresses[addresses.index(item)]
            elif item in extents:
                value = self.extents[extents.index(item)]
            else:
                low = layout[item.name].offset
                value = self.word.body[low : low + item.bits]
            m.d.comb += filled[item.name].eq(value)
        for bit, flag in enumerate(operation.flags):
            m.d.comb += filled[f"flag_{flag}"].eq(self.word.header.flags[bit])
