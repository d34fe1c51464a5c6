"""Sizes of what is compiled: the model, the video and the text."""

from __future__ import annotations

from dataclasses import dataclass

from flightvgm.compiler.errors import CompileError
from flightvgm_arch.formats import FP16_K_MOST, INT8_K_MOST, ROW_CHANNELS_MOST, fp16_pitch, record_pitch, round_up
from flightvgm_arch.isa import ALIGNMENT, EXTENT_BITS
from flightvgm_arch.memory import LEDGER_LAYERS
from flightvgm_arch.sites import KINDS

BRANCHES = 2
MODULATION_ROWS = 6  # Shift, scale and gate of attention, then of the MLP.
SITE_EXTENT_MOST, HEAD_MOST, HEAD_DIM_MOST, EXTENT_MOST = (1 << 13) - 1, 127, 510, (1 << EXTENT_BITS) - 1


@dataclass(frozen=True)
class Network:
    """Sizes of a compiled network.

    Parameters
    ----------
    width, hidden, heads, depth : int
        Channels of the residual stream and of the MLP, attention heads, pairs of a spatial and a temporal block.
    t, h, w : int
        Frames, rows and columns of tokens.
    text : int
        Most text tokens.

    Raises
    ------
    CompileError
        A size is out of the range of the machine's instructions.
    """

    width: int
    hidden: int
    heads: int
    depth: int
    t: int
    h: int
    w: int
    text: int

    def __post_init__(self) -> None:
        limits = {
            "width": (self.width, ROW_CHANNELS_MOST),
            "hidden": (self.hidden, INT8_K_MOST),
            "heads": (self.heads, HEAD_MOST),
            "depth": (self.depth, LEDGER_LAYERS // len(KINDS)),
            "frames": (self.t, SITE_EXTENT_MOST),
            "height_tokens": (self.h, SITE_EXTENT_MOST),
            "width_tokens": (self.w, SITE_EXTENT_MOST),
            "text_tokens": (self.text, FP16_K_MOST),
        }
        for name, (value, most) in limits.items():
            if not 1 <= value <= most:
                raise CompileError(f"{name} is {value}; it must be 1 to {most}")
        for name, keys in (("tokens of a frame", self.plane), ("frames", self.t)):
            if keys > FP16_K_MOST:
                raise CompileError(f"attention has {keys} {name} as keys; compile a video with at most {FP16_K_MOST}")
        if self.tokens > EXTENT_MOST:
            raise CompileError(f"the video has {self.tokens} tokens; compile one with at most {EXTENT_MOST}")
        if self.width // self.heads > HEAD_DIM_MOST:
            raise CompileError(f"width {self.width} gives heads of more than {HEAD_DIM_MOST} channels; use more heads")
        if self.width % self.heads or self.head_dim % 2:
            raise CompileError(f"width {self.width} must be {self.heads} heads times an even number of channels")

    @property
    def head_dim(self) -> int:
        """Channels of a head."""
        return self.width // self.heads

    @property
    def plane(self) -> int:
        """Tokens of a frame."""
        return self.h * self.w

    @property
    def tokens(self) -> int:
        """Tokens of the video."""
        return self.t * self.plane

    @property
    def layers(self) -> int:
        """Blocks, in order of execution."""
        return len(KINDS) * self.depth

    @property
    def row_pitch(self) -> int:
        """Bytes between FP16 rows of the residual stream."""
        return fp16_pitch(self.width)

    @property
    def record_pitch(self) -> int:
        """Bytes between INT8 records of the residual stream's width."""
        return record_pitch(self.width)

    @property
    def parameter_pitch(self) -> int:
        """Bytes between FP32 rows of one parameter a channel."""
        return round_up(4 * self.width, ALIGNMENT)

    @property
    def modulation_bytes(self) -> int:
        """Bytes of one step's modulation: ``[layers][6]`` parameter rows."""
        return self.layers * MODULATION_ROWS * self.parameter_pitch

    @property
    def linear_macs(self) -> int:
        """MACs of the linear layers of a pass over both branches, without the text's: what sites are offered."""
        return BRANCHES * self.layers * self.tokens * (6 * self.width**2 + 2 * self.width * self.hidden)

    def kind(self, layer: int) -> str:
        """``spatial`` or ``temporal``."""
        return KINDS[layer % len(KINDS)]

    def block(self, layer: int) -> str:
        """Name of a block in the state dict."""
        return f"{self.kind(layer)}_blocks.{layer // len(KINDS)}"
