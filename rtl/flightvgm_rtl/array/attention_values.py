"""The walk over the tiles of P V."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from flightvgm_rtl.array.attention_items import ItemLoops
from flightvgm_rtl.array.ports import Mode, TileKind
from flightvgm_rtl.array.sequencer_ports import OUT_BITS, WALK_BITS, WORD_BYTES, Shape, attention, fill, plan


class ValueWalk(wiring.Component):
    """Tiles of P V of all items (problem, head, R rows), the groups of C channels of an item one after another.

    A head may begin and end inside a group: the tag's ``low`` and ``high`` bound its channels. Without keys there
    are no tiles, but zeros for all rows. A tile takes three cycles.

    Parameters
    ----------
    shape : Shape

    Members
    -------
    i : In(stream.Signature(attention()))
        Attentions with at least one item; the payload stays as it is until ``ready`` returns.
    o : Out(stream.Signature(plan(shape)))
        ``final`` ends an item.
    overrun : Out(1)
        A channel lies outside of B, or a result outside of the result buffer.
    """

    def __init__(self, *, shape: Shape) -> None:
        self._shape = shape
        super().__init__(
            {
                "i": In(stream.Signature(attention())),
                "o": Out(stream.Signature(plan(shape))),
                "overrun": Out(1),
            }
        )

    def elaborate(self, _platform: Any) -> Module:
        """Look at the place, give the tile, go on."""
        m = Module()
        shape = self._shape
        job = self.i.p
        loops = ItemLoops(shape.rows)
        place = _Channels(shape)
        first, empty, item = Signal(), Signal(), Signal(2)
        out, out_rows, out_head, out_problem = outs = [
            Signal(OUT_BITS, name=name, reset_less=True) for name in ("out", "out_rows", "out_head", "out_problem")
        ]
        next_rows, next_head, next_problem = Signal(OUT_BITS), Signal(OUT_BITS), Signal(OUT_BITS)
        heads = Signal.like(job.heads)  # Without keys a row is one head.
        m.d.comb += [
            empty.eq(~job.some),
            heads.eq(Mux(empty, 1, job.heads)),
            next_rows.eq(out_rows + job.row_step),
            next_problem.eq(out_problem + job.dout),
            next_head.eq(out_head + (job.head_dim << 1)),
        ]
        with m.FSM():
            with m.State("IDLE"):
                m.d.comb += self.i.ready.eq(1)
                with m.If(self.i.valid):
                    m.d.sync += first.eq(1)
                    m.d.sync += loops.begin(job, heads)
                    m.d.sync += place.begin(job)
                    m.d.sync += [byte.eq(job.out) for byte in outs]
                    m.next = "LOOK"
            with m.State("LOOK"):
                m.d.sync += [*loops.look(), *place.look(job)]
                m.next = "CHECK"
            with m.State("CHECK"):
                m.next = "GIVE"
                with m.If((place.end > shape.b_words) & ~empty | (out >= shape.result_words * WORD_BYTES)):
                    m.d.sync += self.overrun.eq(1)
                    m.next = "STOPPED"
            with m.State("GIVE"):
                m.d.comb += self.o.valid.eq(1)
                final = place.last | empty
                with m.If(self.o.ready):
                    m.d.sync += first.eq(final)
                    m.next = "LOOK"
                    with m.If(final):
                        m.d.sync += item.eq(item + (~empty)[0])
                        rows_step = [*(byte.eq(next_rows) for byte in outs[:2]), *place.again()]
                        head_step = [*(byte.eq(next_head) for byte in outs[:3]), *place.next_head()]
                        problem_step = [*(byte.eq(next_problem) for byte in outs), *place.next_problem()]
                        m.d.sync += place.channels.eq(job.head_dim)
                        loops.advance(m, job, heads, (rows_step, head_step, problem_step))
                        with m.If(loops.last):
                            m.next = "IDLE"
                    with m.Else():
                        m.d.sync += [*place.next_group(), out.eq(out + (place.taken << 1))]
            with m.State("STOPPED"):
                pass
        self._give(m, job, loops, place, {"out": out, "first": first, "empty": empty, "item": item})
        return m

    def _give(self, m: Module, job: Any, loops: ItemLoops, place: _Channels, now: dict[str, Any]) -> None:
        """Tile at this place."""
        shape = self._shape
        empty = now["empty"]
        tag = {
            "kind": TileKind.PV,
            "low": place.low,
            "high": place.high,
            "rows": Mux(loops.rows_last, loops.rows, shape.rows)[:7],
            "out": now["out"],
            "pitch": job.out_pitch,
            "slot": now["item"],
            "last": loops.last & (place.last | empty),
        }
        tile = {
            "mode": Mode.FP16,
            "from_p": 1,
            "p_slot": now["item"][0],
            "b_word": place.word,
            "b_entry": place.word,
            "feeds": job.value_feeds,
            "tail": job.value_tail,
            "interval": shape.columns,
            "tag": tag,
        }
        values = Mux(empty, job.width, place.taken)
        final = place.last | empty
        m.d.comb += fill(
            self.o.p, {"tile": tile, "values": values, "first": now["first"], "final": final, "empty": empty}
        )


class _Channels:
    """Where the walk is among the channels of V.

    ``word`` is the first word of the group, ``low`` and ``high`` bound what is taken of it; the same names with
    ``head`` are where the head begins.
    """

    def __init__(self, shape: Shape) -> None:
        layout = attention()
        self._columns = shape.columns
        self.word, self.word_head, self.word_problem, self.end, self._next = (
            Signal(WALK_BITS, name=name, reset_less=True)
            for name in ("v", "v_head", "v_problem", "v_end", "v_next_problem")
        )
        self.low, self.low_head, self.high, self.taken = (
            Signal(7, name=name, reset_less=True) for name in ("low", "low_head", "high", "taken")
        )
        self.channels = Signal(layout["head_dim"].width, name="channels_left", reset_less=True)
        self.last = Signal(name="channels_last", reset_less=True)

    def begin(self, job: Any) -> list[Any]:
        """Go to the first channel of the first head."""
        return [
            *(word.eq(job.v) for word in (self.word, self.word_head, self.word_problem)),
            self.low.eq(0),
            self.low_head.eq(0),
            self.channels.eq(job.head_dim),
        ]

    def look(self, job: Any) -> list[Any]:
        """Find what is taken of the group."""
        room = (self._columns - self.low)[:7]
        fits = self.channels <= room
        return [
            self.last.eq(fits),
            self.high.eq(Mux(fits, self.low + self.channels, self._columns)),
            self.taken.eq(Mux(fits, self.channels, room)),
            self.end.eq(self.word + job.key_words),
            self._next.eq(self.word_problem + job.dv),
        ]

    def next_group(self) -> list[Any]:
        """Go on in the next group."""
        return [self.word.eq(self.end), self.low.eq(0), self.channels.eq(self.channels - self.taken)]

    def again(self) -> list[Any]:
        """Return to the first channel of the head."""
        return [self.word.eq(self.word_head), self.low.eq(self.low_head)]

    def next_head(self) -> list[Any]:
        """Go on with the head behind this one, whose last group may not be full."""
        whole = self.high == self._columns
        word, low = Mux(whole, self.end, self.word), Mux(whole, 0, self.high)
        return [self.word.eq(word), self.word_head.eq(word), self.low.eq(low), self.low_head.eq(low)]

    def next_problem(self) -> list[Any]:
        """Go to the first head of the next problem."""
        return [
            *(word.eq(self._next) for word in (self.word, self.word_head, self.word_problem)),
            self.low.eq(0),
            self.low_head.eq(0),
        ]
