"""The matrix unit: products in INT8 and FP16, and attention."""

from __future__ import annotations

import numpy as np

from flightvgm_arch.errors import ErrorCode
from flightvgm_arch.formats import FP16_K_MOST, INT8_K_MOST, record_pitch, round_up
from flightvgm_sim.golden import quantize, records
from flightvgm_sim.golden.attention import attention
from flightvgm_sim.golden.epilogue import epilogue
from flightvgm_sim.golden.fp import to_fp16
from flightvgm_sim.golden.matmul import fp16_matmul, int8_matmul
from flightvgm_sim.machine.buffers import Steps, aligned, finite
from flightvgm_sim.machine.errors import require
from flightvgm_sim.machine.operands import Layout, Mark
from flightvgm_sim.machine.program import Issued
from flightvgm_sim.machine.ring import Slice, Weights
from flightvgm_sim.machine.state import Outcome, State

_INT8_LANES, _FP16_LANES = 4, 2  # MACs of a DSP58 in a cycle.


def multiply(state: State, issued: Issued) -> Outcome:
    """MM: a product in INT8 with tiles of the ring, as they come, or in FP16 with rows of B."""
    fields = issued.fields
    if not fields["rows"] or not fields["batch0"] or not fields["batch1"]:
        return Outcome.DONE
    require(fields["k"] > 0 and fields["columns"] > 0, "k and columns must be positive")
    aligned("the pitch of rows or results", fields["a_pitch"], fields["out_pitch"], fields["b_pitch"])
    aligned("the step of operands", fields["da0"], fields["da1"], fields["db0"], fields["db1"])
    for name in ("dout0", "dout1"):
        require(fields[name] % 2 == 0, f"{name} {fields[name]} must be even", ErrorCode.MISALIGNED)
    require(
        2 * fields["columns"] <= fields["out_pitch"],
        f"{fields['columns']} FP16 results exceed the pitch of {fields['out_pitch']} bytes; widen out_pitch",
    )
    if "fp16" in issued.flags:
        _multiply_fp16(state, issued)
        return Outcome.DONE
    wanted = -(-fields["columns"] // state.shared.config.columns)
    missing = wanted - sum(piece.last - piece.first for piece in issued.taken)
    came = state.ring.take(missing, fields["k"])
    issued.taken.extend(came)
    if sum(piece.last - piece.first for piece in came) < missing:
        return Outcome.MOVED if came else Outcome.BLOCKED
    _multiply_int8(state, issued)
    return Outcome.DONE


def _steps(fields: dict[str, int], operand: str, rows: str, pitch: str) -> Steps:
    return (
        (fields["batch1"], fields[f"d{operand}1"]),
        (fields["batch0"], fields[f"d{operand}0"]),
        (fields[rows], fields[pitch]),
    )


def _weights(taken: list[Slice], k: int, columns: int) -> Weights:
    """Channels of the tiles that an MM has taken."""
    parts = []
    for tiles, first, last in taken:
        whole = tiles.decode(k)
        low, high = first * columns, last * columns
        parts.append(Weights(whole.values[low:high], whole.scale[low:high], whole.bias[low:high]))
    if len(parts) == 1:
        return parts[0]
    values, scale, bias = zip(*parts, strict=True)
    return Weights(np.concatenate(values), np.concatenate(scale), np.concatenate(bias))


def _multiply_int8(state: State, issued: Issued) -> None:
    fields = issued.fields
    k, columns = fields["k"], fields["columns"]
    pitch = record_pitch(k)
    require(k <= INT8_K_MOST, f"k {k} exceeds {INT8_K_MOST}; split the layer")
    require(pitch <= fields["a_pitch"], f"records of {k} values have {pitch} bytes, beyond a_pitch {fields['a_pitch']}")
    require(not fields["db0"] and not fields["db1"], "an INT8 product has one set of tiles; db0 and db1 must be zero")
    a_steps = _steps(fields, "a", "rows", "a_pitch")
    found = state.a.rows(fields["a"], a_steps, pitch, np.uint8).reshape(-1, pitch)
    state.a.demand(fields["a"], a_steps, pitch, Mark(Layout.BYTES), "a record")
    out = state.result.view(fields["out"], _steps(fields, "out", "rows", "out_pitch"), columns, "<f2")
    values, row_scale, correction = records.unpack(found, k)
    require(
        bool(np.array_equal(quantize.correction(values), correction)),
        f"a record at {fields['a']:#x} of buffer A has a correction that does not match its {k} values; load all of it",
    )
    finite(f"a record's scale at {fields['a']:#x} of buffer A", row_scale)
    weights = _weights(issued.taken, k, state.shared.config.columns)
    product = int8_matmul(values, weights.values[:columns])
    gelu = fields["epilogue"] == 1
    halves, saturated = epilogue(product, row_scale, weights.scale[:columns], weights.bias[:columns], gelu=gelu)
    out[...] = halves.reshape(out.shape)
    state.shared.counters.saturations += saturated
    _account(state, issued, problems=1, rows=len(values), k=k, columns=columns, lanes=_INT8_LANES)


def _multiply_fp16(state: State, issued: Issued) -> None:
    fields = issued.fields
    k, columns = fields["k"], fields["columns"]
    require(k <= FP16_K_MOST, f"k {k} exceeds {FP16_K_MOST}, where aligned sums stop being exact; split the product")
    require(fields["epilogue"] == 0, "an FP16 product has no epilogue")
    a_steps, b_steps = _steps(fields, "a", "rows", "a_pitch"), _steps(fields, "b", "columns", "b_pitch")
    a, b = state.a.rows(fields["a"], a_steps, k, "<f2"), state.b.rows(fields["b"], b_steps, k, "<f2")
    mark = Mark(Layout.ROWS, heads=1, head_dim=k)
    state.a.demand(fields["a"], a_steps, 2 * k, mark, "the FP16 row operand")
    state.b.demand(fields["b"], b_steps, 2 * k, mark, "the FP16 column operand")
    out = state.result.view(fields["out"], _steps(fields, "out", "rows", "out_pitch"), columns, "<f2")
    halves, saturated = to_fp16(fp16_matmul(a, b))
    out[...] = halves
    state.shared.counters.saturations += saturated
    problems = fields["batch0"] * fields["batch1"]
    _account(state, issued, problems=problems, rows=fields["rows"], k=k, columns=columns, lanes=_FP16_LANES)


def attend(state: State, issued: Issued) -> Outcome:
    """ATTN: softmax2(Q K^T) V of every problem and head."""
    fields = issued.fields
    if not fields["rows"] or not fields["batch"]:
        return Outcome.DONE
    heads, dim, rows, keys, batch = (fields[name] for name in ("heads", "head_dim", "rows", "keys", "batch"))
    width, most = heads * dim, state.shared.config.score_keys
    require(width > 0, "heads and head_dim must be positive")
    require(keys <= most, f"{keys} keys exceed the {most} of the score buffer; use a larger machine or fewer keys")
    for operand in ("q", "k", "v", "out"):
        pitch = fields[f"{operand}_pitch"]
        aligned(f"the pitch or step of {operand}", pitch, fields[f"d{operand}"])
        require(2 * width <= pitch, f"{heads} heads of {dim} exceed the pitch {pitch} of {operand}; widen it")
    q = state.a.rows(fields["q"], _problems(fields, "q", rows), width, "<f2")
    out = state.result.view(fields["out"], _problems(fields, "out", rows), width, "<f2")
    if not keys:
        out[...] = 0
        return Outcome.DONE
    k = state.b.rows(fields["k"], _problems(fields, "k", keys), width, "<f2")
    v = state.b.rows(fields["v"], _problems(fields, "v", keys), width, "<f2", Layout.TRANSPOSED)
    rows_mark = Mark(Layout.ROWS, heads, dim)
    state.a.demand(fields["q"], _problems(fields, "q", rows), 2 * width, rows_mark, "operand q of attention")
    state.b.demand(fields["k"], _problems(fields, "k", keys), 2 * width, rows_mark, "operand k of attention")
    state.b.demand(
        fields["v"], _problems(fields, "v", keys), 2 * width, Mark(Layout.TRANSPOSED, heads, dim, keys),
        "operand v of attention",
    )  # fmt: skip
    queries, *columns = (x.reshape(batch, -1, heads, dim).swapaxes(1, 2) for x in (q, k, v))
    halves, saturated = attention(queries, *columns)
    out[...] = halves.swapaxes(1, 2).reshape(out.shape)
    state.shared.counters.saturations += saturated
    held, streamed = (dim, rows) if "transposed" in issued.flags else (rows, dim)
    _account(state, issued, problems=batch * heads, rows=rows, k=dim, columns=keys, lanes=_FP16_LANES)
    _account(state, issued, problems=batch * heads, rows=held, k=keys, columns=streamed, lanes=_FP16_LANES)
    return Outcome.DONE


def _account(state: State, issued: Issued, *, problems: int, rows: int, k: int, columns: int, lanes: int) -> None:
    """Count the MACs of equal products, and those that the array spends on padding; ``lanes`` are MACs of a DSP58."""
    config, counters, entry = state.shared.config, state.shared.counters, state.shared.ledger.at(issued.place)
    macs = problems * rows * k * columns
    filled = round_up(rows, config.rows) * round_up(k, lanes * config.depth) * round_up(columns, config.columns)
    counters.padding_macs += problems * filled - macs
    if lanes == _INT8_LANES:
        counters.int8_macs += macs
        entry.macs_done += macs
    else:
        counters.fp16_macs += macs
        entry.macs_fp16 += macs


def _problems(fields: dict[str, int], operand: str, rows: int) -> Steps:
    return (fields["batch"], fields[f"d{operand}"]), (rows, fields[f"{operand}_pitch"])
