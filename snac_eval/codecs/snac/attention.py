"""Attention within windows of fixed length, with rotary positions (arXiv 2104.09864)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from snac_eval.codecs.snac.config import HEAD_CHANNELS

_BASE = 10000


class LocalAttention(nn.Module):
    """Multi-head attention inside each window of ``window_size`` frames, around a skip connection.

    ``[batch, channels, time]`` to the same; ``time`` must be a multiple of ``window_size``.
    """

    def __init__(self, channels: int, window_size: int) -> None:
        super().__init__()
        self.window_size = window_size
        self.num_heads = channels // HEAD_CHANNELS
        self.norm = nn.LayerNorm(channels)
        self.to_qkv = nn.Linear(channels, 3 * channels, bias=False)
        self.rel_pos = RotaryPositions(HEAD_CHANNELS)
        self.to_out = nn.Linear(channels, channels, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        batch, channels, time = x.shape
        frames = self.norm(x.transpose(1, 2))
        query, key, value = (self._heads(part) for part in self.to_qkv(frames).chunk(3, dim=-1))
        cosine, sine = self.rel_pos(self.window_size)
        attended = nn.functional.scaled_dot_product_attention(
            _rotate(query, cosine, sine), _rotate(key, cosine, sine), value
        )
        # [batch, heads, windows, frames, head channels] back to [batch, time, channels]
        joined = attended.permute(0, 2, 3, 1, 4).reshape(batch, time, channels)
        return x + self.to_out(joined).transpose(1, 2)  # type: ignore[no-any-return]

    def _heads(self, frames: Tensor) -> Tensor:
        batch, time, _ = frames.shape
        windows = time // self.window_size
        shape = (batch, windows, self.window_size, self.num_heads, HEAD_CHANNELS)
        return frames.reshape(shape).permute(0, 3, 1, 2, 4)


class RotaryPositions(nn.Module):
    """Cosine and sine of each position's rotation, ``[positions, head channels]`` each."""

    inv_freq: Tensor

    def __init__(self, head_channels: int) -> None:
        super().__init__()
        exponents = torch.arange(0, head_channels, 2).float() / head_channels
        self.register_buffer("inv_freq", 1.0 / _BASE**exponents)

    def forward(self, num_positions: int) -> tuple[Tensor, Tensor]:
        positions = torch.arange(num_positions, device=self.inv_freq.device)
        angles = torch.outer(positions.type_as(self.inv_freq), self.inv_freq).repeat(1, 2)
        return angles.cos(), angles.sin()


def _rotate(x: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
    first, second = x.chunk(2, dim=-1)
    return x * cosine + torch.cat((-second, first), dim=-1) * sine
