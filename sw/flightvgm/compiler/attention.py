"""Attention stages: spatial, temporal and cross. Q, K and V are read through the map of the layer that made them.

A stage's unit is a frame or a part of one, a range of positions, or a range of tokens. Its heads are worked on in
passes, as many at a time as the buffers hold; in a pass the keys and values stay while the queries go by.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from flightvgm.compiler.assembler import SLOTS, Label, Register, Semaphore, at
from flightvgm.compiler.geometry import Geometry, Rows, Source, Unit
from flightvgm.compiler.linear import PAIR
from flightvgm.compiler.target import Pool, Target
from flightvgm.compiler.tiling import AttentionTiling
from flightvgm_arch.formats import fp16_pitch, round_up, transposed_pitch
from flightvgm_arch.isa import ALIGNMENT, Operand, Reg


@dataclass
class Slots:
    """Takes the slots of the buffers in turn while an iteration is emitted."""

    used: dict[str, int] = field(default_factory=dict)

    def next(self, name: str, slots: int = SLOTS) -> int:
        """Number of the slot of a buffer that is next in turn."""
        number = self.used.get(name, 0)
        self.used[name] = number + 1
        return number % slots


@dataclass(frozen=True)
class AttentionStage:
    """Attention of a block and branch, from FP16 rows of q, k and v to FP16 rows of the attention output."""

    geometry: Geometry

    def prepare(self, target: Target) -> None:
        """Open the pool of units."""
        self.geometry.open(target)

    def load(self, target: Target) -> None:
        """Load what stays on chip: norms and RoPE table, or the keys and values of a text that fits."""
        if self.geometry.transform != "none":
            self._load_parameters(target)
        if self._resident(target):
            assert self.geometry.shared_keys is not None
            heads = _Pass(target, self.geometry.tiling(target), 0, target.network.heads)
            self._load_keys(target, heads, self.geometry.shared_keys, 0)

    def iterate(self, target: Target, empty: Label) -> None:
        """Take and issue two units; jump where none is left."""
        target.mark(*self.geometry.place)
        slots = Slots()
        for start, count in PAIR:
            target.take(Pool.ATTENTION, start, count, empty)
            unit = self.geometry.unit(target, start, count)
            passes = self.geometry.tiling(target).passes(target.network)
            for number, (first, heads) in enumerate(passes):
                heads_pass = _Pass(target, self.geometry.tiling(target), first, heads)
                self._pass(target, heads_pass, unit, slots, last=number == len(passes) - 1)

    def _resident(self, target: Target) -> bool:
        """Whether the keys and values are the same for all units, and fit."""
        return self.geometry.shared_keys is not None and self.geometry.tiling(target).heads == target.network.heads

    def _load_parameters(self, target: Target) -> None:
        asm, parameters = target.asm, target.parameters
        block = target.blocks[self.geometry.place[1]]
        asm.emit(
            "LOADA",
            source=at(block.norms), pitch=parameters.norm_pitch, count=2, stride=1, outer=1,
            row_bytes=4 * target.network.head_dim, target="P", to=parameters.norm(0), to_pitch=parameters.norm_pitch,
        )  # fmt: skip
        if self.geometry.transform == "rms_rope":
            pitch = round_up(parameters.rope_bytes, ALIGNMENT)
            asm.emit(
                "LOADA",
                source=at(target.rope), pitch=pitch, count=1, stride=1, outer=1,
                row_bytes=parameters.rope_bytes, target="P", to=parameters.rope, to_pitch=pitch,
            )  # fmt: skip

    def _pass(self, target: Target, heads: _Pass, unit: Unit, slots: Slots, *, last: bool) -> None:
        resident = self._resident(target)
        keys = 0 if resident else slots.next("keys", heads.tiling.keys_slots) * heads.tiling.keys_slot
        if not resident:
            self._load_keys(target, heads, unit.keys, keys, Semaphore.KEYS_FREE)
        for number, rows in enumerate(unit.queries):
            final = number == len(unit.queries) - 1
            if rows.offset:
                target.asm.add(Register.TILE, rows.start.number, rows.offset)
            self._attend(
                target, heads, rows.placed(Reg(Register.TILE)) if rows.offset else rows,
                (slots.next("in") * heads.tiling.in_slot, keys, slots.next("out") * heads.tiling.out_slot),
                ends_unit=last and final, ends_keys=final and not resident,
            )  # fmt: skip

    def _load_keys(self, target: Target, heads: _Pass, rows: Rows, to: int, free: Semaphore | None = None) -> None:
        half = heads.tiling.keys_slot // 2
        heads.load(self.geometry.k(target), rows, "k", to, transform=self.geometry.transform,
                   waits=[(free, heads.tiling.keys_credits)] if free is not None else [])  # fmt: skip
        heads.load(self.geometry.v(target), rows, "v", to + half)

    def _attend(
        self, target: Target, heads: _Pass, rows: Rows, slots: tuple[int, int, int], *, ends_unit: bool, ends_keys: bool
    ) -> None:
        """Emit load, attention and store of some queries; ``slots`` are the addresses of queries, keys and results."""
        queries, keys, out = slots
        problem = self.geometry.problem(target, rows)
        heads.load(
            self.geometry.q(target), rows, "q", queries, transform=self.geometry.transform,
            waits=[(Semaphore.IN_FREE, 1)],
            signals=[(Semaphore.IN_FULL, 1), *([(Semaphore.UNIT, 1)] if ends_unit else [])],
        )  # fmt: skip
        tiling = heads.tiling
        target.asm.emit(
            "ATTN", ["transposed"] if self.geometry.transposed else [],
            q=queries, k=keys, v=keys + tiling.keys_slot // 2, out=out, q_pitch=heads.pitch, k_pitch=heads.pitch,
            v_pitch=heads.value_pitch, out_pitch=heads.pitch, rows=problem.rows, keys=problem.keys, heads=heads.count,
            head_dim=target.network.head_dim, batch=problem.batch, dq=tiling.query_step, dk=tiling.key_step,
            dv=tiling.value_step, dout=tiling.result_step,
            waits=[(Semaphore.IN_FULL, 1), (Semaphore.OUT_FREE, 1)],
            signals=[(Semaphore.IN_FREE, 1), (Semaphore.OUT_FULL, 1)],
        )  # fmt: skip
        attended = target.branches[self.geometry.place[0]].attended
        keys_signal = [(Semaphore.KEYS_FREE, heads.tiling.keys_credits)] if ends_keys else []
        target.asm.emit(
            "STORE",
            result=out, result_pitch=heads.pitch, result_outer=tiling.result_step,
            to=at(attended, heads.offset), pitch=target.network.row_pitch,
            row_bytes=heads.row_bytes, operands=rows.operands(), waits=[(Semaphore.OUT_FULL, 1)],
            signals=[(Semaphore.OUT_FREE, 1), *keys_signal],
        )  # fmt: skip


@dataclass(frozen=True)
class _Pass:
    """Some heads: their place in a row, and their loads."""

    target: Target
    tiling: AttentionTiling
    first: int
    count: int

    @property
    def offset(self) -> int:
        """Bytes before the first head in a row."""
        return 2 * self.first * self.target.network.head_dim

    @property
    def row_bytes(self) -> int:
        """Bytes of the heads in a row."""
        return 2 * self.count * self.target.network.head_dim

    @property
    def pitch(self) -> int:
        """Bytes between rows on chip."""
        return fp16_pitch(self.count * self.target.network.head_dim)

    @property
    def value_pitch(self) -> int:
        """Bytes between rows of V on chip."""
        return transposed_pitch(self.count * self.target.network.head_dim, self.target.config.columns)

    def load(
        self,
        source: Source,
        rows: Rows,
        operand: str,
        to: int,
        *,
        transform: str = "none",
        waits: list[tuple[int, int]] | None = None,
        signals: list[tuple[int, int]] | None = None,
    ) -> None:
        """Load these heads of some rows as operand ``q``, ``k`` or ``v``."""
        parameters, network, tiling = self.target.parameters, self.target.network, self.tiling
        step = {"q": tiling.query_step, "k": tiling.key_step, "v": tiling.value_step}[operand]
        operands: dict[str, Operand | str] = {**rows.operands()}
        if source.map is not None:
            operands["map"] = at(source.map)
        if transform != "none":
            operands["norm"] = parameters.norm("qk".index(operand))
        if transform == "rms_rope":
            operands |= {"rope": parameters.rope, "position": "inner"}
        self.target.asm.emit(
            "LOADA", [*(["mapped"] if source.map else []), *(["transposed"] if operand == "v" else [])],
            waits=waits or [], signals=signals or [],
            source=at(source.region, source.offset + self.offset), pitch=source.pitch,
            row_bytes=self.row_bytes, target="A" if operand == "q" else "B", to=to,
            to_pitch=self.value_pitch if operand == "v" else self.pitch, to_outer=step, transform=transform,
            heads=self.count, head_dim=network.head_dim, operands=operands,
        )  # fmt: skip
