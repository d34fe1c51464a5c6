"""Emit components as Verilog: repeated units once, memories as instances of one module."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from amaranth.back import verilog
from amaranth.lib import wiring
from amaranth.lib.wiring import In

from flightvgm_arch.config import Config

TOP = "flightvgm"
_MEMORIES = "ram.v"


class Emitter:
    """Platform that collects the units which a design places, to convert each once.

    Parameters
    ----------
    vendor : bool
        Instances of the device's primitives instead of their portable twins, for synthesis.
    """

    def __init__(self, *, vendor: bool = False) -> None:
        self.vendor = vendor
        self._waiting: dict[str, wiring.Component] = {}
        self._names: set[str] = set()

    def unit(self, name: str, component: wiring.Component) -> None:
        """Note a unit; the first component of a name is converted."""
        if name not in self._names:
            self._names.add(name)
            self._waiting[name] = component

    @property
    def units(self) -> tuple[str, ...]:
        """Names of the units so far, in alphabetical order."""
        return tuple(sorted(self._names))

    def convert(self, component: wiring.Component, name: str) -> str:
        """Verilog of a component, of all units below it, and of the memories."""
        parts = [self._convert(component, name)]
        while self._waiting:
            unit = min(self._waiting)
            parts.append(self._convert(self._waiting.pop(unit), unit))
        memories = files("flightvgm_rtl.target").joinpath(_MEMORIES).read_text(encoding="utf-8")
        return "\n".join((*parts, memories))

    def _convert(self, component: Any, name: str) -> str:
        with _no_collection():
            text: str = verilog.convert(component, name=name, platform=self, emit_src=False, strip_internal_attrs=True)
        return text


@contextmanager
def _no_collection() -> Iterator[None]:
    """Keep the garbage collector away: the millions of objects of a netlist live to its end, and a look costs time."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def component_verilog(component: wiring.Component, name: str, *, vendor: bool = False) -> str:
    """Verilog of a component as module ``name``, with everything below it.

    Ports have the names of the component's members, joined by two underscores, beside ``clk`` and ``rst``.
    """
    return Emitter(vendor=vendor).convert(component, name)


@dataclass(frozen=True)
class Port:
    """A port of the top module."""

    name: str
    direction: str
    bits: int


@dataclass(frozen=True)
class Emitted:
    """A machine as Verilog.

    Attributes
    ----------
    text : str
        Verilog with the top module ``flightvgm``; the same for the same machine, whatever the hash seed.
    ports : tuple of Port
        Ports of the top module.
    units : tuple of str
        Modules that are placed more than once.
    """

    text: str
    ports: tuple[Port, ...]
    units: tuple[str, ...]


def chip_verilog(config: Config, *, vendor: bool = False) -> Emitted:
    """Verilog of a machine with its shell.

    Parameters
    ----------
    config : Config
        The machine.
    vendor : bool
        Instances of the device's primitives, for synthesis in Vivado.
    """
    from flightvgm_rtl.shell import Shell

    emitter = Emitter(vendor=vendor)
    shell = Shell(config)
    text = emitter.convert(shell, TOP)
    ports = tuple(
        Port("__".join(map(str, path)), "in" if member.flow is In else "out", len(value))
        for path, member, value in shell.signature.flatten(shell)
    )
    return Emitted(text, tuple(sorted(ports, key=lambda port: port.name)), emitter.units)
