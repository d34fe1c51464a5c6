"""What computes the blocks of the network between the host's layers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from numpy.typing import NDArray

from flightvgm.runtime.ledger import Ledger

Array = NDArray[Any]
BRANCHES = 2  # Unconditional, conditional: the order of the arrays below and of the ledger.


class Backend(Protocol):
    """All blocks of a checkpoint, for both guidance branches."""

    @property
    def saturations(self) -> int:
        """Values that were beyond the range of FP16, so far."""
        ...

    def prompt(self, texts: Array, tables: Array) -> None:
        """Begin a video.

        Parameters
        ----------
        texts : Array
            Valid text tokens ``[2, L, C]``.
        tables : Array
            Modulation of all steps, ``[steps, blocks, 6, C]``.
        """
        ...

    def step(self, tokens: Array, index: int, progress: Callable[[float], None] | None = None) -> Array:
        """Run all blocks.

        Parameters
        ----------
        tokens : Array
            Embedded tokens ``[N, C]``, the same for both branches.
        index : int
            Denoising step.
        progress : callable, optional
            Called now and then with the share of the step that is done.

        Returns
        -------
        Array
            Tokens ``[2, N, C]`` behind the last block.
        """
        ...

    def ledger(self) -> Ledger:
        """Work offered, done and skipped, so far."""
        ...
