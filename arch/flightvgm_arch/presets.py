"""Named machines.

``TINY`` is for unit tests, ``SMALL`` for cosimulation, ``SMALL4`` for scheduling, ``V80`` for the card.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from flightvgm_arch.config import Config, ConfigError

KIB, MIB = 1 << 10, 1 << 20

TINY = Config(
    name="TINY", cores=1, rows=2, columns=4, depth=1, segments=1, row_lanes=4, exp_lanes=1, gelu_lanes=1, ports=1,
    a_bytes=64 * KIB, b_bytes=64 * KIB, result_bytes=64 * KIB, parameter_bytes=16 * KIB,
    row_channels=1024, reference_bytes=8 * KIB, score_keys=128, unit_rows=16, memory_bytes=64 * MIB,
)  # fmt: skip
SMALL = Config(
    name="SMALL", cores=1, rows=8, columns=8, depth=2, segments=1, row_lanes=8, exp_lanes=4, gelu_lanes=4, ports=2,
    a_bytes=96 * KIB, b_bytes=160 * KIB, result_bytes=64 * KIB, parameter_bytes=32 * KIB,
    row_channels=2048, reference_bytes=16 * KIB, score_keys=512, unit_rows=32, memory_bytes=256 * MIB,
)  # fmt: skip
SMALL4 = replace(SMALL, name="SMALL4", cores=4)
V80 = Config(
    name="V80", cores=6, rows=16, columns=24, depth=4, segments=3, row_lanes=16, exp_lanes=24, gelu_lanes=8, ports=4,
    a_bytes=2048 * KIB, b_bytes=3072 * KIB, result_bytes=2304 * KIB, parameter_bytes=32 * KIB,
    row_channels=8192, reference_bytes=64 * KIB, score_keys=4096, unit_rows=256, memory_bytes=32 << 30,
)  # fmt: skip

PRESETS = {config.name: config for config in (TINY, SMALL, SMALL4, V80)}


def by_name(name: str) -> Config:
    """Find a machine by the name of its preset, in any case, or read it from a TOML file.

    Parameters
    ----------
    name : str
        A key of :data:`PRESETS`, or a path that ends in ``.toml``.

    Raises
    ------
    ConfigError
        There is no such preset, or the file does not describe a machine.
    """
    if name.endswith(".toml"):
        return Config.from_toml(Path(name))
    if name.upper() not in PRESETS:
        known = ", ".join(PRESETS)
        raise ConfigError(f"there is no preset '{name}'; name one of {known}, or a machine's .toml file")
    return PRESETS[name.upper()]
