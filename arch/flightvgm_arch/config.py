"""One frozen, validated description of a machine, from which everything else derives."""

from __future__ import annotations

import hashlib
import json
import tomllib
from dataclasses import asdict, dataclass, fields
from pathlib import Path


class ConfigError(ValueError):
    """A configuration that cannot be built; the message names the field and the remedy."""


@dataclass(frozen=True)
class Config:
    """A machine.

    Parameters
    ----------
    name : str
        Name of the preset, or of the user's own machine.
    cores, rows, columns, depth : int
        Cores; PE rows (tokens), PE columns (output channels) and cascade length along K of each array.
    segments : int
        Drain segments of each PE row; divides ``columns``.
    row_lanes, exp_lanes, gelu_lanes : int
        Lanes of the row unit, of the softmax unit and of the GELU unit.
    ports : int
        AXI masters of 256 bits of each core.
    a_bytes, b_bytes, result_bytes, parameter_bytes : int
        Buffers of each core; multiples of 4096.
    score_keys : int
        Most keys of an attention problem.
    unit_rows : int
        Most rows of a work unit of a linear layer.
    memory_bytes : int
        HBM.
    """

    name: str
    cores: int
    rows: int
    columns: int
    depth: int
    segments: int
    row_lanes: int
    exp_lanes: int
    gelu_lanes: int
    ports: int
    a_bytes: int
    b_bytes: int
    result_bytes: int
    parameter_bytes: int
    score_keys: int
    unit_rows: int
    memory_bytes: int

    @property
    def dsps(self) -> int:
        """DSP58 of the arrays of all cores."""
        return self.cores * self.rows * self.columns * self.depth

    @property
    def digest(self) -> str:
        """First 16 hexadecimal digits of the SHA-256 of all fields but the name."""
        content = {key: value for key, value in asdict(self).items() if key != "name"}
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]

    @classmethod
    def from_toml(cls, path: Path) -> Config:
        """Read a machine from a TOML file of this class's fields."""
        values = tomllib.loads(path.read_text(encoding="utf-8"))
        known = {item.name for item in fields(cls)}
        for key in values:
            if key not in known:
                raise ConfigError(f"{path} names the unknown field '{key}'; known fields are {', '.join(sorted(known))}")
        missing = known - set(values)
        if missing:
            raise ConfigError(f"{path} lacks the field '{sorted(missing)[0]}'")
        return cls(**values)
