"""Running compiled programs: devices, sessions and the ledger of work."""

from flightvgm.runtime.backend import Backend
from flightvgm.runtime.device import Device, DeviceError
from flightvgm.runtime.golden import GoldenDevice
from flightvgm.runtime.ledger import Ledger, Place, Work
from flightvgm.runtime.reference import ReferenceBackend
from flightvgm.runtime.session import Session

__all__ = [
    "Backend",
    "Device",
    "DeviceError",
    "GoldenDevice",
    "Ledger",
    "Place",
    "ReferenceBackend",
    "Session",
    "Work",
]
