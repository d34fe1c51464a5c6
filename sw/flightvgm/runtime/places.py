"""Where a byte of a program's memory lies, in words: region, row and channel."""

from __future__ import annotations

from flightvgm.compiler import Program
from flightvgm.compiler.regions import INDEX_BYTES, qkv_row_pitch
from flightvgm_arch.formats import METADATA_BYTES

_FP16_BYTES, _SCALE_BYTES = 2, 4


def place(program: Program, offset: int) -> str:
    """Say what the byte at ``offset`` from the program's base belongs to.

    Rows are those of the region: tokens of ``x`` and ``attended``, kept rows of ``records``, ``y`` and ``qkv``; the
    keys and then the values of ``text_kv``.
    """
    region = next((item for item in program.regions.values() if item.address <= offset < item.end), None)
    if region is None:
        return "outside all regions"
    kind, within = region.name.split(".")[0], offset - region.address
    network = program.network
    pitches = dict.fromkeys(("x", "attended", "y", "text", "text_kv"), network.row_pitch) | {
        "qkv": qkv_row_pitch(network),
        "records": network.record_pitch,
        "text_records": network.record_pitch,
    }
    if kind == "map":
        return f"entry {within // INDEX_BYTES} of region '{region.name}'"
    if kind not in pitches:
        return f"byte {within} of region '{region.name}'"
    row, inner = divmod(within, pitches[kind])
    element = f"channel {inner // _FP16_BYTES}"
    if kind.endswith("records"):
        tail = inner - (pitches[kind] - METADATA_BYTES)
        element = f"channel {inner}" if tail < 0 else "its scale" if tail < _SCALE_BYTES else "its correction"
    return f"row {row}, {element} of region '{region.name}'"
