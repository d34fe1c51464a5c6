"""A file that appears whole under its name, or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

READABLE_BY_ALL = 0o666


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path``, with the same suffix, and rename it to ``path`` in the end.

    When the body raises, Ctrl-C included, the temporary file is removed and ``path`` keeps what it held.
    """
    try:
        handle, name = tempfile.mkstemp(prefix=".flightvgm-", suffix=path.suffix, dir=path.parent)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        mask = os.umask(0)
        os.umask(mask)
        temporary.chmod(READABLE_BY_ALL & ~mask)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
