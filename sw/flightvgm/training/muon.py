"""Muon: momentum made orthogonal by a quintic Newton-Schulz iteration (Jordan 2024)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

STEPS = 5
COEFFICIENTS = (3.4445, -4.7750, 2.0315)
DECAY = 0.01
SCALE = 0.2  # Brings the size of a step to that of AdamW at the same rate.


def orthogonal(x: Tensor) -> Tensor:
    """Approximate the nearest matrix with orthonormal rows or columns."""
    a, b, c = COEFFICIENTS
    wide = x.shape[0] <= x.shape[1]
    x = x if wide else x.T
    x = x / (x.norm() + 1e-7)
    for _ in range(STEPS):
        square = x @ x.T
        x = a * x + (b * square + c * square @ square) @ x
    return x if wide else x.T


class Muon(torch.optim.Optimizer):
    """Optimizer of matrices.

    Parameters
    ----------
    params : list of Parameter
        Matrices.
    lr : float
        Rate.
    momentum : float
        Nesterov momentum.
    """

    def __init__(self, params: list[nn.Parameter], lr: float, momentum: float = 0.95) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum})

    @torch.no_grad()
    def step(self) -> None:  # type: ignore[override]
        """Apply one step."""
        for group in self.param_groups:
            for p in group["params"]:
                buffer = self.state[p].setdefault("momentum", torch.zeros_like(p))
                buffer.lerp_(p.grad, 1 - group["momentum"])
                update = orthogonal(p.grad.lerp(buffer, group["momentum"]))
                p.mul_(1 - DECAY * group["lr"])
                p.add_(update, alpha=-group["lr"] * SCALE * max(p.shape) ** 0.5)
