"""Files of named tensors, in the safetensors format.

A file is an eight-byte length, a JSON header of that length (for each tensor ``dtype``, ``shape`` and ``data_offsets``;
under ``__metadata__`` strings by name) and the data, row-major and little endian, without gaps.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flightvgm.media.atomic import replacing

HEADER_LIMIT = 1 << 26
METADATA = "__metadata__"
# BF16 has no NumPy type: its bits are the upper half of an FP32 value.
DTYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2", "I64": "<i8", "I32": "<i4", "U8": "|u1"}
NAMES = {np.dtype(code): name for name, code in DTYPES.items() if name != "BF16"}

Tensors = dict[str, NDArray[Any]]


class SafetensorsError(ValueError):
    """A file or a tensor that cannot be read or written; the message names the culprit and the remedy."""


def load_safetensors(path: str | Path) -> tuple[Tensors, dict[str, str]]:
    """Read all tensors and the metadata of a file.

    BF16 becomes float32; other types stay as they are: F64, F32, F16, I64, I32, U8.

    Raises
    ------
    SafetensorsError
        The file cannot be read, its header is malformed, a type is not supported, or a tensor holds NaN or infinity.
    """
    path = Path(path)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise SafetensorsError(f"'{path}' cannot be read ({error.strerror}); name a safetensors file") from error
    length = int.from_bytes(data[:8], "little")
    if len(data) < 8 or not 2 <= length <= min(HEADER_LIMIT, len(data) - 8):
        raise SafetensorsError(f"'{path}' is not a safetensors file or was cut short; fetch or export it again")
    header = _header(path, data[8 : 8 + length])
    metadata = header.pop(METADATA, {})
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise SafetensorsError(f"the metadata of '{path}' must be strings by name; export the file again")
    spans = {name: _span(path, name, entry) for name, entry in header.items()}
    end = 0
    for name, (begin, size) in sorted(spans.items(), key=lambda item: (item[1], item[0])):
        if begin != end:
            raise SafetensorsError(f"tensor '{name}' of '{path}' leaves a gap or overlaps another; export it again")
        end += size
    if end != len(data) - 8 - length:
        raise SafetensorsError(f"'{path}' holds {len(data) - 8 - length} bytes of data, not {end}; export it again")
    tensors = {}
    for name, (begin, size) in spans.items():
        entry = header[name]
        start = 8 + length + begin
        values = np.frombuffer(data[start : start + size], DTYPES[entry["dtype"]]).reshape(entry["shape"])
        if entry["dtype"] == "BF16":
            values = (values.astype(np.uint32) << 16).view(np.float32)
        tensors[name] = values.astype(values.dtype.newbyteorder("="))
        _refuse_infinite(name, tensors[name], f"'{path}'")
    return tensors, metadata


def save_safetensors(path: str | Path, tensors: Mapping[str, NDArray[Any]], metadata: Mapping[str, str]) -> None:
    """Write tensors and metadata; a failure leaves no file behind and an older file as it was.

    Equal content gives equal bytes: tensors are ordered by the size of their elements, the largest first, then by name.

    Raises
    ------
    SafetensorsError
        A tensor's type is not supported, it holds NaN or infinity, or the file cannot be written.
    """
    path = Path(path)
    header: dict[str, Any] = {METADATA: dict(sorted(metadata.items()))} if metadata else {}
    parts, offset = [], 0
    for name, value in sorted(tensors.items(), key=lambda item: (-item[1].dtype.itemsize, item[0])):
        kind = NAMES.get(value.dtype.newbyteorder("<"))
        if kind is None or name == METADATA:
            known = ", ".join(NAMES.values())
            raise SafetensorsError(f"tensor '{name}' of {value.dtype} cannot be stored; convert it to {known}")
        _refuse_infinite(name, value, f"what is to become '{path}'")
        parts.append(value.astype(DTYPES[kind]).tobytes())
        header[name] = {"dtype": kind, "shape": list(value.shape), "data_offsets": [offset, offset + len(parts[-1])]}
        offset += len(parts[-1])
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    try:
        with replacing(path) as temporary:
            temporary.write_bytes(b"".join([len(text).to_bytes(8, "little"), text, *parts]))
    except OSError as error:
        raise SafetensorsError(f"'{path}' cannot be written ({error.strerror}); choose a folder that can be") from error


def _header(path: Path, text: bytes) -> dict[str, Any]:
    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len(dict(pairs)) != len(pairs):
            raise ValueError("a name occurs twice")
        return dict(pairs)

    try:
        header = json.loads(text.decode(), object_pairs_hook=unique)
    except (ValueError, RecursionError) as error:
        raise SafetensorsError(f"the header of '{path}' is malformed ({error}); export the file again") from error
    if not isinstance(header, dict):
        raise SafetensorsError(f"the header of '{path}' is no JSON object; export the file again")
    return header


def _span(path: Path, name: str, entry: object) -> tuple[int, int]:
    """Offset and size in bytes of a tensor's data."""
    where = f"tensor '{name}' of '{path}'"
    if not isinstance(entry, dict) or set(entry) != {"dtype", "shape", "data_offsets"}:
        raise SafetensorsError(f"{where} must state dtype, shape and data_offsets; export the file again")
    if not isinstance(entry["dtype"], str) or entry["dtype"] not in DTYPES:
        raise SafetensorsError(f"{where} is of type {entry['dtype']}; convert it to one of {', '.join(DTYPES)}")
    lists = (entry["shape"], entry["data_offsets"])
    if not all(isinstance(part, list) and all(type(n) is int and n >= 0 for n in part) for part in lists):
        raise SafetensorsError(f"{where} has a malformed shape or data_offsets; export the file again")
    size = prod(entry["shape"]) * np.dtype(DTYPES[entry["dtype"]]).itemsize
    if len(entry["data_offsets"]) != 2 or entry["data_offsets"][1] - entry["data_offsets"][0] != size:
        raise SafetensorsError(f"{where} needs {size} bytes, unlike its data_offsets; export the file again")
    return entry["data_offsets"][0], size


def _refuse_infinite(name: str, value: NDArray[Any], where: str) -> None:
    if value.dtype.kind == "f" and not np.isfinite(value).all():
        raise SafetensorsError(f"tensor '{name}' of {where} holds NaN or infinity; correct it and export it again")
