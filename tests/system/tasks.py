"""Tasks of random programs: what a program does with what lies in memory and buffers."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np

from flightvgm_arch.formats import fp16_pitch, operand_bytes, record_pitch, reference_bytes, round_up
from flightvgm_arch.grid import Grid
from flightvgm_arch.isa import Address, Reg
from system.builder import ISSUED, Span
from system.products import Products
from system.streams import Live, Rows

_GRIDS = ("t / h / w", "- / h / tw", "- / t / hw", "w / t / h", "t / - / hw", "th / w / -", "h / wt / -", "- / - / thw")
_COUNTER, _START, _COUNT, _MOVING = 10, 11, 12, 13  # Registers of loops.


class Stream(Products):
    """A random program."""

    def fill(self, tasks: int, *, loops: bool = True) -> None:
        """Append tasks."""
        choices: list[Callable[[], None]] = [
            self.product, self.product, self.product_fp16, self.attention, self.attention, self.rows, self.rows,
            self.rows, self.compare, self.compare, self.store, self.store, self.clear,
        ]  # fmt: skip
        if loops:
            choices += [self.loop, self.units]
        for _ in range(tasks):
            if self.chance(0.1) and len(self.steps) > self._fence and self.steps[-1].name != "LOADW":
                self.order(len(self.steps) - 1, self.pick(*ISSUED))
            self.pick(*choices)()

    # Rows

    def _walk_flags(self, width: int, tokens: int, *more: str) -> set[str]:
        flags = {flag for flag in ("add", "write_back", "norm", "modulate") if self.chance(0.5)} | set(more)
        if "add" in flags and self.chance(0.6):
            flags.add("gated")
        if any(self._results(width, tokens)) and self.chance(0.5):
            flags.add("from_result")
        return flags

    def _results(self, width: int, tokens: int) -> list[Live]:
        return [
            item for item in self.live if item.span.space == "R" and item.shape[1] >= tokens and item.shape[2] >= width
        ]

    def _stream(self, flags: set[str], width: int, tokens: int, end: int) -> tuple[dict, list, list]:
        """Fields that all walks have, and spans that they read and write."""
        fields: dict = {"width": width}
        reads, writes = [], []
        names = [
            name for name, flag in (("gate", "gated"), ("shift", "modulate"), ("scale", "modulate")) if flag in flags
        ]
        if names:
            spans = self.vectors(len(names), width)
            fields |= {name: span.low for name, span in zip(names, spans, strict=True)}
            reads += spans
        x = self.region("halves", end, width)
        fields["x"] = self.at(x.offset)
        if "from_result" in flags:
            block = self.pick(*self._results(width, tokens))
            fields |= {"result": block.span.low, "result_pitch": block.pitch}
            reads.append(block.span)
        else:
            reads.append(x.span)
        if "write_back" in flags:
            writes.append(x.span)
        if "add" in flags:
            y = self.region("halves", self.number(1, 6), width, x)
            listed = self.map(end, y.count)
            fields |= {"y": self.at(y.offset), "map_in": self.at(listed.offset)}
            reads += [y.span, listed.span]
        return fields, reads, writes

    def rows(self) -> None:
        """A linear walk."""
        width = self.pick(*self.widths)
        first, count, base = self.number(0, 4), self.number(1, 6), self.number(0, 3)
        flags = self._walk_flags(width, count, *self.pick((), ("quantise",), ("quantise",), ("quantise", "to_a")))
        fields, reads, writes = self._stream(flags, width, count, first + count)
        live = None
        if "to_a" in flags:
            pitch = record_pitch(width)
            size = operand_bytes(count, pitch, self.banks["A"], self.banks["A"])
            address = self.claim("A", size)
            live = Live(f"bytes {width}", Span("A", address, address + size), (1, count, pitch), pitch, size)
            fields["a"] = address
            writes.append(live.span)
        elif "quantise" in flags:
            out = self.region("records", base + count, width)
            fields["out"] = self.at(out.offset)
            writes.append(out.span)
        self.emit(
            "ROWS", *flags, reads=reads, writes=writes, first=self.extent(first), count=self.extent(count),
            base=self.extent(base), **fields,
        )  # fmt: skip
        if live:
            self.live.append(live)

    def _site(self, width: int) -> tuple[int, Grid, tuple[int, int, int]]:
        """A site in a slot, with its grid and extents."""
        while True:
            chunk = self.number(1, 3), self.number(1, 4)
            grid = Grid(self.pick(*_GRIDS), self.pick(1, 1, 2, 3, 5), chunk)
            extents = self.number(1, 4), self.number(1, 3), self.number(1, 4)
            needed = reference_bytes(grid.reference_tokens(*extents), width)
            if needed <= self.config.reference_bytes:
                break
        slot = self.number(0, 7)
        thetas = [self.extent(self.pick(0, 65535, self.number(0, 65535), 60000)) for _ in range(2)]
        self.emit(
            "SITE", slot=slot, **dict(zip("thw", extents, strict=True)), **grid.fields, theta_group=thetas[0],
            theta_chunk=thetas[1], macs=self.number(0, 1 << 20),
        )  # fmt: skip
        return slot, grid, extents

    def compare(self) -> None:
        """A walk that compares."""
        width = self.pick(*self.widths)
        slot, grid, extents = self._site(width)
        bands = grid.bands(*extents)
        first = self.number(0, bands - 1)
        count = self.number(0 if self.chance(0.1) else 1, bands - first)
        size = dict(zip("thw", extents, strict=True))
        tokens = len(list(grid.order(**size, first=first, count=count)))
        self._compare(width, slot, extents, first, count, tokens, self.number(0, 63), self.number(0, 4))

    def _compare(self, width, slot, extents, first, count, tokens, counter, base, out=None) -> None:
        flags = self._walk_flags(width, tokens, "quantise", "compare")
        everything = int(np.prod(extents))
        fields, reads, writes = self._stream(flags, width, tokens, everything)
        out = out or self.region("records", base + tokens, width)
        used = [item for item in self.maps if item.span in reads]
        listed = self.map(everything, out.count, *used)
        self.maps = [item for item in self.maps if item != listed] + [listed._replace(bound=out.count)]
        self.emit(
            "ROWS", *flags, reads=reads, writes=(*writes, out.span, listed.span, Span("count", counter, counter + 1)),
            out=self.at(out.offset), map_out=self.at(listed.offset), first=self.extent(first), count=self.extent(count),
            site=slot, counter=counter, base=self.extent(base), limit=self.extent(tokens + self.number(0, 2)), **fields,
        )  # fmt: skip

    # Stores

    def store(self) -> None:
        """Rows of a result to memory."""
        found = [item for item in self.live if item.span.space == "R"]
        if not found:
            self.clear()
            return
        block = self.pick(*found)
        problems, rows, columns = block.shape
        outer, count = self.number(1, problems), self.number(1, rows)
        loops = self.loops(outer, count, unique=True)
        scattered = self.chance(0.3)
        end, reads, flags = loops.end, [block.span], []
        if scattered:
            numbers = self.rng.permutation(loops.end + 3)[: loops.end].astype(np.uint32)
            place = self.put(numbers)
            flags, end = ["scattered"], loops.end + 3
            loops.fields["list"] = self.at(place)
            reads.append(Span("memory", place, place + numbers.nbytes))
        row_bytes = 2 * self.number(1, columns)
        if self.chance(0.6):
            target = self.region("halves", end, columns)
            span, pitch, offset = target.span, target.pitch, target.offset
        else:
            pitch = round_up(row_bytes, 32) + 32 * self.pick(0, 0, 1)
            offset = self.room(end * pitch)
            span = Span("memory", offset, offset + end * pitch)
        self.emit(
            "STORE", *flags, reads=reads, writes=(span,), result=block.span.low, result_pitch=block.pitch,
            result_outer=block.outer if outer > 1 else 0, to=self.at(offset), pitch=pitch, **loops.fields,
            row_bytes=row_bytes,
        )  # fmt: skip

    def clear(self) -> None:
        """FILL."""
        count = self.number(0, 40)
        offset = self.room(32 * max(count, 1))
        span = Span("memory", offset, offset + 32 * count)
        value = int(self.rng.integers(1 << 32))
        self.emit("FILL", writes=(span,), to=self.at(offset), count=self.extent(count), value=value)

    # Control

    def loop(self) -> None:
        """A loop over a few tasks, and a FILL that moves on."""
        turns = self.number(1, 3)
        self.fence()
        room = self.room(64 * turns)
        self.emit("SET", rd=_COUNTER, value=turns)
        self.emit("ADD", rd=_MOVING, rs=16, value=room)
        self.body()
        target = len(self.steps)
        self.fill(self.number(1, 3), loops=False)
        self.emit("FILL", writes=(Span("memory", room, room + 64 * turns),), to=Address(_MOVING), count=2, value=target)
        self.emit("ADD", rd=_MOVING, rs=_MOVING, value=64)
        self.fence()
        self.emit("LOOP", rd=_COUNTER, target=target)
        self.live = []

    def units(self) -> None:
        """Units of a pool: rows that were kept go through a product."""
        width, pool = self.pick(*self.widths), self.number(0, 7)
        granule = self.number(1, 3)
        largest = granule * self.number(1, 3)
        fields: dict = {"largest": largest, "granule": granule}
        if self.chance(0.3):
            rows = self.number(0, 12)
            opened = ("static",)
            source = self.region("records", max(rows, 1), width)
            fields |= {"rows": self.extent(rows), "counter": self.number(0, 63), "segments": self.number(0, 1)}
            reads: tuple = ()
        else:
            opened = ()
            source, more, reads = self._segments(width)
            fields |= more
        columns = self.number(1, 9)
        target = self.region("halves", source.count, columns, source)
        self.emit("OPEN", *opened, pool=pool, reads=reads, **fields)
        self.fence()
        self.body()
        begin = len(self.steps)
        self.emit("TILE", "branch", pool=pool, start=_START, count=_COUNT, target=0)
        tile = self.steps[-1]
        self._unit(source, target, largest, width, columns)
        self.fence()
        self.emit("LOOP", rd=0, target=begin)
        tile.operands["target"] = len(self.steps)
        self.live = []
        self.emit("MARK", layer=self.number(0, 127), site=7)

    def _segments(self, width: int) -> tuple[Rows, dict, tuple]:
        """Rows kept in segments, one for each range of bands."""
        slot, grid, extents = self._site(width)
        size, bands = dict(zip("thw", extents, strict=True)), grid.bands(*extents)
        cuts = sorted({0, bands, *(self.number(0, bands) for _ in range(self.number(0, 2)))})
        ranges = list(itertools.pairwise(cuts))
        tokens = [len(list(grid.order(**size, first=low, count=high - low))) for low, high in ranges]
        stride = max(tokens) + self.number(0, 2)
        counter = self.number(0, 64 - len(ranges))
        out = self.region("records", stride * len(ranges), width)
        for number, (low, high) in enumerate(ranges):
            self._compare(width, slot, extents, low, high - low, tokens[number], counter + number, number * stride, out)
        fields = {"counter": counter, "segments": len(ranges), "stride": stride}
        return out, fields, (Span("count", counter, counter + len(ranges)),)

    def _unit(self, source: Rows, target: Rows, largest: int, width: int, columns: int) -> None:
        """A product of the rows of a unit."""
        size = operand_bytes(largest, source.pitch, self.banks["A"], self.banks["A"])
        a, pitch = self.claim("A", size), fp16_pitch(columns)
        out = self.claim("R", largest * pitch)
        rows = {"start": Reg(_START), "count": Reg(_COUNT), "stride": 1, "outer": 1}
        inside, results = Span("A", a, a + size), Span("R", out, out + largest * pitch)
        self.emit(
            "LOADA", reads=(source.span,), writes=(inside,), source=self.at(source.offset), pitch=source.pitch, **rows,
            row_bytes=source.pitch, to=a, to_pitch=source.pitch,
        )  # fmt: skip
        self.tiles(width, columns, largest)
        for step in self.steps[-3:]:
            if step.name == "LOADW" and "gate" in step.operands:
                step.operands["gate"] = Reg(_COUNT)
        self.emit(
            "MM", reads=(inside,), writes=(results,), a=a, a_pitch=source.pitch, rows=Reg(_COUNT), k=width,
            columns=columns, out=out, out_pitch=pitch, batch0=1, batch1=1, epilogue=self.number(0, 1),
        )  # fmt: skip
        self.emit(
            "STORE", reads=(results,), writes=(target.span,), result=out, result_pitch=pitch, to=self.at(target.offset),
            pitch=target.pitch, **rows, row_bytes=2 * columns,
        )  # fmt: skip
