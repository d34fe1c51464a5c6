"""Loads: weight tiles into the ring, and rows into buffers with the head norms and rotations of attention."""

from __future__ import annotations

import numpy as np

from flightvgm_arch.errors import ErrorCode
from flightvgm_arch.formats import transposed_pitch
from flightvgm_sim.golden.fp import F16, I64, U8, to_fp16
from flightvgm_sim.golden.norm import rms_norm
from flightvgm_sim.golden.rope import rotate
from flightvgm_sim.machine.buffers import aligned, finite
from flightvgm_sim.machine.errors import require
from flightvgm_sim.machine.operands import Layout, Mark
from flightvgm_sim.machine.program import Issued
from flightvgm_sim.machine.ring import Geometry
from flightvgm_sim.machine.state import Outcome, State

_B = 1
_RMS_ROPE = 2
_OUTER = 1


def row_numbers(fields: dict[str, int]) -> I64:
    """Numbers of the rows that the two loops of LOADA or STORE visit."""
    inner = fields["start"] + np.arange(fields["count"], dtype=np.int64) * fields["stride"]
    if fields["outer"] == 1:
        return inner
    outer = np.arange(fields["outer"], dtype=np.int64) * fields["outer_stride"]
    return (outer[:, None] + inner).reshape(-1)


def load_weights(state: State, issued: Issued) -> Outcome:
    """LOADW: append tiles to the ring; done when the last one is on chip."""
    fields, shared = issued.fields, state.shared
    if not fields["gate"] or not fields["tiles"]:
        return Outcome.DONE
    if not issued.appended:
        geometry = Geometry(fields["ring"], fields["depth"], fields["tile_bytes"])
        aligned("the address of tiles or their size", fields["source"], geometry.size)
        require(geometry.depth > 0 and geometry.size > 0, "the ring's depth and its tiles' size must be positive")
        state.b.check(geometry.address, (), geometry.depth * geometry.size)
        if not state.ring.append(shared.tiles(fields["source"], geometry.size, fields["tiles"]), geometry):
            return Outcome.BLOCKED
        issued.appended = True
        state.b.mark_weights(geometry.address, geometry.depth * geometry.size)
        shared.counters.weight_bytes += geometry.size * fields["tiles"]
        return Outcome.DONE if state.ring.settled else Outcome.MOVED
    return Outcome.DONE if state.ring.settled else Outcome.BLOCKED


def load_rows(state: State, issued: Issued) -> Outcome:
    """LOADA: copy rows to a buffer, linearly or through a map; prepare FP16 heads for products and transform them."""
    fields, memory = issued.fields, state.shared.memory
    if not fields["count"] or not fields["outer"]:
        return Outcome.DONE
    size = fields["row_bytes"]
    aligned("the row address or pitch", fields["source"], fields["pitch"], fields["to_pitch"])
    require(0 < size <= fields["to_pitch"], f"row_bytes {size} must be 1 to the target's pitch of {fields['to_pitch']}")
    require(size % 2 == 0, f"row_bytes {size} must be even", ErrorCode.MISALIGNED)
    mark = _mark(state, issued)
    numbers = row_numbers(fields)
    if "mapped" in issued.flags:
        aligned("the map's address", fields["map"])
        numbers = memory.words(fields["map"], numbers)
    view = _claim(state, fields, mark)
    rows = memory.gather(fields["source"], fields["pitch"], numbers, size)
    if mark.heads:
        _prepare(state, fields, rows)
    view[...] = rows.reshape(view.shape)
    state.shared.counters.load_bytes += rows.size
    return Outcome.DONE


def _mark(state: State, issued: Issued) -> Mark:
    """How the rows are prepared."""
    fields, heads, dim = issued.fields, issued.fields["heads"], issued.fields["head_dim"]
    transposed = "transposed" in issued.flags
    require(not transposed or fields["target"] == _B, "flag transposed needs target B")
    if not heads:
        require(not dim, f"head_dim is {dim} without heads; give both for an FP16 operand, and neither for bytes")
        require(not transposed, "flag transposed needs heads and head_dim")
        require(not fields["transform"], "a transform needs heads and head_dim")
        return Mark(Layout.BYTES)
    require(fields["target"] <= _B, "FP16 heads and their transforms need target A or B")
    require(not (transposed and fields["transform"]), "flag transposed excludes a transform")
    require(
        0 < 2 * heads * dim <= fields["row_bytes"],
        f"{heads} heads of {dim} FP16 channels must fit the row of {fields['row_bytes']} bytes",
    )
    if not transposed:
        return Mark(Layout.ROWS, heads, dim)
    least = transposed_pitch(heads * dim, state.shared.config.columns)
    require(fields["row_bytes"] == 2 * heads * dim, f"a transposed row has its heads only, {2 * heads * dim} bytes")
    require(
        least <= fields["to_pitch"],
        f"{heads} transposed heads of {dim} need a pitch of {least}, not {fields['to_pitch']}, to go round the banks",
    )
    return Mark(Layout.TRANSPOSED, heads, dim, fields["count"])


def _claim(state: State, fields: dict[str, int], mark: Mark) -> U8:
    """The rows of the target, ``[outer, count, bytes]``, of which the buffers note how they are prepared."""
    outer, size = (fields["outer"], fields["to_outer"]), fields["row_bytes"]
    steps = (outer, (fields["count"], fields["to_pitch"]))
    if fields["target"] > _B:
        aligned("the buffer's step of the outer loop", fields["to_outer"])
        extent = (fields["count"] - 1) * fields["to_pitch"] + size
        view = state.parameters.view(fields["to"], steps, size, np.uint8)
    else:
        target = (state.a, state.b)[fields["target"]]
        extent = target.extent(steps, mark.layout)
        view = target.rows(fields["to"], steps, size, np.uint8, mark.layout)
    require(
        fields["outer"] == 1 or extent <= fields["to_outer"],
        f"the rows of an outer step take {extent} bytes and overlap those of the next; widen to_outer",
    )
    if fields["target"] == _B:
        _keep_ring(state, fields["to"], fields["to"] + (fields["outer"] - 1) * fields["to_outer"] + extent)
    if fields["target"] <= _B:
        (state.a, state.b)[fields["target"]].mark(fields["to"], steps, size, mark)
    return view


def _keep_ring(state: State, address: int, end: int) -> None:
    """Refuse rows of B where weight tiles are in flight."""
    place, depth, tile = state.ring.geometry
    overlap = state.ring.waiting and address < place + depth * tile and place < end
    text = f"rows at {address:#x} of buffer B overlap the ring at {place:#x} with tiles in flight; move them or wait"
    require(not overlap, text, ErrorCode.RING_MISMATCH)


def _prepare(state: State, fields: dict[str, int], rows: U8) -> None:
    """Refuse heads that are not finite, and transform the others in place."""
    values: F16 = rows.view("<f2")[:, : fields["heads"] * fields["head_dim"]]
    finite("a row that is prepared for products", values)
    if fields["transform"]:
        _transform(state, fields, values)


def _transform(state: State, fields: dict[str, int], values: F16) -> None:
    """Head norm and, if wanted, rotation of FP16 heads, in place."""
    heads, dim, count = fields["heads"], fields["head_dim"], fields["count"]
    normed = rms_norm(values.reshape(-1, heads, dim), state.vector(fields["norm"], dim))
    if fields["transform"] == _RMS_ROPE:
        require(dim % 2 == 0, f"head_dim {dim} must be even for a rotation")
        position = np.arange(len(values))
        position = position // count if fields["position"] == _OUTER else position % count
        table = state.vector(fields["rope"], (int(position[-1]) + 1) * dim).reshape(-1, dim // 2, 2)
        normed = rotate(normed, table[position][:, None])
    halves, saturated = to_fp16(normed)
    values[...] = halves.reshape(len(values), -1)
    state.shared.counters.saturations += saturated
