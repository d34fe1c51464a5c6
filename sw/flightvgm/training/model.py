"""STDiT3 in PyTorch, with the sparsifier in the loop.

Parameter names are those of the original state dict. The sparsifier replaces the input of a linear layer by the rows
that its map names: ``linear(x)[map] == linear(x[map])``, so that shapes stay static; decisions carry no gradient.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from flightvgm.training.sparsity import Sites


@dataclass(frozen=True)
class ModelShape:
    """Sizes of a checkpoint, as its metadata state them."""

    hidden_size: int = 144
    depth: int = 3
    num_heads: int = 2
    caption_channels: int = 64
    model_max_length: int = 16
    in_channels: int = 6
    out_channels: int = 3
    patch: int = 4
    vocabulary: int = 32
    frames: int = 6
    size: int = 32


class RMSNorm(nn.Module):
    """Root-mean-square norm of the last axis, with a weight."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        scale = torch.rsqrt(x.square().mean(-1, keepdim=True, dtype=torch.float32) + 1e-6)
        return x * scale.to(x.dtype) * self.weight.to(x.dtype)


def rotate(x: Tensor, freqs: Tensor) -> Tensor:
    """RoPE on interleaved pairs of ``x [..., T, d]``."""
    angle = torch.arange(x.shape[-2], dtype=torch.float32)[:, None] * freqs
    cos, sin = angle.cos().to(x.dtype), angle.sin().to(x.dtype)
    a, b = x[..., 0::2], x[..., 1::2]
    return torch.stack([a * cos - b * sin, b * cos + a * sin], dim=-1).flatten(-2)


class Mlp(nn.Module):
    """Two linear layers with GELU between them."""

    def __init__(self, width: int, hidden: int, out: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, hidden)
        self.fc2 = nn.Linear(hidden, out)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(F.gelu(self.fc1(x), approximate="tanh"))


class Attention(nn.Module):
    """Parameters of self-attention."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.q_norm = RMSNorm(width // heads)
        self.k_norm = RMSNorm(width // heads)
        self.proj = nn.Linear(width, width)


class CrossAttention(nn.Module):
    """Parameters of attention to the text."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.q_linear = nn.Linear(width, width)
        self.kv_linear = nn.Linear(width, 2 * width)
        self.proj = nn.Linear(width, width)


class Block(nn.Module):
    """One STDiT3 block, spatial or temporal."""

    def __init__(self, shape: ModelShape, *, temporal: bool) -> None:
        super().__init__()
        width = shape.hidden_size
        self.temporal = temporal
        self.kind = "temporal" if temporal else "spatial"
        self.attn = Attention(width, shape.num_heads)
        self.cross_attn = CrossAttention(width, shape.num_heads)
        self.mlp = Mlp(width, 4 * width, width)
        self.scale_shift_table = nn.Parameter(torch.randn(6, width) / width**0.5)

    def _attend(self, x: Tensor, frames: int, freqs: Tensor, sites: Sites) -> Tensor:
        batch, tokens, width = x.shape
        heads, attn = self.attn.heads, self.attn
        qkv = attn.qkv(sites(f"{self.kind}.attn.qkv", x))
        qkv = qkv.view(batch, frames, tokens // frames, 3, heads, width // heads)
        qkv = qkv.permute(3, 0, 2, 4, 1, 5) if self.temporal else qkv.permute(3, 0, 1, 4, 2, 5)
        q, k, v = qkv.unbind(0)
        q, k = attn.q_norm(q), attn.k_norm(k)
        if self.temporal:
            q, k = rotate(q, freqs), rotate(k, freqs)
        out = F.scaled_dot_product_attention(q, k, v)
        out = out.permute(0, 3, 1, 2, 4) if self.temporal else out.permute(0, 1, 3, 2, 4)
        return attn.proj(sites(f"{self.kind}.attn.proj", out.reshape(batch, tokens, width)))

    def _cross(self, x: Tensor, y: Tensor, bias: Tensor, sites: Sites) -> Tensor:
        batch, tokens, width = x.shape
        heads, cross = self.cross_attn.heads, self.cross_attn
        q = cross.q_linear(sites(f"{self.kind}.cross_attn.q_linear", x))
        q = q.view(batch, tokens, heads, -1).transpose(1, 2)
        k, v = cross.kv_linear(y).view(batch, -1, 2, heads, width // heads).permute(2, 0, 3, 1, 4).unbind(0)
        out = F.scaled_dot_product_attention(q, k, v, attn_mask=bias.to(q.dtype))
        out = out.transpose(1, 2).reshape(batch, tokens, width)
        return cross.proj(sites(f"{self.kind}.cross_attn.proj", out))

    def forward(
        self, x: Tensor, y: Tensor, bias: Tensor, t: Tensor, frames: int, freqs: Tensor, sites: Sites
    ) -> Tensor:
        table = (self.scale_shift_table + t.view(-1, 6, x.shape[-1])).to(x.dtype)
        sh1, sc1, g1, sh2, sc2, g2 = table[:, :, None].unbind(1)
        width = (x.shape[-1],)
        normed = torch.addcmul(sh1, F.layer_norm(x, width, eps=1e-6).to(x.dtype), 1 + sc1)
        x = torch.addcmul(x, g1, self._attend(normed, frames, freqs, sites))
        x = x + self._cross(x, y, bias, sites)
        normed = torch.addcmul(sh2, F.layer_norm(x, width, eps=1e-6).to(x.dtype), 1 + sc2)
        return torch.addcmul(x, g2, self.mlp(sites(f"{self.kind}.mlp", normed)))


class TimestepEmbedder(nn.Module):
    """Sinusoid of 256, then two linear layers."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.mlp = nn.Sequential(nn.Linear(256, width), nn.SiLU(), nn.Linear(width, width))

    def forward(self, t: Tensor) -> Tensor:
        freqs = torch.exp(-torch.log(torch.tensor(10000.0)) * torch.arange(128) / 128)
        angle = t[:, None].float() * freqs
        return self.mlp(torch.cat([angle.cos(), angle.sin()], dim=-1))


class Caption(nn.Module):
    """Projection of caption tokens, and the null caption."""

    def __init__(self, shape: ModelShape) -> None:
        super().__init__()
        self.y_proj = Mlp(shape.caption_channels, shape.hidden_size, shape.hidden_size)
        self.y_embedding = nn.Parameter(0.3 * torch.randn(shape.model_max_length, shape.caption_channels))


class FinalLayer(nn.Module):
    """Parameters of the last modulation and projection."""

    def __init__(self, shape: ModelShape) -> None:
        super().__init__()
        self.linear = nn.Linear(shape.hidden_size, shape.patch**2 * shape.out_channels)
        self.scale_shift_table = nn.Parameter(torch.randn(2, shape.hidden_size) / shape.hidden_size**0.5)


class PatchEmbed(nn.Module):
    """Patches to tokens."""

    def __init__(self, shape: ModelShape) -> None:
        super().__init__()
        patch = (1, shape.patch, shape.patch)
        self.proj = nn.Conv3d(shape.in_channels, shape.hidden_size, kernel_size=patch, stride=patch)


class TextEncoder(nn.Module):
    """Embedding table of words plus one of places."""

    def __init__(self, shape: ModelShape) -> None:
        super().__init__()
        self.words = nn.Embedding(shape.vocabulary, shape.caption_channels)
        self.places = nn.Embedding(shape.model_max_length, shape.caption_channels)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.words(tokens) + self.places.weight


class Rope(nn.Module):
    """Frequencies of the rotary embedding."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.register_buffer("freqs", 10000.0 ** (-torch.arange(0, width, 2).float() / width))


def position_embedding(width: int, h: int, w: int, scale: float) -> Tensor:
    """Fixed 2-D sinusoid ``[h w, width]`` of the original model: columns in the first half, rows in the second."""
    base = round((h * w) ** 0.5)
    freqs = 10000.0 ** (-torch.arange(0, width // 2, 2).float() / (width // 2))

    def emb(index: Tensor, extent: int) -> Tensor:
        angle = (index.float() / scale * (base / extent))[:, None] * freqs
        return torch.cat([angle.sin(), angle.cos()], dim=-1)

    row, column = torch.meshgrid(torch.arange(h), torch.arange(w), indexing="ij")
    return torch.cat([emb(column.reshape(-1), w), emb(row.reshape(-1), h)], dim=-1)


class STDiT3(nn.Module):
    """The denoiser. Predicts the clean video from ``x_t`` (see :mod:`flightvgm.training.train`)."""

    def __init__(self, shape: ModelShape) -> None:
        super().__init__()
        self.shape = shape
        width = shape.hidden_size
        self.text_encoder = TextEncoder(shape)
        self.x_embedder = PatchEmbed(shape)
        self.t_embedder = TimestepEmbedder(width)
        self.fps_embedder = TimestepEmbedder(width)
        shared = nn.Linear(width, 6 * width)
        self.t_block = nn.Sequential(nn.SiLU(), shared)
        self.y_embedder = Caption(shape)
        self.rope = Rope(width // shape.num_heads)
        self.spatial_blocks = nn.ModuleList(Block(shape, temporal=False) for _ in range(shape.depth))
        self.temporal_blocks = nn.ModuleList(Block(shape, temporal=True) for _ in range(shape.depth))
        self.final_layer = FinalLayer(shape)
        nn.init.zeros_(shared.weight)
        nn.init.zeros_(self.final_layer.linear.weight)
        nn.init.zeros_(self.final_layer.linear.bias)

    def forward(self, x: Tensor, t: Tensor, tokens: Tensor, drop: Tensor, sites: Sites) -> Tensor:
        """Predict the clean video.

        Parameters
        ----------
        x : Tensor
            ``[B, in_channels, T, H, W]``.
        t : Tensor
            ``[B]``, 0..1000.
        tokens : Tensor
            ``[B, L]`` word numbers, zero padded.
        drop : Tensor
            ``[B]``, true where the caption is replaced by the null caption.
        """
        shape = self.shape
        batch, _, frames, height, width = x.shape
        h, w = height // shape.patch, width // shape.patch
        y = torch.where(drop[:, None, None], self.y_embedder.y_embedding, self.text_encoder(tokens))
        y = self.y_embedder.y_proj(y)
        bias = torch.where(tokens[:, None, None] > 0, 0.0, float("-inf"))
        emb = self.t_embedder(t) + self.fps_embedder(torch.full_like(t, 8.0))
        modulation = self.t_block(emb)
        x = self.x_embedder.proj(x).flatten(3).permute(0, 2, 3, 1)
        x = (x + position_embedding(shape.hidden_size, h, w, 1.0)).reshape(batch, frames * h * w, -1)
        x = x.to(torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else x.dtype)
        for spatial, temporal in zip(self.spatial_blocks, self.temporal_blocks, strict=True):
            x = spatial(x, y, bias, modulation, frames, self.rope.freqs, sites)
            x = temporal(x, y, bias, modulation, frames, self.rope.freqs, sites)
        shift, scale = (self.final_layer.scale_shift_table + emb[:, None])[:, :, None].unbind(1)
        x = F.layer_norm(x, (shape.hidden_size,), eps=1e-6) * (1 + scale) + shift
        x = self.final_layer.linear(x).view(batch, frames, h, w, shape.patch, shape.patch, shape.out_channels)
        return x.permute(0, 6, 1, 2, 4, 3, 5).reshape(batch, shape.out_channels, frames, height, width)
