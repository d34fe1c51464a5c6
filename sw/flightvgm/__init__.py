"""FlightVGM: an open accelerator for video diffusion transformers.

>>> import flightvgm
>>> pipe = flightvgm.Pipeline.from_pretrained("pocket", preset="SMALL")
>>> frames = pipe("a red circle moving right", seed=0).frames
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flightvgm.compiler import Program, compile_model
    from flightvgm.models import Checkpoint, load_checkpoint
    from flightvgm.pipeline import Pipeline, PipelineOutput
    from flightvgm.recipes import Recipe, load_recipe
    from flightvgm.runtime import Device, GoldenDevice, Ledger

# Modules are imported on first use, so that the command line answers at once.
_HOMES = {
    "Checkpoint": "flightvgm.models",
    "Device": "flightvgm.runtime",
    "GoldenDevice": "flightvgm.runtime",
    "Ledger": "flightvgm.runtime",
    "Pipeline": "flightvgm.pipeline",
    "PipelineOutput": "flightvgm.pipeline",
    "Program": "flightvgm.compiler",
    "Recipe": "flightvgm.recipes",
    "compile_model": "flightvgm.compiler",
    "load_checkpoint": "flightvgm.models",
    "load_recipe": "flightvgm.recipes",
}

__all__ = [
    "Checkpoint",
    "Device",
    "GoldenDevice",
    "Ledger",
    "Pipeline",
    "PipelineOutput",
    "Program",
    "Recipe",
    "compile_model",
    "load_checkpoint",
    "load_recipe",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'flightvgm' has no attribute '{name}'; it has {', '.join(__all__)}")
    return getattr(importlib.import_module(_HOMES[name]), name)
