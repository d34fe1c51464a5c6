"""Resets that reach many registers."""

from __future__ import annotations

from amaranth.hdl import ClockDomain, ClockSignal, DomainRenamer, Module, ResetSignal, Signal
from amaranth.lib import wiring


def add_with_own_reset(m: Module, name: str, component: wiring.Component) -> None:
    """Add a submodule whose reset is the module's, a cycle later, from a register of its own.

    So a reset drives few loads, however many parts there are. Nothing may be given to the submodule in the first cycle
    without reset; a reset lasts some cycles, therefore nothing of before remains. Synthesis keeps the register apart
    from others that hold the same.

    Parameters
    ----------
    m : Module
        Where it is added.
    name : str
        Name of the submodule.
    component : Component
        What is added.
    """
    domain = ClockDomain(f"{name}_of_{type(component).__name__.lower()}", local=True)  # Unlike those of outer modules.
    late = Signal(name=f"{name}_reset", reset_less=True, attrs={"keep": "true"})
    m.domains += domain
    m.d.sync += late.eq(ResetSignal())
    m.d.comb += [ClockSignal(domain.name).eq(ClockSignal()), ResetSignal(domain.name).eq(late)]
    m.submodules[name] = DomainRenamer(domain.name)(component)
