"""Attention of one problem, or of many: two products in FP16 with an unnormalised softmax between them."""

from __future__ import annotations

import numpy as np

from flightvgm_sim.golden.fp import F16, mul, sub, to_fp16
from flightvgm_sim.golden.functions import exp2, reciprocal
from flightvgm_sim.golden.matmul import fp16_matmul


def attention(q: F16, k: F16, v: F16) -> tuple[F16, int]:
    """``softmax2(q k^T) v`` with the powers of two of the scores; ``d^-0.5 log2 e`` is folded into q.

    1. ``s = fp32(q . k)``, rows of q and of k aligned over the channels;
    2. ``m = max s`` of a query over all keys;
    3. ``p = fp16(exp2(fp32(s - m)))``, not normalised, so that the largest is 1;
    4. ``o = fp32(p . v)``, rows of p and channels of v aligned over all keys;
    5. ``r = fp32(1 / fp32(sum p))`` of the exact sum: each p is a multiple of 2^-24, so that 36 bits hold it;
    6. ``fp16(fp32(o r))``.

    Parameters
    ----------
    q, k, v : arrays ``[..., R, D]``, ``[..., L, D]`` and ``[..., L, D]`` of FP16
        Finite values; all L keys are valid, L is 0 to 4,096. Leading axes broadcast.

    Returns
    -------
    tuple
        Array ``[..., R, D]`` of FP16, zeros where L is 0, and the number of values that saturated.

    Raises
    ------
    ShapeError
        The extents differ or are too large.
    """
    if k.shape[-2] == 0:
        return np.zeros_like(q), 0
    scores = fp16_matmul(q, k)
    probabilities, _ = to_fp16(exp2(sub(scores, scores.max(axis=-1, keepdims=True))))
    products = fp16_matmul(probabilities, np.swapaxes(v, -1, -2))
    # FP64 holds the exact sum, so that the step to FP32 is the only rounding.
    total = probabilities.sum(axis=-1, keepdims=True, dtype=np.float64).astype(np.float32)
    return to_fp16(mul(products, reciprocal(total)))
