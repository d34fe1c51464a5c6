"""The golden machine: executes instruction streams over memory and buffers of a configured size."""

from flightvgm_arch.sites import OUTSIDE
from flightvgm_sim.machine.counters import Counters
from flightvgm_sim.machine.errors import FaultError, MachineError
from flightvgm_sim.machine.journal import Author, Origin
from flightvgm_sim.machine.ledger import Entry, Ledger, Place
from flightvgm_sim.machine.machine import BUDGET, Machine
from flightvgm_sim.machine.memory import Memory

__all__ = [
    "BUDGET",
    "OUTSIDE",
    "Author",
    "Counters",
    "Entry",
    "FaultError",
    "Ledger",
    "Machine",
    "MachineError",
    "Memory",
    "Origin",
    "Place",
]
