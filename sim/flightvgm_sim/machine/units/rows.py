"""The row unit: one stream that recovers, adds, writes back, norms, modulates, quantises, compares and compacts."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from flightvgm_arch.errors import ErrorCode
from flightvgm_arch.formats import fp16_pitch, record_pitch, reference_bytes
from flightvgm_sim.golden import quantize, records
from flightvgm_sim.golden.fp import F16, F32, I8, I64, U8, to_fp16
from flightvgm_sim.golden.norm import layer_norm
from flightvgm_sim.golden.residual import modulate, residual
from flightvgm_sim.golden.sparsifier import decide
from flightvgm_sim.machine.buffers import aligned, finite
from flightvgm_sim.machine.errors import require
from flightvgm_sim.machine.operands import Layout, Mark
from flightvgm_sim.machine.program import Issued
from flightvgm_sim.machine.sites import Site
from flightvgm_sim.machine.state import Outcome, State

Write = Callable[[], None]


def stream(state: State, issued: Issued) -> Outcome:
    """ROWS: the steps that the flags name, on all rows; nothing is written before everything was checked."""
    fields, flags, counters = issued.fields, issued.flags, state.shared.counters
    _check_flags(flags)
    if "compare" in flags:
        _check_counter(state, fields["counter"])
    if not fields["count"]:
        if "compare" in flags:
            state.shared.counts[fields["counter"]] = 0
        return Outcome.DONE
    _check_sizes(state, issued)
    tokens = _tokens(issued)
    x = _source(state, issued, tokens)
    finite("a row of x", x)
    writes: list[Write] = []
    if "add" in flags:
        x = _add(state, issued, tokens, x)
    if "write_back" in flags:
        writes.append(_rows_write(state, fields["x"], fp16_pitch(fields["width"]), tokens, x.view(np.uint8)))
    if "quantise" in flags:
        values, scale = quantize.quantize(_normed(state, issued, x))
        place = _compact if "compare" in flags else _emit
        writes.append(place(state, issued, tokens, values, scale))
    for write in writes:
        write()
    counters.row_read_bytes += 0 if "from_result" in flags else x.nbytes
    return Outcome.DONE


def _check_flags(flags: frozenset[str]) -> None:
    require("gated" not in flags or "add" in flags, "flag gated needs flag add")
    require("quantise" in flags or not flags & {"compare", "to_a"}, "flags compare and to_a need flag quantise")
    require(not flags >= {"compare", "to_a"}, "flags compare and to_a exclude each other")


def _check_counter(state: State, counter: int) -> None:
    """Refuse a count register whose rows a pool is handing out."""
    for number, pool in enumerate(state.shared.pools):
        text = f"count register {counter} belongs to pool {number}, which is open; empty the pool first"
        require(not pool.holds(counter), text)


def _check_sizes(state: State, issued: Issued) -> None:
    """Refuse rows, and reference planes of a band, for which the row unit has no room."""
    width, config = issued.fields["width"], state.shared.config
    require(width > 0, "width must be positive")
    text = f"rows of {width} channels exceed the {config.row_channels} of the row unit; use a larger machine"
    require(width <= config.row_channels, text)
    if "compare" in issued.flags:
        site = _site(issued)
        needed = reference_bytes(site.grid.reference_tokens(site.t, site.h, site.w), width)
        require(
            needed <= config.reference_bytes,
            f"the reference plane of a band takes {needed} bytes, but the row unit holds {config.reference_bytes}; "
            "use a larger machine, or a grid with shorter rows",
        )


def _site(issued: Issued) -> Site:
    slot = issued.fields["site"]
    site = issued.sites[slot]
    require(site is not None, f"site slot {slot} is empty; describe it with SITE first")
    assert site is not None
    return site


def _tokens(issued: Issued) -> I64:
    """Row numbers in the order of the walk."""
    first, count = issued.fields["first"], issued.fields["count"]
    if "compare" in issued.flags:
        return _site(issued).walk(first, count)
    return np.arange(first, first + count, dtype=np.int64)


def _source(state: State, issued: Issued, tokens: I64) -> F16:
    fields, width = issued.fields, issued.fields["width"]
    if "from_result" in issued.flags:
        pitch = fields["result_pitch"]
        aligned("the pitch of results", pitch)
        require(2 * width <= pitch, f"{width} FP16 channels exceed the pitch of {pitch} bytes; widen result_pitch")
        found: F16 = np.ascontiguousarray(state.result.view(fields["result"], ((len(tokens), pitch),), width, "<f2"))
        return found
    return _halves(state, fields["x"], tokens, width)


def _halves(state: State, base: int, numbers: I64, width: int) -> F16:
    aligned("the address of rows", base)
    return state.shared.memory.gather(base, fp16_pitch(width), numbers, 2 * width).view("<f2")


def _add(state: State, issued: Issued, tokens: I64, x: F16) -> F16:
    fields, memory = issued.fields, state.shared.memory
    aligned("the map's address", fields["map_in"])
    y = _halves(state, fields["y"], memory.words(fields["map_in"], tokens), fields["width"])
    finite("a row of y", y)
    gate = state.vector(fields["gate"], fields["width"]) if "gated" in issued.flags else None
    total, saturated = residual(x, y, gate)
    state.shared.counters.saturations += saturated
    state.shared.counters.row_read_bytes += y.nbytes
    return total


def _normed(state: State, issued: Issued, x: F16) -> F16:
    """What is quantised: norm and modulation in FP32, then rounded to FP16."""
    fields, flags = issued.fields, issued.flags
    if not flags & {"norm", "modulate"}:
        return x
    v = layer_norm(x) if "norm" in flags else x.astype(np.float32)
    if "modulate" in flags:
        scale, shift = (state.vector(fields[name], fields["width"]) for name in ("scale", "shift"))
        v = modulate(v, scale, shift)
    halves, saturated = to_fp16(v)
    state.shared.counters.saturations += saturated
    return halves


def _rows_write(state: State, base: int, pitch: int, numbers: I64, rows: U8) -> Write:
    aligned("the address of rows", base)
    shared = state.shared
    shared.memory.check_rows(base, pitch, numbers, rows.shape[1])

    def write() -> None:
        shared.memory.scatter(base, pitch, numbers, rows)
        shared.counters.row_write_bytes += rows.size

    return write


def _emit(state: State, issued: Issued, tokens: I64, values: I8, scale: F32) -> Write:
    """All records in the order of the walk, to memory or to A."""
    fields = issued.fields
    packed = records.pack(values, scale, quantize.correction(values))
    if "to_a" not in issued.flags:
        numbers = fields["base"] + np.arange(len(tokens), dtype=np.int64)
        return _rows_write(state, fields["out"], packed.shape[1], numbers, packed)
    steps, size = ((len(packed), packed.shape[1]),), packed.shape[1]
    view = state.a.rows(fields["a"], steps, size, np.uint8)

    def write() -> None:
        state.a.mark(fields["a"], steps, size, Mark(Layout.BYTES))
        view[...] = packed

    return write


def _compact(state: State, issued: Issued, tokens: I64, values: I8, scale: F32) -> Write:
    """Records of the rows that the sparsifier keeps, the map, the count and the ledger's entry."""
    fields, shared, site = issued.fields, state.shared, _site(issued)
    width, base = fields["width"], fields["base"]
    rows = np.zeros((site.tokens, width), np.int8)
    rows[tokens] = values
    decision = decide(
        rows,
        site.grid,
        t=site.t,
        h=site.h,
        w=site.w,
        first=fields["first"],
        count=fields["count"],
        theta_group=site.theta_group,
        theta_chunk=site.theta_chunk,
    )
    kept, limit = len(decision.kept), fields["limit"]
    require(
        kept <= limit,
        f"the walk keeps {kept} rows, but its segment has room for {limit}; give segments room for all their rows",
        ErrorCode.COUNT_OVERRUN,
    )
    place = np.zeros(site.tokens, np.int64)  # Of each token in the walk.
    place[tokens] = np.arange(len(tokens))
    chosen = place[decision.kept]
    packed = records.pack(values[chosen], scale[chosen], quantize.correction(values[chosen]))
    number = np.zeros(site.tokens, np.int64)  # Of each kept token among the compacted rows.
    number[decision.kept] = np.arange(base, base + kept)
    mapped = number[decision.root[tokens]].astype("<u4")
    write_records = _rows_write(state, fields["out"], record_pitch(width), number[decision.kept], packed)
    aligned("the map's address", fields["map_out"])
    shared.memory.check_rows(fields["map_out"], 4, tokens, 4)

    def write() -> None:
        write_records()
        shared.memory.scatter(fields["map_out"], 4, tokens, mapped.view(np.uint8).reshape(-1, 4))
        shared.counts[fields["counter"]] = kept
        entry = shared.ledger.at(issued.place)
        entry.rows_offered += len(tokens)
        entry.rows_kept += kept
        entry.macs_offered += len(tokens) * site.macs
        entry.macs_skipped += (len(tokens) - kept) * site.macs

    return write
