"""What is known about a model before it is compiled: checkpoint, text encoder, conditioning."""

from flightvgm.models.checkpoint import (
    DEFAULT_CHECKPOINT,
    Checkpoint,
    CheckpointConfig,
    CheckpointError,
    find_checkpoint,
    load_checkpoint,
    save_checkpoint,
    shipped,
)
from flightvgm.models.text import Caption, PromptError, TextEncoder

__all__ = [
    "DEFAULT_CHECKPOINT",
    "Caption",
    "Checkpoint",
    "CheckpointConfig",
    "CheckpointError",
    "PromptError",
    "TextEncoder",
    "find_checkpoint",
    "load_checkpoint",
    "save_checkpoint",
    "shipped",
]
