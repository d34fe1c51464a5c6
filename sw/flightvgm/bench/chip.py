"""Programs that measure a chip: a large linear layer, attention, an MLP; the chip's own counters tell cycles."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from flightvgm.compiler.assembler import Assembler
from flightvgm.compiler.quantize import linear_tiles
from flightvgm.runtime.device import Device
from flightvgm_arch.formats import (
    fp16_pitch,
    operand_bytes,
    record_pitch,
    round_up,
    tile_bytes,
    transposed_pitch,
)
from flightvgm_arch.isa import Address, Operand
from flightvgm_sim.golden.quantize import correction
from flightvgm_sim.golden.records import pack

_FREE, _FULL, _OUT_FREE, _OUT_FULL, _HIDDEN, _QUANTISED = range(6)
_ONCE: dict[str, Operand | str] = {"batch0": 1, "batch1": 1}
LINEAR: dict[str, Operand | str] = {"stride": 1, "outer": 1}


@dataclass(frozen=True)
class Loaded:
    """A program in a device's memory.

    Attributes
    ----------
    entry : int
        Address of its first instruction.
    int8_macs, fp16_macs : int
        MACs of the mathematical operations.
    """

    entry: int
    int8_macs: int = 0
    fp16_macs: int = 0


def place(device: Device, program: Assembler) -> int:
    """Write a program behind which the chip ends; its entry."""
    program.emit("END")
    words = np.frombuffer(program.encode(), np.uint8)
    entry = device.allocate(words.size)
    device.write(entry, words)
    return entry


def put(device: Device, data: np.ndarray) -> int:
    """Write an array to memory of its own; its address."""
    address = device.allocate(data.size * data.itemsize)
    device.write(address, data)
    return address


def _records(rng: np.random.Generator, rows: int, k: int) -> np.ndarray:
    values = rng.integers(-127, 128, (rows, k), dtype=np.int8)
    return pack(values, np.full(rows, 1e-3, np.float32), correction(values))


def _weights(rng: np.random.Generator, outputs: int, k: int, columns: int) -> np.ndarray:
    return linear_tiles(rng.standard_normal((outputs, k)) * 0.02, np.zeros(outputs), columns, [outputs])


def linear(device: Device, *, rows: int, k: int, outputs: int, at_once: int) -> Loaded:
    """Load a linear layer: units of rows that fit A twice, ``at_once`` outputs that fit the result buffer twice.

    Weights stream once for each unit.
    """
    config, rng, asm = device.config, np.random.default_rng(0), Assembler()
    unit, size, pitch, out = config.unit_rows, tile_bytes(config.columns, k), record_pitch(k), fp16_pitch(at_once)
    tiles = _weights(rng, outputs, k, config.columns)
    a, w = put(device, _records(rng, rows, k)), put(device, tiles)
    y = device.allocate(rows * fp16_pitch(outputs))
    depth = min(255, config.b_bytes // (2 * size))
    step_a, step_r = operand_bytes(unit, pitch, config.rows, config.rows), round_up(unit * out, 32)
    asm.emit("FILL", signals=[(_FREE, 2), (_OUT_FREE, 2)], operands={"to": Address(0, y), "count": 0})
    for number, first in enumerate(range(0, rows, unit)):
        count = min(unit, rows - first)
        asm.emit(
            "LOADW",
            operands={"source": Address(0, w), "tile_bytes": size, "tiles": len(tiles), "depth": depth, "gate": count},
        )
        load: dict[str, Operand | str] = {
            "source": Address(0, a),
            "pitch": pitch,
            "start": first,
            "count": count,
            "row_bytes": pitch,
            "to": number % 2 * step_a,
            "to_pitch": pitch,
        }
        asm.emit("LOADA", waits=[(_FREE, 1)], signals=[(_FULL, 1)], operands=LINEAR | load)
        for part, column in enumerate(range(0, outputs, at_once)):
            slot = (number * (outputs // at_once) + part) % 2 * step_r
            product: dict[str, Operand | str] = {
                "a": number % 2 * step_a,
                "a_pitch": pitch,
                "rows": count,
                "k": k,
                "columns": at_once,
                "out": slot,
                "out_pitch": out,
            }
            last = column + at_once >= outputs
            waits = [(_OUT_FREE, 1), *([(_FULL, 1)] if part == 0 else [])]
            asm.emit(
                "MM", waits=waits, signals=[(_OUT_FULL, 1), *([(_FREE, 1)] if last else [])], operands=_ONCE | product
            )
            store: dict[str, Operand | str] = {
                "result": slot,
                "result_pitch": out,
                "to": Address(0, y + 2 * column),
                "pitch": fp16_pitch(outputs),
                "start": first,
                "count": count,
                "row_bytes": 2 * at_once,
            }
            asm.emit("STORE", waits=[(_OUT_FULL, 1)], signals=[(_OUT_FREE, 1)], operands=LINEAR | store)
    return Loaded(place(device, asm), int8_macs=rows * k * outputs)


def int8_product(device: Device, *, columns: int, rows: int = 32, k: int = 1152) -> Loaded:
    """Load one INT8 product."""
    config, rng, asm = device.config, np.random.default_rng(0), Assembler()
    size, pitch = tile_bytes(config.columns, k), record_pitch(k)
    tiles = _weights(rng, columns, k, config.columns)
    a, w = put(device, _records(rng, rows, k)), put(device, tiles)
    ring: dict[str, Operand | str] = {"tile_bytes": size, "tiles": len(tiles), "depth": 8, "gate": rows}
    load: dict[str, Operand | str] = {"pitch": pitch, "count": rows, "row_bytes": pitch, "to_pitch": pitch}
    product: dict[str, Operand | str] = {"a_pitch": pitch, "rows": rows, "k": k, "columns": columns}
    asm.emit("LOADW", operands=ring | {"source": Address(0, w)})
    asm.emit("LOADA", signals=[(_FULL, 1)], operands=LINEAR | load | {"source": Address(0, a), "target": "A"})
    asm.emit("MM", waits=[(_FULL, 1)], operands=_ONCE | product | {"out_pitch": fp16_pitch(columns)})
    return Loaded(place(device, asm), int8_macs=rows * k * columns)


def fp16_product(device: Device, *, columns: int, rows: int = 32, k: int = 72) -> Loaded:
    """Load one FP16 product."""
    rng, asm, pitch = np.random.default_rng(0), Assembler(), fp16_pitch(k)
    heads: dict[str, Operand | str] = {"pitch": pitch, "row_bytes": 2 * k, "to_pitch": pitch, "heads": 1, "head_dim": k}
    for count, target, signals in ((columns, "B", []), (rows, "A", [(_FULL, 1)])):
        source: dict[str, Operand | str] = {"source": Address(0, put(device, _halves(rng, count, k)))}
        asm.emit("LOADA", signals=signals, operands=LINEAR | heads | source | {"count": count, "target": target})
    product: dict[str, Operand | str] = {"a_pitch": pitch, "b_pitch": pitch, "rows": rows, "k": k, "columns": columns}
    asm.emit("MM", ["fp16"], waits=[(_FULL, 1)], operands=_ONCE | product | {"out_pitch": fp16_pitch(columns)})
    return Loaded(place(device, asm), fp16_macs=rows * k * columns)


def attention(device: Device, *, tokens: int, head_dim: int) -> Loaded:
    """Load attention of one head, all tokens to all tokens."""
    config, rng, asm = device.config, np.random.default_rng(0), Assembler()
    pitch = fp16_pitch(head_dim)
    wide = transposed_pitch(head_dim, config.columns)
    q, k, v = (put(device, _halves(rng, tokens, head_dim)) for _ in range(3))
    y = device.allocate(tokens * pitch)
    step = operand_bytes(tokens, pitch, config.columns, config.columns)
    heads: dict[str, Operand | str] = {
        "count": tokens,
        "pitch": pitch,
        "row_bytes": 2 * head_dim,
        "heads": 1,
        "head_dim": head_dim,
    }
    asm.emit("LOADA", operands=LINEAR | heads | {"source": Address(0, k), "target": "B", "to_pitch": pitch})
    asm.emit(
        "LOADA",
        ["transposed"],
        operands=LINEAR | heads | {"source": Address(0, v), "target": "B", "to": step, "to_pitch": wide},
    )
    asm.emit(
        "LOADA",
        signals=[(_FULL, 1)],
        operands=LINEAR | heads | {"source": Address(0, q), "target": "A", "to_pitch": pitch},
    )
    attend: dict[str, Operand | str] = {
        "v": step, "q_pitch": pitch, "k_pitch": pitch, "v_pitch": wide, "out_pitch": pitch, "rows": tokens,
        "keys": tokens, "heads": 1, "head_dim": head_dim, "batch": 1,
    }  # fmt: skip
    store: dict[str, Operand | str] = {
        "result_pitch": pitch,
        "pitch": pitch,
        "count": tokens,
        "row_bytes": 2 * head_dim,
    }
    asm.emit("ATTN", waits=[(_FULL, 1)], signals=[(_OUT_FULL, 1)], operands=attend)
    asm.emit(
        "STORE", waits=[(_OUT_FULL, 1)], operands=LINEAR | store | {"to": Address(0, y), "row_bytes": 2 * head_dim}
    )
    return Loaded(place(device, asm), fp16_macs=2 * tokens * tokens * head_dim)


def _halves(rng: np.random.Generator, rows: int, width: int) -> np.ndarray:
    padded = np.zeros((rows, fp16_pitch(width) // 2), np.float16)
    padded[:, :width] = rng.standard_normal((rows, width))
    return padded


def mlp(device: Device, *, rows: int, width: int, hidden: int) -> Loaded:
    """Load an MLP over rows of INT8 records: fc1 with GELU, quantisation, fc2."""
    config, rng, asm = device.config, np.random.default_rng(0), Assembler()
    unit, columns = config.unit_rows, config.columns
    narrow, broad = record_pitch(width), record_pitch(hidden)
    one, two = _weights(rng, hidden, width, columns), _weights(rng, width, hidden, columns)
    a, w1, w2 = put(device, _records(rng, rows, width)), put(device, one), put(device, two)
    y = device.allocate(rows * fp16_pitch(width))
    rooms = [operand_bytes(unit, pitch, config.rows, config.rows) for pitch in (narrow, broad)]
    middle, out = fp16_pitch(hidden), fp16_pitch(width)
    asm.emit("FILL", signals=[(_FREE, 2), (_OUT_FREE, 1)], operands={"to": Address(0, y), "count": 0})
    for number, first in enumerate(range(0, rows, unit)):
        count = min(unit, rows - first)
        slot, inner = number % 2 * rooms[0], 2 * rooms[0]
        for address, tiles, k in ((w1, one, width), (w2, two, hidden)):
            size = tile_bytes(columns, k)
            asm.emit(
                "LOADW",
                operands={
                    "source": Address(0, address),
                    "tile_bytes": size,
                    "tiles": len(tiles),
                    "depth": min(255, config.b_bytes // size),
                    "gate": count,
                },
            )
        asm.emit(
            "LOADA",
            waits=[(_FREE, 1)],
            signals=[(_FULL, 1)],
            operands=LINEAR
            | {
                "source": Address(0, a),
                "pitch": narrow,
                "start": first,
                "count": count,
                "row_bytes": narrow,
                "to": slot,
                "to_pitch": narrow,
            },
        )
        asm.emit(
            "MM",
            waits=[(_FULL, 1), (_OUT_FREE, 1)],
            signals=[(_HIDDEN, 1), (_FREE, 1)],
            operands=_ONCE
            | {
                "a": slot,
                "a_pitch": narrow,
                "rows": count,
                "k": width,
                "columns": hidden,
                "out_pitch": middle,
                "epilogue": "gelu",
            },
        )
        asm.emit(
            "ROWS",
            ["from_result", "quantise", "to_a"],
            waits=[(_HIDDEN, 1)],
            signals=[(_QUANTISED, 1)],
            operands={"width": hidden, "count": count, "result_pitch": middle, "a": inner},
        )
        asm.emit(
            "MM",
            waits=[(_QUANTISED, 1)],
            signals=[(_OUT_FULL, 1)],
            operands=_ONCE
            | {
                "a": inner,
                "a_pitch": broad,
                "rows": count,
                "k": hidden,
                "columns": width,
                "out": unit * middle,
                "out_pitch": out,
            },
        )
        asm.emit(
            "STORE",
            waits=[(_OUT_FULL, 1)],
            signals=[(_OUT_FREE, 1)],
            operands=LINEAR
            | {
                "result": unit * middle,
                "result_pitch": out,
                "to": Address(0, y),
                "pitch": out,
                "start": first,
                "count": count,
                "row_bytes": 2 * width,
            },
        )
    return Loaded(place(device, asm), int8_macs=2 * rows * width * hidden)
