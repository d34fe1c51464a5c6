"""What follows an INT8 product as it leaves the array: scales, bias, GELU, and the store in FP16."""

from __future__ import annotations

from flightvgm_sim.golden import functions
from flightvgm_sim.golden.fp import F16, F32, I32, add, flush, from_int, mul, to_fp16


def epilogue(acc: I32, row_scale: F32, column_scale: F32, bias: F32, *, gelu: bool) -> tuple[F16, int]:
    """``v = fp32(fp32(fp32(fp32(acc) row_scale) column_scale) + bias)``, then GELU if wanted, then FP16.

    Parameters
    ----------
    acc : array ``[M, N]`` of INT32
    row_scale : array of M FP32
    column_scale, bias : arrays of N FP32
        A subnormal scale or bias counts as zero.
    gelu : bool
        Apply :func:`flightvgm_sim.golden.functions.gelu` before the store.

    Returns
    -------
    tuple
        Array ``[M, N]`` of FP16, and the number of values that saturated.
    """
    scaled = mul(mul(from_int(acc), flush(row_scale)[:, None]), flush(column_scale))
    value = add(scaled, flush(bias))
    return to_fp16(functions.gelu(value) if gelu else value)
