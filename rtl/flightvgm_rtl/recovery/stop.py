"""The first fault of a unit, from its cause."""

from typing import Any

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from flightvgm_arch.isa import REGISTER_BITS
from flightvgm_rtl.lib.fault import Fault
from flightvgm_rtl.lib.vector import Vector

FIELDS = 3


class FirstFault(wiring.Component):
    """Keep the first cause of a stop, and describe it as a fault.

    Members
    -------
    stop : In(1)
        The unit stops, because of ``code`` in field ``field``.
    code : In(5)
    field : In(2)
    pc, addresses : In
        Program counter, and content of the fields: hold from ``stop`` on.
    stopped : Out(1)
        From the cycle behind ``stop`` on.
    fault : Out(Fault)
        Two cycles behind ``stop``; holds.
    """

    stop: In(1)
    code: In(5)
    field: In(range(FIELDS))
    pc: In(24)
    addresses: In(Vector(REGISTER_BITS, FIELDS))
    stopped: Out(1)
    fault: Out(Fault)

    def elaborate(self, _platform: Any) -> Module:
        """Cause, then description, which needs no reset."""
        m = Module()
        code, field = Signal(5, reset_less=True), Signal(range(FIELDS), reset_less=True)
        text, valid = Signal(Fault, reset_less=True), Signal()
        with m.If(~self.stopped):
            m.d.sync += [self.stopped.eq(self.stop), code.eq(self.code), field.eq(self.field)]
        address = Mux(field == 0, self.addresses[0], Mux(field == 1, self.addresses[1], self.addresses[2]))
        m.d.sync += [valid.eq(self.stopped), text.code.eq(code), text.pc.eq(self.pc), text.address.eq(address)]
        m.d.comb += [self.fault.eq(text), self.fault.valid.eq(valid)]
        return m
