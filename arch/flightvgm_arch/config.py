"""One frozen, validated description of a machine, from which everything else derives."""

from __future__ import annotations

import hashlib
import json
import reprlib
import tomllib
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from flightvgm_arch.formats import ROW_CHANNELS_MOST

PAGE_BYTES = 4096
RANGES = {  # Ends of the buffers, of score_keys and of unit_rows are those of the instruction fields that name them.
    "cores": (1, 16),
    "rows": (2, 64),
    "columns": (2, 64),
    "depth": (1, 4),
    "segments": (1, 64),
    "row_lanes": (1, 64),
    "exp_lanes": (1, 256),
    "gelu_lanes": (1, 256),
    "ports": (1, 16),
    "a_bytes": (PAGE_BYTES, 1 << 24),
    "b_bytes": (PAGE_BYTES, 1 << 24),
    "result_bytes": (PAGE_BYTES, 1 << 24),
    "parameter_bytes": (PAGE_BYTES, 1 << 20),
    "row_channels": (32, ROW_CHANNELS_MOST),
    "reference_bytes": (PAGE_BYTES, 1 << 20),
    "score_keys": (1, 4096),
    "unit_rows": (1, 4095),
    "memory_bytes": (1 << 20, 1 << 40),
}
POWERS = ("depth", "row_lanes")
PAGED = ("a_bytes", "b_bytes", "result_bytes", "parameter_bytes", "reference_bytes", "memory_bytes")


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
        ``columns`` is 2, 4 or a multiple of 8, for loaders write V to 8 banks of B at a time. ``depth`` is a power of
        two.
    segments : int
        Drain segments of each PE row; divides ``columns``.
    row_lanes, exp_lanes, gelu_lanes : int
        Lanes of the row unit, of the softmax unit and of the GELU unit. ``row_lanes`` is a power of two; 16 take a
        port's whole beat.
    ports : int
        AXI masters of 256 bits of each core.
    a_bytes, b_bytes, result_bytes, parameter_bytes : int
        Buffers of each core; multiples of 4096.
    row_channels : int
        Most channels of a row in the row unit.
    reference_bytes : int
        INT8 rows of a reference plane that the row unit holds while it compares the other planes of a band; a multiple
        of 4096.
    score_keys : int
        Most keys of an attention problem.
    unit_rows : int
        Most rows of a work unit of a linear layer; a multiple of ``rows``.
    memory_bytes : int
        HBM; a multiple of 4096.

    Raises
    ------
    ConfigError
        A field is not a whole number, out of its range in :data:`RANGES`, or does not fit the others.
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
    row_channels: int
    reference_bytes: int
    score_keys: int
    unit_rows: int
    memory_bytes: int

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name:
            raise ConfigError(f"name is {reprlib.repr(self.name)}; give the machine a name")
        for field, (low, high) in RANGES.items():
            value = getattr(self, field)
            if type(value) is not int:
                raise ConfigError(f"{field} is {reprlib.repr(value)}; it must be a whole number")
            if not low <= value <= high:
                raise ConfigError(f"{field} is {value}; it must be {low} to {high}")
        for field in POWERS:
            value = getattr(self, field)
            if value & value - 1:
                raise ConfigError(f"{field} is {value}; it must be a power of two")
        for field in PAGED:
            value = getattr(self, field)
            if value % PAGE_BYTES:
                raise ConfigError(f"{field} is {value}; it must be a multiple of {PAGE_BYTES}")
        if self.columns % 8 and self.columns not in (2, 4):
            raise ConfigError(
                f"columns is {self.columns}; it must be 2, 4 or a multiple of 8, as loaders write 8 banks"
            )
        if self.columns % self.segments:
            raise ConfigError(f"segments is {self.segments}; it must divide the {self.columns} columns")
        if self.unit_rows % self.rows:
            raise ConfigError(
                f"unit_rows is {self.unit_rows}; it must be a multiple of the {self.rows} rows of the array"
            )

    @property
    def dsps(self) -> int:
        """DSP58 of the arrays of all cores."""
        return self.cores * self.rows * self.columns * self.depth

    @property
    def int8_macs_per_cycle(self) -> int:
        """INT8 MACs of the arrays of all cores in a cycle: four a DSP58."""
        return 4 * self.dsps

    @property
    def fp16_macs_per_cycle(self) -> int:
        """FP16 MACs of the arrays of all cores in a cycle: two a DSP58."""
        return 2 * self.dsps

    @property
    def drain_lanes(self) -> int:
        """Results that leave the array of a core in a cycle."""
        return self.rows * self.segments

    @property
    def digest(self) -> str:
        """First 16 hexadecimal digits of the SHA-256 of all fields but the name."""
        content = {key: value for key, value in asdict(self).items() if key != "name"}
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]

    def shares(self, width: int, head_dim: int = 72) -> tuple[Share, ...]:
        """List what each unit beside the array of a core has, and what it needs to keep up with the array.

        Parameters
        ----------
        width : int
            Channels of the residual stream: the narrower, the more rows go with a MAC.
        head_dim : int
            Channels of an attention head.
        """
        elements = self.rows * self.columns * self.depth
        return (
            Share("drain lanes", self.drain_lanes, elements * 2 / head_dim, "QK^T", "segments"),
            Share("exp lanes", self.exp_lanes, elements / head_dim, "softmax", "exp_lanes"),
            Share("row lanes", self.row_lanes, elements / 96 * 1152 / width, "the row unit", "row_lanes"),
        )

    def balance(self, width: int, head_dim: int = 72) -> tuple[str, ...]:
        """Sentences about the units that the array waits for; none where the machine is in balance.

        Parameters
        ----------
        width, head_dim : int
            As for :meth:`shares`.
        """
        return tuple(share.shortfall for share in self.shares(width, head_dim) if share.shortfall)

    @classmethod
    def from_toml(cls, path: Path) -> Config:
        """Read a machine from a TOML file of this class's fields.

        Raises
        ------
        ConfigError
            The file is unreadable, names an unknown field or lacks one, or the machine cannot be built.
        """
        try:
            values = tomllib.loads(path.read_text(encoding="utf-8"))
        except RecursionError:
            raise ConfigError(f"{path} is nested too deeply; give each field of the machine one value") from None
        except (OSError, ValueError) as problem:  # A number of thousands of digits is a plain ValueError.
            raise ConfigError(f"{path} cannot be read as TOML: {problem}") from None
        known = {item.name for item in fields(cls)}
        for key in values:
            if key not in known:
                names = ", ".join(sorted(known))
                raise ConfigError(f"{path} names the unknown field '{key}'; known fields are {names}")
        missing = known - set(values)
        if missing:
            raise ConfigError(f"{path} lacks the field '{min(missing)}'")
        try:
            return cls(**values)
        except ValueError as problem:
            raise ConfigError(f"{path}: {problem}") from None


@dataclass(frozen=True)
class Share:
    """Lanes that a unit of a core has, and those that it needs."""

    unit: str
    has: int
    needs: float
    work: str
    field: str

    @property
    def shortfall(self) -> str:
        """A sentence that says what the array waits for; empty where the unit keeps up."""
        if self.has >= self.needs:
            return ""
        return (
            f"{self.has} {self.unit} are fewer than the {self.needs:.1f} that keep up with the array, so {self.work} "
            f"runs at {self.has / self.needs:.0%} of the array's rate; raise {self.field}"
        )
