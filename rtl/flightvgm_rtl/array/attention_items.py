"""The loops of an ATTN that both of its walks share."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Signal

from flightvgm_rtl.array.sequencer_ports import attention


class ItemLoops:
    """What is left of the loops over problems, heads and R rows at a time, the innermost.

    Parameters
    ----------
    rows : int
        Rows of the array.
    """

    def __init__(self, rows: int) -> None:
        layout = attention()
        self._array_rows = rows
        self.rows = Signal(layout["rows"].width, name="rows_left", reset_less=True)
        self.heads = Signal(layout["heads"].width, name="heads_left", reset_less=True)
        self.batch = Signal(layout["batch"].width, name="batch_left", reset_less=True)
        self.rows_last, self.heads_last, self.batch_last = (
            Signal(name=f"{name}_last", reset_less=True) for name in ("rows", "heads", "batch")
        )
        self._to_rows, self._to_head, self._to_problem = (  # One of them: what follows this item.
            Signal(name=f"to_{name}", reset_less=True) for name in ("rows", "head", "problem")
        )

    @property
    def last(self) -> Any:
        """Whether this is the last item."""
        return self.rows_last & self.heads_last & self.batch_last

    def begin(self, job: Any, heads: Any) -> list[Any]:
        """Go to the first item."""
        return [self.rows.eq(job.rows), self.heads.eq(heads), self.batch.eq(job.batch)]

    def look(self) -> list[Any]:
        """Find which loops end with this item."""
        rows, heads = self.rows <= self._array_rows, self.heads == 1
        return [
            self.rows_last.eq(rows),
            self.heads_last.eq(heads),
            self.batch_last.eq(self.batch == 1),
            self._to_rows.eq(~rows),
            self._to_head.eq(rows & ~heads),
            self._to_problem.eq(rows & heads),
        ]

    def advance(self, m: Module, job: Any, heads: Any, steps: tuple[list[Any], list[Any], list[Any]]) -> None:
        """Go to the next item; ``steps`` are assignments for the next rows, the next head and the next problem."""
        with m.If(self._to_rows):
            m.d.sync += [self.rows.eq(self.rows - self._array_rows), *steps[0]]
        with m.If(self._to_head):
            m.d.sync += [self.rows.eq(job.rows), self.heads.eq(self.heads - 1), *steps[1]]
        with m.If(self._to_problem):
            m.d.sync += [self.rows.eq(job.rows), self.heads.eq(heads), self.batch.eq(self.batch - 1), *steps[2]]
