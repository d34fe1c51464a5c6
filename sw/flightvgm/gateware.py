"""The door to the gateware: Verilog of a machine, with a manifest. Nothing else of the software imports Amaranth."""

from __future__ import annotations

import hashlib
import json
import warnings
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from flightvgm.media.atomic import replacing
from flightvgm_arch.config import Config

VERILOG, MANIFEST = "flightvgm.v", "manifest.json"


class GatewareError(ValueError):
    """Verilog that cannot be emitted; the message names what is missing."""


@dataclass(frozen=True)
class Gateware:
    """Verilog of a machine, and what it says about itself.

    Attributes
    ----------
    text : str
        Verilog; its top module is ``flightvgm``.
    manifest : dict
        Machine, digest of the configuration and of the text, ports, units.
    """

    text: str
    manifest: dict[str, Any]

    def save(self, folder: Path) -> None:
        """Write ``flightvgm.v`` and ``manifest.json``; the folder is made if it does not exist."""
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in ((VERILOG, self.text), (MANIFEST, json.dumps(self.manifest, indent=2) + "\n")):
            with replacing(folder / name) as partial:
                partial.write_text(content, encoding="utf-8")


def emit(config: Config, *, vendor: bool = False) -> Gateware:
    """Emit a machine as Verilog.

    Parameters
    ----------
    config : Config
        The machine.
    vendor : bool
        With the primitives of the device instead of their portable twins.

    Raises
    ------
    GatewareError
        Amaranth is not installed.
    """
    try:
        from flightvgm_rtl.emit import TOP, chip_verilog
    except ImportError as error:
        if error.name is None or not error.name.startswith("amaranth"):
            raise
        raise GatewareError("Amaranth is not installed; install it with 'pip install flightvgm[rtl]'") from None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        emitted = chip_verilog(config, vendor=vendor)
    manifest = {
        "top": TOP,
        "preset": config.name,
        "config_digest": config.digest,
        "config": asdict(config),
        "vendor": vendor,
        "verilog": VERILOG,
        "verilog_sha256": hashlib.sha256(emitted.text.encode()).hexdigest(),
        "ports": [asdict(port) for port in emitted.ports],
        "units": list(emitted.units),
    }
    return Gateware(emitted.text, manifest)
