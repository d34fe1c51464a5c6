"""Tasks of random programs for the array."""

from __future__ import annotations

from flightvgm_arch.formats import fp16_pitch, record_pitch
from system.builder import Span
from system.streams import Live, Memory, Rows


class Products(Memory):
    """Adds products and attention."""

    def _records(self, k: int, rows: int, batch: int) -> Live:
        """Records in A."""
        size = record_pitch(k)
        found = [
            item
            for item in self.live
            if item.span.space == "A" and item.kind == f"bytes {k}" and item.shape[0] >= batch
            and item.shape[1] >= rows
        ]  # fmt: skip
        if found and self.chance(0.5):
            return self.pick(*found)
        return self.load("A", lambda count: self.region("records", count, k), batch, rows, size)

    def _batches(self) -> tuple[int, int]:
        if self.chance(0.6):
            return 1, 1
        return self.number(1, 3), self.pick(1, 1, 2)

    def _result(self, rows: int, columns: int, batch0: int, batch1: int) -> tuple[dict, Live]:
        """Fields of a result, and what will lie there."""
        side = batch0 > 1 and self.chance(0.4)  # Problems side by side.
        across = columns * batch0 if side else columns
        pitch = fp16_pitch(across) + 32 * self.pick(0, 0, 1)
        step0 = 2 * columns if side else rows * pitch + self.pick(0, 32)
        block = rows * pitch if side else batch0 * step0
        step1 = block + 32 * self.pick(0, 0, 1)
        size = (batch1 - 1) * step1 + block
        address = self.claim("R", size)
        fields = {"out": address, "out_pitch": pitch, "dout0": step0, "dout1": step1}
        problems, outer = (batch1, step1) if side or batch0 == 1 else (batch0, step0)
        live = Live("halves", Span("R", address, address + size), (problems, rows, across), pitch, outer)
        return fields, live

    def product(self) -> None:
        """INT8 product."""
        k, columns = self.pick(*self.widths, self.number(1, 40)), self.number(1, 20)
        rows, (batch0, batch1) = self.number(1, 9), self._batches()
        if self.chance(0.05):
            self.tiles(k, columns, 0)
            self.emit("MM", rows=self.extent(0), batch0=1, batch1=1, k=k, columns=columns)
            return
        live = self._records(k, rows, batch0)
        for _ in range(self.pick(1, 1, 2)):
            self.tiles(k, columns, rows)
            fields, result = self._result(rows, columns, batch0, batch1)
            self.emit(
                "MM", reads=(live.span,), writes=(result.span,), a=live.span.low, a_pitch=live.pitch,
                rows=self.extent(rows), k=k, columns=columns, epilogue=self.number(0, 1), batch0=self.extent(batch0),
                batch1=self.extent(batch1), da0=live.outer if batch0 > 1 else 0, **fields,
            )  # fmt: skip
            self.live.append(result)

    def product_fp16(self) -> None:
        """FP16 product."""
        k = self.pick(*self.widths, self.number(1, 40))
        rows, columns, (batch0, batch1) = self.number(1, 7), self.number(1, 9), self._batches()
        wide = k + self.pick(0, 0, 3)

        def region(count: int) -> Rows:
            return self.region("halves", count, wide)

        row_bytes = 2 * k + 2 * self.number(0, wide - k)
        shared = self.chance(0.3)
        a = self.load("A", region, batch0, rows, row_bytes, heads=1, dim=k)
        b = self.load("B", region, 1 if shared else batch0, columns, row_bytes, heads=1, dim=k)
        fields, result = self._result(rows, columns, batch0, batch1)
        self.emit(
            "MM", "fp16", reads=(a.span, b.span), writes=(result.span,), a=a.span.low, a_pitch=a.pitch,
            rows=self.extent(rows), k=k, columns=columns, b=b.span.low, b_pitch=b.pitch, batch0=self.extent(batch0),
            batch1=self.extent(batch1), da0=a.outer if batch0 > 1 else 0,
            db0=0 if shared or batch0 == 1 else b.outer, **fields,
        )  # fmt: skip
        self.live.append(result)

    # Attention

    def _transform(self, dim: int, outer: int, count: int) -> dict:
        """Fields of a transform, and what it reads."""
        if self.chance(0.4):
            return {}
        norm = self.vectors(1, dim)[0]
        fields = {"transform": 1, "norm": norm.low}
        spans = [norm]
        if self.chance(0.7):
            position = self.number(0, 1)
            rope = self.vectors(1, dim * (outer if position else count))[0]
            if not any(item.span == norm for item in self.live):  # The table has replaced the weights.
                return {}
            spans.append(rope)
            fields |= {"transform": 2, "rope": rope.low, "position": position}
        return {**fields, "spans": spans}

    def attention(self) -> None:
        """Attention, with heads that are transformed or not."""
        heads = self.pick(1, 1, 2, 3)
        dim = self.pick(16, 24, 32) if heads > 1 or self.chance(0.5) else self.number(1, 40)
        width, batch = heads * dim, self.pick(1, 1, 2, 3)
        rows, keys = self.number(1, 7), self.number(1, 12) if self.chance(0.8) else self.number(13, 40)
        can = dim % 8 == 0 and dim >= 16

        def region(count: int) -> Rows:
            return self.region("halves", count, width)

        def load(space: str, problems: int, count: int) -> Live:
            extra = self._transform(dim, problems, count) if can else {}
            spans = extra.pop("spans", ())
            return self.load(space, region, problems, count, 2 * width, heads=heads, dim=dim, spans=spans, **extra)

        pitch = fp16_pitch(width) + 32 * self.pick(0, 0, 1)
        step = rows * pitch + self.pick(0, 64)
        out = self.claim("R", batch * step)
        result = Live("halves", Span("R", out, out + batch * step), (batch, rows, width), pitch, step)
        fields = {
            "rows": self.extent(rows), "heads": heads, "head_dim": dim, "batch": self.extent(batch), "out": out,
            "out_pitch": pitch, "dout": step,
        }  # fmt: skip
        flags = self.pick((), ("transposed",))
        if self.chance(0.08):
            self.emit(
                "ATTN", *flags, writes=(result.span,), **fields, keys=self.extent(0), q_pitch=pitch, k_pitch=pitch,
                v_pitch=pitch,
            )  # fmt: skip
            self.live.append(result)
            return
        shared = batch == 1 or self.chance(0.3)
        q = load("A", batch, rows)
        k = load("B", 1 if shared else batch, keys + self.pick(0, 0, 2))
        v = self.load("B", region, 1 if shared else batch, keys, 2 * width, heads=heads, dim=dim, transposed=True)
        if k not in self.live:  # V lies where K lay.
            return
        self.emit(
            "ATTN", *flags, reads=(q.span, k.span, v.span), writes=(result.span,), q=q.span.low, k=k.span.low,
            v=v.span.low, q_pitch=q.pitch, k_pitch=k.pitch, v_pitch=v.pitch, keys=self.extent(keys),
            dq=q.outer if batch > 1 else 0, dk=0 if shared else k.outer, dv=0 if shared else v.outer, **fields,
        )  # fmt: skip
        self.live.append(result)
