"""Units: components that are placed many times and converted to Verilog once."""

from __future__ import annotations

from typing import Any, Protocol

from amaranth.hdl import ClockSignal, Instance, Module, ResetSignal, Value, ValueLike
from amaranth.lib import wiring
from amaranth.lib.wiring import In


class UnitPlatform(Protocol):
    """A platform that converts units on its own: that of :mod:`flightvgm_rtl.emit`."""

    def unit(self, name: str, component: wiring.Component) -> None:
        """Note a component that instances of ``name`` refer to; the first one of a name is converted."""
        ...


def place(
    m: Module,
    platform: Any,
    name: str,
    component: wiring.Component,
    instance: str,
    *,
    reset: ValueLike | None = None,
) -> wiring.Component:
    """Place a component: as a submodule, or as an instance of a module that is converted once.

    Parameters
    ----------
    m : Module
        Where it is placed.
    platform : object
        Platform of ``elaborate``; units exist where it has a method ``unit``.
    name : str
        Name of the module: class and all parameters that shape it, for instance ``pe_column_d2``.
    component : Component
        What is placed; its members may be used as those of a submodule.
    instance : str
        Name of this placement in ``m``.
    reset : ValueLike
        What resets an instance, in the place of the domain's reset: the same some cycles later, so that a long line of
        units does not load one net. As a submodule the component is reset by the domain.

    Returns
    -------
    Component
        ``component``.
    """
    if not hasattr(platform, "unit"):
        m.submodules[instance] = component
        return component
    platform.unit(name, component)
    ports: dict[str, Any] = {"i_clk": ClockSignal(), "i_rst": ResetSignal() if reset is None else reset}
    for path, member, value in component.signature.flatten(component):
        direction = "i" if member.flow is In else "o"
        ports[f"{direction}_{'__'.join(str(part) for part in path)}"] = Value.cast(value)
    m.submodules[instance] = Instance(name, **ports)
    return component
