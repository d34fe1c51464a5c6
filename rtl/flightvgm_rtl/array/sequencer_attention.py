"""An ATTN as its walks need it, and what must hold of it."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Value

from flightvgm_rtl.array.sequencer_ports import Shape, fill
from flightvgm_rtl.array.sequencer_product import feeds

_OPERANDS = ("q", "k", "v", "out")


def attention_job(m: Module, job: Any, body: Any, quotients: list[Any], shape: Shape) -> None:
    """Fill the registers of an attention from the fields of an ATTN and from its operands' addresses in words.

    Parameters
    ----------
    m : Module
    job : View
        Registers of the layout ``attention()``.
    body : View
        Fields of the ATTN.
    quotients : list
        Words of ``q, dq, k, dk, v, dv``.
    shape : Shape
    """
    score, value = feeds(body.head_dim, 2 * shape.depth), feeds(body.keys, 2 * shape.depth)
    q, dq, k, dk, v, dv = quotients
    m.d.sync += fill(
        job,
        {
            "q": q,
            "q_pitch": body.q_pitch[5:],
            "dq": dq,
            "k": k,
            "k_pitch": body.k_pitch[5:],
            "dk": dk,
            "v": v,
            "key_words": (body.keys + 15) >> 4,
            "dv": dv,
            "out": body.out,
            "out_pitch": body.out_pitch,
            "row_step": body.out_pitch * shape.rows,
            "dout": body.dout,
            "rows": body.rows,
            "keys": body.keys,
            "some": body.keys.any(),
            "width": body.heads * body.head_dim,
            "heads": body.heads,
            "head_dim": body.head_dim,
            "batch": body.batch,
            "score_feeds": score["feeds"],
            "score_tail": score["tail"],
            "value_feeds": value["feeds"],
            "value_tail": value["tail"],
        },
    )


def attention_range(body: Any, job: Any, shape: Shape) -> Value:
    """Whether a field of an ATTN is out of its range."""
    wrong = (job.width == 0) | (body.keys > shape.score_keys)
    for operand in _OPERANDS:
        wrong |= (job.width << 1) > body[f"{operand}_pitch"]
    return wrong


def attention_misaligned(body: Any, exact: list[Any]) -> Value:
    """Whether an address, pitch or step of an ATTN is misaligned; those of keys and values count if there are any."""
    wrong = body.out[:5].any() | ~(exact[0] & exact[1])
    for operand in _OPERANDS:
        wrong |= body[f"{operand}_pitch"][:5].any() | body[f"d{operand}"][:5].any()
    return wrong | body.keys.any() & ~(exact[2] & exact[3] & exact[4] & exact[5])
