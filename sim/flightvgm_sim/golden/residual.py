"""Elementwise FP32 steps of the row unit: residual with gate, and modulation."""

from __future__ import annotations

import numpy as np

from flightvgm_sim.golden.fp import F16, F32, add, flush, mul, to_fp16


def residual(x: F16, y: F16, gate: F32 | None) -> tuple[F16, int]:
    """``fp16(fp32(x + fp32(gate y)))`` and the number of values that saturated; without a gate ``fp16(fp32(x + y))``.

    Parameters
    ----------
    x, y : arrays of FP16 of one shape
    gate : array of FP32, or None
        Broadcasts against ``y``; a subnormal counts as zero.
    """
    branch = y.astype(np.float32)
    if gate is not None:
        branch = mul(flush(gate), branch)
    return to_fp16(add(x.astype(np.float32), branch))


def modulate(v: F32, scale: F32, shift: F32) -> F32:
    """``fp32(fp32(v scale) + shift)``; ``scale`` holds ``1 + scale`` already. A subnormal parameter counts as zero."""
    return add(mul(v, flush(scale)), flush(shift))
