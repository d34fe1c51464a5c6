"""The walk over the tiles of an MM."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from flightvgm_rtl.array.ports import Mode, TileKind
from flightvgm_rtl.array.sequencer_ports import OUT_BITS, WALK_BITS, WORD_BYTES, Shape, fill, plan, product


class ProductWalk(wiring.Component):
    """Tiles of a product: column tiles, then batches, then R rows at a time, so that all rows share a weight tile.

    A tile takes three cycles. What lies behind the end of a buffer gives ``overrun`` instead of a tile, for good.
    For INT8 the place of the weight tile is filled in later.

    Parameters
    ----------
    shape : Shape

    Members
    -------
    i : In(stream.Signature(product()))
        Products with at least one tile. The walk reads the payload in place: it stays as it is until ``ready`` returns,
        behind the last tile.
    o : Out(stream.Signature(plan(shape)))
    overrun : Out(1)
        A row lies outside of A, a column outside of B, or a result outside of the result buffer.
    """

    def __init__(self, *, shape: Shape) -> None:
        self._shape = shape
        super().__init__(
            {
                "i": In(stream.Signature(product())),
                "o": Out(stream.Signature(plan(shape))),
                "overrun": Out(1),
            }
        )

    def elaborate(self, _platform: Any) -> Module:
        """Look at the place, give the tile, go on."""
        m = Module()
        job = self.i.p
        place = _Place(self._shape)
        first = Signal()
        with m.FSM():
            with m.State("IDLE"):
                m.d.comb += self.i.ready.eq(1)
                with m.If(self.i.valid):
                    m.d.sync += [first.eq(1), *place.begin(job)]
                    m.next = "LOOK"
            with m.State("LOOK"):
                m.d.sync += place.look(job)
                m.next = "CHECK"
            with m.State("CHECK"):
                m.next = "GIVE"
                with m.If(place.outside(self._shape)):
                    m.d.sync += self.overrun.eq(1)
                    m.next = "STOPPED"
            with m.State("GIVE"):
                m.d.comb += self.o.valid.eq(1)
                with m.If(self.o.ready):
                    m.d.sync += first.eq(place.final)
                    place.advance(m, job)
                    m.next = "LOOK"
                    with m.If(place.final & place.columns_last):
                        m.next = "IDLE"
            with m.State("STOPPED"):
                pass
        m.d.comb += fill(self.o.p, place.plan(job, self._shape) | {"first": first, "final": place.final})
        return m


class _Place:
    """Where the walk is: for each loop what is left of it, and the words and bytes at which its step begins."""

    def __init__(self, shape: Shape) -> None:
        self._shape = shape
        job = product()

        def left(name: str) -> Signal:
            return Signal(job[name].width, name=f"{name}_left", reset_less=True)

        def word(name: str) -> Signal:
            return Signal(WALK_BITS, name=name, reset_less=True)

        def byte(name: str) -> Signal:
            return Signal(OUT_BITS, name=name, reset_less=True)

        self.rows, self.batch0, self.batch1, self.columns = (
            left(name) for name in ("rows", "batch0", "batch1", "columns")
        )
        self.a, self.a0, self.a1 = word("a"), word("a_batch0"), word("a_batch1")
        self.b0, self.b1, self.b = word("b_batch0"), word("b_batch1"), word("b_column")
        self.out, self.out0, self.out1, self.out_column = (
            byte(name) for name in ("out", "out_batch0", "out_batch1", "out_column")
        )
        self.rows_last, self.columns_last, self.final = (
            Signal(name=f"{name}_last", reset_less=True) for name in ("rows", "columns", "all")
        )
        self._to_rows, self._to_batch0, self._to_batch1 = (  # One of them, or ``final``: what follows this tile.
            Signal(name=f"to_{name}", reset_less=True) for name in ("rows", "batch0", "batch1")
        )
        self.entry, self.a_end, self.b_end = word("a_entry"), word("a_end"), word("b_end")

    def begin(self, job: Any) -> list[Any]:
        """Go to the first tile."""
        return [
            self.rows.eq(job.rows),
            self.batch0.eq(job.batch0),
            self.batch1.eq(job.batch1),
            self.columns.eq(job.columns),
            *(signal.eq(job.a) for signal in (self.a, self.a0, self.a1)),
            *(signal.eq(job.b) for signal in (self.b0, self.b1, self.b)),
            *(signal.eq(job.out) for signal in (self.out, self.out0, self.out1, self.out_column)),
        ]

    def look(self, job: Any) -> list[Any]:
        """Find which loops end here, and what is read."""
        rows, batch0, batch1 = self.rows <= self._shape.rows, self.batch0 == 1, self.batch1 == 1
        return [
            self.rows_last.eq(rows),
            self._to_rows.eq(~rows),
            self._to_batch0.eq(rows & ~batch0),
            self._to_batch1.eq(rows & batch0 & ~batch1),
            self.final.eq(rows & batch0 & batch1),
            self.columns_last.eq(self.columns <= self._shape.columns),
            self.entry.eq(self.a + job.entry),
            self.a_end.eq(self.a + job.a_pitch),
            self.b_end.eq(self.b0 + Mux(job.mode == Mode.FP16, job.b_pitch, 0)),
        ]

    def outside(self, shape: Shape) -> Any:
        """Whether something lies behind the end of its buffer."""
        return (
            (self.a_end > shape.a_words) | (self.b_end > shape.b_words) | (self.out >= shape.result_words * WORD_BYTES)
        )

    def advance(self, m: Module, job: Any) -> None:
        """Step in the innermost loop that has not ended."""
        shape = self._shape
        with m.If(self._to_rows):
            m.d.sync += [
                self.rows.eq(self.rows - shape.rows),
                self.a.eq(self.a + job.a_pitch),
                self.out.eq(self.out + job.row_step),
            ]
        with m.If(self._to_batch0):
            m.d.sync += [
                self.rows.eq(job.rows),
                self.batch0.eq(self.batch0 - 1),
                *(signal.eq(self.a0 + job.da0) for signal in (self.a, self.a0)),
                self.b0.eq(self.b0 + job.db0),
                *(signal.eq(self.out0 + job.dout0) for signal in (self.out, self.out0)),
            ]
        with m.If(self._to_batch1):
            m.d.sync += [
                self.rows.eq(job.rows),
                self.batch0.eq(job.batch0),
                self.batch1.eq(self.batch1 - 1),
                *(signal.eq(self.a1 + job.da1) for signal in (self.a, self.a0, self.a1)),
                *(signal.eq(self.b1 + job.db1) for signal in (self.b0, self.b1)),
                *(signal.eq(self.out1 + job.dout1) for signal in (self.out, self.out0, self.out1)),
            ]
        with m.If(self.final):
            m.d.sync += [
                self.rows.eq(job.rows),
                self.batch0.eq(job.batch0),
                self.batch1.eq(job.batch1),
                self.columns.eq(self.columns - shape.columns),
                *(signal.eq(job.a) for signal in (self.a, self.a0, self.a1)),
                *(signal.eq(self.b + job.b_pitch) for signal in (self.b0, self.b1, self.b)),
                *(
                    signal.eq(self.out_column + 2 * shape.columns)
                    for signal in (self.out, self.out0, self.out1, self.out_column)
                ),
            ]

    def plan(self, job: Any, shape: Shape) -> dict[str, Any]:
        """Tile at this place."""
        integer = job.mode == Mode.INT8
        high = Mux(self.columns_last, self.columns, shape.columns)[:7]
        interval = Mux(job.gelu, shape.columns * shape.gelu_rows, shape.columns)
        return {
            "tile": {
                "mode": job.mode,
                "from_p": 0,
                "p_slot": 0,
                "a_word": self.a,
                "a_piece": 0,
                "a_entry": self.entry,
                "b_word": self.b0,
                "b_piece": 0,
                "b_entry": self.b0,
                "b_half": 0,
                "feeds": job.feeds,
                "tail": job.tail,
                "interval": interval,
                "tag": {
                    "kind": Mux(integer, TileKind.MM8, TileKind.MM16),
                    "gelu": job.gelu,
                    "low": 0,
                    "high": high,
                    "rows": Mux(self.rows_last, self.rows, shape.rows)[:7],
                    "out": self.out,
                    "pitch": job.out_pitch,
                    "column": 0,
                    "slot": 0,
                    "last": self.final & self.columns_last,
                },
            },
            "values": high,
            "lines": job.lines,
            "empty": 0,
        }
