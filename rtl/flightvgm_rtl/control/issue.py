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
_PIECE = 128  # Bits that a register chooses for.


class Issue(wiring.Component):
    """Put together what a queue takes: fields as encoded, extents and addresses substituted.

    What depends on the opcode follows ``word`` by a cycle; the rest is combinational.

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
                        m.d.sync += self.queue.eq(1 << ISSUED.index(operation.queue))
            with m.Default():
                m.d.sync += self.queue.eq(0)
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
        """Fields of the operation that the word is; the last one needs no condition."""
        union = Signal(command(queue)["body"].shape, name=f"body_of_{queue}")
        bits = union.as_value()
        for operation in reversed(operations):
            filled = Signal(union.shape()[operation.name.lower()].shape, name=f"body_{operation.name.lower()}")
            self._fill(m, filled, operation)
            if operation is operations[-1]:
                m.d.comb += bits.eq(filled.as_value())
                continue
            for low in range(0, len(bits), _PIECE):
                chosen = Signal(name=f"is_{operation.name.lower()}_{low}", reset_less=True, attrs={"keep": "true"})
                m.d.sync += chosen.eq(self.word.header.opcode == operation.opcode)
                with m.If(chosen):
                    m.d.comb += bits[low : low + _PIECE].eq(filled.as_value()[low : low + _PIECE])
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
