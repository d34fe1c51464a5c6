"""The grid: rows times columns of PEs, with operands that hop and results that leave in the order of the columns."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, ResetSignal, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from flightvgm_rtl.array.ports import SUM_BITS, Mode, operands
from flightvgm_rtl.lib.pipeline import register
from flightvgm_rtl.lib.tree import either
from flightvgm_rtl.lib.unit import place
from flightvgm_rtl.pe.column import INT8_BITS, Column
from flightvgm_rtl.pe.flags import Flags

Result = data.StructLayout({"valid": 1, "mode": Mode, "first": 1, "last": 1, "data": SUM_BITS})
"""Sum of one column over a tile; ``first`` is column 0, ``last`` the last one. Without ``valid`` all bits are zero."""


class Grid(wiring.Component):
    """Sums of products of R rows with C columns, without back-pressure.

    A feed gives each PE what :class:`flightvgm_rtl.pe.column.Column` multiplies. **Inputs are skewed**: the operands
    and flags of row r come r cycles after those of row 0, the operands of column c come c cycles after those of column
    0, which come with those of row 0. All slices of a cascade come at once. All rows have the same flags. A feed is
    taken every cycle.

    The sum of a tile in column c leaves ``latency + c`` cycles after the tile's last feed came to its row (INT8: 28
    bits, sign extended). In a segment one sum leaves per cycle, therefore the last feeds of two tiles lie at least
    ``columns / segments`` cycles apart.

    ``latency = depth + 8``

    Parameters
    ----------
    rows, columns, depth : int
        PE rows, PE columns, and slices of a cascade.
    segments : int
        Outputs of each row: number s gives the columns from ``s * columns / segments`` on.

    Members
    -------
    i_rows : In(operands(depth)).array(rows)
    i_flags : In(Flags).array(rows)
    i_columns : In(operands(depth)).array(columns)
    o_results : Out(Result).array(rows, segments)
    """

    def __init__(self, *, rows: int, columns: int, depth: int, segments: int = 1) -> None:
        if columns % segments:
            raise ValueError(
                f"{columns} columns cannot be drained by {segments} segments; segments must divide columns"
            )
        self._rows, self._columns, self._depth, self._segments = rows, columns, depth, segments
        self.latency = depth + 8
        super().__init__(
            {
                "i_rows": In(operands(depth)).array(rows),
                "i_flags": In(Flags).array(rows),
                "i_columns": In(operands(depth)).array(columns),
                "o_results": Out(Result).array(rows, segments),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        """Skew the slices at the edges, place PEs, join what leaves."""
        m = Module()
        above: list[Any] = [self._skewed(m, f"column_{number}", came) for number, came in enumerate(self.i_columns)]
        reset: Value = ResetSignal()
        for row in range(self._rows):
            left: Any = self._skewed(m, f"row_{row}", self.i_rows[row])
            flags: Any = self.i_flags[row]
            line: list[Column] = []
            for column in range(self._columns):
                pe = Column(depth=self._depth)
                place(m, platform, f"pe_column_d{self._depth}", pe, f"pe_{row}_{column}", reset=reset)
                m.d.comb += [pe.i_row.eq(left), pe.i_flags.eq(flags), pe.i_column.eq(above[column])]
                left, flags, above[column] = pe.o_row, pe.o_flags, pe.o_column
                line.append(pe)
            self._drain(m, row, line)
            reset = register(m, reset, f"reset_{row}")  # Hops as operands do.
        return m

    def _skewed(self, m: Module, name: str, came: Any) -> Any:
        """Delay slice i by i cycles."""
        skewed = Signal(operands(self._depth), name=f"{name}_skewed")
        for part in ("pre", "b"):
            for slice_ in range(self._depth):
                value = getattr(came, part)[slice_]
                for age in range(slice_):
                    later = Signal(len(value), name=f"{name}_{part}_{slice_}_{age}", reset_less=True)
                    m.d.sync += later.eq(value)
                    value = later
                m.d.comb += getattr(skewed, part)[slice_].eq(value)
        return skewed

    def _drain(self, m: Module, row: int, line: list[Column]) -> None:
        """Join the columns of each segment: FP16 sums come two cycles before INT8 sums, and wait."""
        width = self._columns // self._segments
        for segment in range(self._segments):
            columns = line[segment * width : (segment + 1) * width]
            name = f"row_{row}_segment_{segment}"
            waiting = [Signal(SUM_BITS, name=f"{name}_fp16_{age}", reset_less=True) for age in range(2)]
            m.d.sync += [waiting[0].eq(either(pe.o_fp16 for pe in columns)), waiting[1].eq(waiting[0])]
            int8 = Signal(INT8_BITS, name=f"{name}_int8")
            valid, mode, value = (
                Signal(name=f"{name}_valid", reset_less=True),
                Signal(name=f"{name}_mode", reset_less=True),
                Signal(SUM_BITS, name=f"{name}_data", reset_less=True),
            )
            first, last = (Signal(name=f"{name}_{what}", reset_less=True) for what in ("first", "last"))
            result = self.o_results[row][segment]
            m.d.comb += int8.eq(either(pe.o_int8 for pe in columns))
            m.d.sync += [
                value.eq(waiting[1] | int8.as_signed()),
                valid.eq(either(pe.o_done for pe in columns)),
                mode.eq(either(Value.cast(pe.o_mode) for pe in columns)),
                first.eq(columns[0].o_done if segment == 0 else 0),
                last.eq(columns[-1].o_done if segment == self._segments - 1 else 0),
            ]
            m.d.comb += [
                result.data.eq(value),
                result.valid.eq(valid),
                result.mode.eq(mode),
                result.first.eq(first),
                result.last.eq(last),
            ]
