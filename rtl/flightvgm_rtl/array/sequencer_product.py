"""An MM as its walk needs it, and what must hold of it."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Mux, Value

from flightvgm_arch.formats import FP16_K_MOST, INT8_K_MOST
from flightvgm_rtl.array.ports import Mode
from flightvgm_rtl.array.sequencer_ports import Shape, fill


def feeds(values: Value, most: int) -> dict[str, Value]:
    """Feeds of so many values, and values of the last one; a feed has ``most``, a power of two."""
    shift = most.bit_length() - 1
    rest = values[:shift]
    return {"feeds": (values + most - 1) >> shift, "tail": Mux(rest.any(), rest, most)}


def product_job(m: Module, job: Any, body: Any, quotients: list[Any], shape: Shape) -> None:
    """Fill the registers of a product from the fields of an MM and from its operands' addresses in words.

    Parameters
    ----------
    m : Module
    job : View
        Registers of the layout ``product()``.
    body : View
        Fields of the MM.
    quotients : list
        Words of ``a, da0, da1, b, db0, db1``.
    shape : Shape
    """
    fp16 = body.flag_fp16
    integer, half = feeds(body.k, 4 * shape.depth), feeds(body.k, 2 * shape.depth)
    a, da0, da1, b, db0, db1 = quotients
    m.d.sync += fill(
        job,
        {
            "mode": Mux(fp16, Mode.FP16, Mode.INT8),
            "gelu": body.epilogue & ~fp16,
            "a": a,
            "a_pitch": body.a_pitch[5:],
            "da0": da0,
            "da1": da1,
            "entry": Mux(fp16, 0, (body.k + 7) >> 5),
            "lines": (body.k + 15) >> 4,
            "b": Mux(fp16, b, 0),
            "b_pitch": Mux(fp16, body.b_pitch[5:], 0),
            "db0": Mux(fp16, db0, 0),
            "db1": Mux(fp16, db1, 0),
            "out": body.out,
            "out_pitch": body.out_pitch,
            "row_step": body.out_pitch * shape.rows,
            "dout0": body.dout0,
            "dout1": body.dout1,
            "rows": body.rows,
            "columns": body.columns,
            "batch0": body.batch0,
            "batch1": body.batch1,
            "feeds": Mux(fp16, half["feeds"], integer["feeds"]),
            "tail": Mux(fp16, half["tail"], integer["tail"]),
        },
    )


def product_range(body: Any) -> Value:
    """Whether a field of an MM is out of its range."""
    record = Mux(body.flag_fp16, 0, ((body.k + 7) >> 5) + 1)
    both = (body.k == 0) | (body.columns == 0) | ((body.columns << 1) > body.out_pitch)
    integer = (body.k > INT8_K_MOST) | (record > body.a_pitch[5:]) | body.db0.any() | body.db1.any()
    half = (body.k > FP16_K_MOST) | (body.epilogue != 0)
    return both | Mux(body.flag_fp16, half, integer)


def product_misaligned(body: Any, exact: list[Any]) -> Value:
    """Whether an address, pitch or step of an MM is misaligned; ``exact`` says it of the operands' addresses."""
    pitches = body.a_pitch[:5].any() | body.b_pitch[:5].any() | body.out_pitch[:5].any() | body.out[:5].any()
    steps = body.da0[:5].any() | body.da1[:5].any() | body.db0[:5].any() | body.db1[:5].any()
    banked = ~(exact[0] & exact[1] & exact[2]) | body.flag_fp16 & ~(exact[3] & exact[4] & exact[5])
    return pitches | steps | banked | body.dout0[0] | body.dout1[0]
