"""What the machine counts beside the ledger."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field

from flightvgm_arch.isa import QUEUES


@dataclass(slots=True)
class Counters:
    """Sums since the machine was made.

    Parameters
    ----------
    instructions : dict
        Completed instructions of each queue and of the front end, by its name.
    saturations : int
        Values that a store in FP16 held at 65,504.
    weight_bytes, load_bytes, store_bytes : int
        Bytes that LOADW, LOADA, and STORE with FILL moved, without lists and maps.
    row_read_bytes, row_write_bytes : int
        Bytes that ROWS moved, without maps.
    int8_macs, fp16_macs : int
        MACs of the mathematical operations.
    padding_macs : int
        MACs of either kind that the array spends on zeros, because rows, columns and K fill it up to its own extents.
    """

    instructions: dict[str, int] = field(default_factory=lambda: dict.fromkeys(QUEUES, 0))
    saturations: int = 0
    weight_bytes: int = 0
    load_bytes: int = 0
    store_bytes: int = 0
    row_read_bytes: int = 0
    row_write_bytes: int = 0
    int8_macs: int = 0
    fp16_macs: int = 0
    padding_macs: int = 0

    def to_dict(self) -> dict[str, int]:
        """All counters by name; instructions as ``instructions_<queue>``."""
        values = asdict(self)
        queues: dict[str, int] = values.pop("instructions")
        return {**values, **{f"instructions_{name}": count for name, count in queues.items()}}
