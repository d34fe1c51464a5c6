"""What the compiler refuses."""

from __future__ import annotations


class CompileError(ValueError):
    """A model, size or machine that cannot be compiled; the message names the culprit and the remedy."""
