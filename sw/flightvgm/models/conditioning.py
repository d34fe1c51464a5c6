"""Known input channels beside the noisy picture."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

CODE_CHANNELS = 3


def frame_code(frames: int) -> NDArray[np.float64]:
    """Tell each frame its place in the clip, ``[3, frames]``: ``p, cos(pi p), sin(pi p)`` for p from -1 to 1."""
    place = np.linspace(-1.0, 1.0, frames) if frames > 1 else np.zeros(1)
    return np.stack([place, np.cos(np.pi * place), np.sin(np.pi * place)])


def with_frame_code(video: NDArray[np.float64]) -> NDArray[np.float64]:
    """Append the frame code to the channels of ``video [C, T, H, W]``."""
    channels, frames, height, width = video.shape
    code = np.broadcast_to(frame_code(frames)[:, :, None, None], (CODE_CHANNELS, frames, height, width))
    out: NDArray[np.float64] = np.concatenate([video, code], axis=0)
    assert out.shape[0] == channels + CODE_CHANNELS
    return out
