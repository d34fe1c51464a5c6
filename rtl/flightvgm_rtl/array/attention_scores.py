"""The walk over the tiles of Q K^T."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from flightvgm_rtl.array.attention_items import ItemLoops
from flightvgm_rtl.array.ports import Mode, TileKind
from flightvgm_rtl.array.sequencer_ports import WALK_BITS, WORD_BYTES, Shape, attention, fill, plan

SCORE_SLOTS = 3


class ScoreWalk(wiring.Component):
    """Tiles of the scores of all items (problem, head, R rows), the keys of an item one after another.

    A tile takes three cycles. Slots of scores go round. The tag's column counts the scores of a segment.

    Parameters
    ----------
    shape : Shape

    Members
    -------
    i : In(stream.Signature(attention()))
        Attentions with at least one item and one key; the payload stays as it is until ``ready`` returns.
    o : Out(stream.Signature(plan(shape)))
        ``final`` ends an item.
    overrun : Out(1)
        A query lies outside of A, or a key outside of B.
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
        q, q_problem, k, k_problem = (
            Signal(WALK_BITS, name=name, reset_less=True) for name in ("q", "q_problem", "k", "k_problem")
        )
        q_word, k_word, q_end, k_end = (
            Signal(WALK_BITS, name=name, reset_less=True) for name in ("q_word", "k_word", "q_end", "k_end")
        )
        head = Signal(17, reset_less=True)  # Bytes before the head.
        keys, column = Signal.like(job.keys, reset_less=True), Signal(13, reset_less=True)
        keys_last, first = Signal(reset_less=True), Signal()
        slot = Signal(range(SCORE_SLOTS))
        next_problem, next_k = Signal(WALK_BITS), Signal(WALK_BITS)
        m.d.comb += [next_problem.eq(q_problem + job.dq), next_k.eq(k_problem + job.dk)]
        with m.FSM():
            with m.State("IDLE"):
                m.d.comb += self.i.ready.eq(1)
                with m.If(self.i.valid):
                    m.d.sync += [first.eq(1), head.eq(0), column.eq(0), keys.eq(job.keys)]
                    m.d.sync += loops.begin(job, job.heads)
                    m.d.sync += [word.eq(job.q) for word in (q, q_problem)]
                    m.d.sync += [word.eq(job.k) for word in (k, k_problem)]
                    m.next = "LOOK"
            with m.State("LOOK"):
                m.d.sync += loops.look()
                m.d.sync += [
                    keys_last.eq(keys <= shape.columns),
                    q_word.eq(q + head[5:]),
                    k_word.eq(k + head[5:]),
                    q_end.eq(q + job.q_pitch),
                    k_end.eq(k + job.k_pitch),
                ]
                m.next = "CHECK"
            with m.State("CHECK"):
                m.next = "GIVE"
                with m.If((q_end > shape.a_words) | (k_end > shape.b_words)):
                    m.d.sync += self.overrun.eq(1)
                    m.next = "STOPPED"
            with m.State("GIVE"):
                m.d.comb += self.o.valid.eq(1)
                with m.If(self.o.ready):
                    m.d.sync += first.eq(keys_last)
                    m.next = "LOOK"
                    with m.If(keys_last):
                        m.d.sync += [column.eq(0), keys.eq(job.keys), k.eq(k_problem)]
                        m.d.sync += slot.eq(Mux(slot == SCORE_SLOTS - 1, 0, slot + 1))
                        rows_step = [q.eq(q + job.q_pitch)]
                        head_step = [q.eq(q_problem), head.eq(head + (job.head_dim << 1))]
                        problem_step = [
                            *(word.eq(next_problem) for word in (q, q_problem)),
                            *(word.eq(next_k) for word in (k, k_problem)),
                            head.eq(0),
                        ]
                        loops.advance(m, job, job.heads, (rows_step, head_step, problem_step))
                        with m.If(loops.last):
                            m.next = "IDLE"
                    with m.Else():
                        m.d.sync += [
                            column.eq(column + shape.segment_columns),
                            keys.eq(keys - shape.columns),
                            k.eq(k + job.k_pitch),
                        ]
            with m.State("STOPPED"):
                pass
        m.d.comb += fill(self.o.p, self._plan(job, q_word, k_word, head))
        m.d.comb += fill(self.o.p, {"first": first, "final": keys_last, "values": job.keys})
        rows = Mux(loops.rows_last, loops.rows, shape.rows)[:7]
        high = Mux(keys_last, keys, shape.columns)[:7]
        tag = {"rows": rows, "high": high, "column": column, "slot": slot, "last": keys_last}
        m.d.comb += fill(self.o.p.tile.tag, tag)
        return m

    def _plan(self, job: Any, q_word: Signal, k_word: Signal, head: Signal) -> dict[str, Any]:
        """What does not depend on the loops."""
        piece = head[2:5] >> (self._shape.depth.bit_length() - 1)
        assert 1 << head[:5].shape().width == WORD_BYTES
        return {
            "tile": {
                "mode": Mode.FP16,
                "a_word": q_word,
                "a_piece": piece,
                "a_entry": q_word,
                "b_word": k_word,
                "b_piece": piece,
                "b_entry": k_word,
                "feeds": job.score_feeds,
                "tail": job.score_tail,
                "interval": self._shape.segment_columns,
                "tag": {"kind": TileKind.SCORE},
            }
        }
