"""A progress bar for terminals."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Self, TextIO

WIDTH = 28
INTERVAL = 0.1  # Seconds between two drawings.


def duration(seconds: float) -> str:
    """Write a time as ``m:ss``."""
    whole = max(0, round(seconds))
    return f"{whole // 60}:{whole % 60:02d}"


class Progress:
    """Draw ``label [####    ] 40 % 0:12 left`` on one line of a terminal; elsewhere do nothing.

    Use as a context manager; the line is removed in the end.

    Parameters
    ----------
    label : str
        What is going on.
    stream : TextIO, optional
        Standard error by default.
    """

    def __init__(self, label: str, stream: TextIO | None = None) -> None:
        self.label = label
        self.stream = stream or sys.stderr
        self.live = self.stream.isatty()
        self.began = self.drawn = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.live:
            self.stream.write("\r\x1b[K")
            self.stream.flush()

    def __call__(self, done: float, total: float, label: str | None = None) -> None:
        """Show that ``done`` of ``total`` is reached."""
        now = time.monotonic()
        if label is not None and label != self.label:
            self.label, self.began, self.drawn = label, now, 0.0
        if not self.live or (now - self.drawn < INTERVAL and done < total):
            return
        self.drawn = now
        share = min(1.0, done / total) if total else 1.0
        filled = round(share * WIDTH)
        left = f"{duration((now - self.began) * (1 - share) / share)} left" if share > 0 else ""
        bar = "#" * filled + " " * (WIDTH - filled)
        self.stream.write(f"\r\x1b[K{self.label} [{bar}] {share:4.0%} {left}")
        self.stream.flush()
