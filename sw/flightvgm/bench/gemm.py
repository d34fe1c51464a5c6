"""Speed of a large INT8 product on the golden machine: ``python -m flightvgm.bench.gemm`` prints two numbers.

A process of its own, because the threads of BLAS are chosen when NumPy is imported.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from flightvgm.compiler.assembler import Assembler
from flightvgm.compiler.quantize import linear_tiles
from flightvgm.runtime.golden import GoldenDevice
from flightvgm_arch.formats import fp16_pitch, record_pitch, tile_bytes
from flightvgm_arch.isa import Address, Operand
from flightvgm_arch.presets import V80
from flightvgm_sim.golden.matmul import int8_matmul
from flightvgm_sim.golden.quantize import correction
from flightvgm_sim.golden.records import pack

ROWS, K, COLUMNS, REPEATS = 256, 1152, 3456, 8  # A work unit of the large model's qkv.
MACS = ROWS * K * COLUMNS * REPEATS


def measure() -> dict[str, float]:
    """MACs a second, in G, of the instruction MM in a program, and of the bare product."""
    rng = np.random.default_rng(0)
    values = rng.integers(-127, 128, (ROWS, K), dtype=np.int8)
    weights = rng.standard_normal((COLUMNS, K))
    tiles = linear_tiles(weights, np.zeros(COLUMNS), V80.columns, [COLUMNS])
    device = GoldenDevice(replace(V80, cores=1))
    base = {name: device.allocate(size) for name, size in (("a", ROWS * record_pitch(K)), ("w", tiles.size))}
    device.write(base["a"], pack(values, np.full(ROWS, 1e-3, np.float32), correction(values)))
    device.write(base["w"], tiles)
    words = np.frombuffer(_program(base, len(tiles)), np.uint8)
    entry = device.allocate(words.size)
    device.write(entry, words)

    def run() -> None:
        device.start(entry)
        device.wait()

    machine = _seconds(run)
    narrow = rng.integers(-127, 128, (COLUMNS, K), dtype=np.int8)
    bare = _seconds(lambda: [int8_matmul(values, narrow) for _ in range(REPEATS)])
    return {"machine": MACS / machine / 1e9, "bare": MACS / bare / 1e9}


def _program(base: dict[str, int], tiles: int) -> bytes:
    """Load rows once; multiply several times on the first core."""
    asm = Assembler()
    pitch, loaded = record_pitch(K), [(0, 1)]
    rows: dict[str, Operand | str] = {"count": ROWS, "stride": 1, "outer": 1, "row_bytes": pitch}
    asm.emit(
        "LOADA", source=Address(0, base["a"]), pitch=pitch, to_pitch=pitch, target="A", signals=loaded, operands=rows
    )
    stream: dict[str, Operand | str] = {"tile_bytes": tile_bytes(V80.columns, K), "tiles": tiles, "depth": 8, "gate": 1}
    product: dict[str, Operand | str] = {
        "a_pitch": pitch,
        "rows": ROWS,
        "k": K,
        "columns": COLUMNS,
        "out_pitch": fp16_pitch(COLUMNS),
    }
    for repeat in range(REPEATS):
        asm.emit("LOADW", source=Address(0, base["w"]), operands=stream)
        asm.emit("MM", batch0=1, batch1=1, waits=loaded if repeat == 0 else [], operands=product)
    asm.emit("END")
    return asm.encode()


def _seconds(work: Callable[[], object]) -> float:
    """The shortest of three runs behind one to warm up."""
    times = []
    for _ in range(4):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return min(times[1:])


if __name__ == "__main__":
    print(json.dumps(measure()))
