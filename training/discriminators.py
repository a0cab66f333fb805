"""Multi-period and multi-band spectrogram discriminators (HiFi-GAN 2010.05646, DAC 2306.06546)."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.parametrizations import weight_norm

_BANDS = (0.0, 0.1, 0.25, 0.5, 0.75, 1.0)
_SLOPE = 0.1


class Discriminators(nn.Module):
    """All discriminators: audio ``[batch, 1, time]`` to one list of features each.

    The last of a list is the verdict, near 1 where the audio is taken for real.
    """

    def __init__(self, channels: int, periods: Sequence[int], windows: Sequence[int]) -> None:
        super().__init__()
        parts: list[nn.Module] = [PeriodDiscriminator(channels, period) for period in periods]
        parts += [BandDiscriminator(channels, window) for window in windows]
        self.parts = nn.ModuleList(parts)

    def forward(self, audio: Tensor) -> list[list[Tensor]]:
        return [part(audio) for part in self.parts]


class PeriodDiscriminator(nn.Module):
    """Looks at every ``period``-th sample as a column of an image."""

    def __init__(self, channels: int, period: int) -> None:
        super().__init__()
        self.period = period
        widths = [1, channels, 4 * channels, 8 * channels, 8 * channels]
        self.layers = nn.ModuleList(
            _conv(a, b, (5, 1), stride=(3, 1)) for a, b in itertools.pairwise(widths)
        )
        self.verdict = _conv(widths[-1], 1, (3, 1))

    def forward(self, audio: Tensor) -> list[Tensor]:
        padded = functional.pad(audio, (0, -audio.shape[-1] % self.period))
        x = padded.reshape(*padded.shape[:-1], -1, self.period)
        return _features(self.layers, self.verdict, x)


class BandDiscriminator(nn.Module):
    """Looks at the complex spectrogram, each frequency band with filters of its own."""

    def __init__(self, channels: int, window: int) -> None:
        super().__init__()
        self.window = window
        self.register_buffer("hann", torch.hann_window(window), persistent=False)
        self.bands = nn.ModuleList(
            nn.ModuleList(
                [_conv(2, channels, (3, 9))]
                + [_conv(channels, channels, (3, 9), stride=(1, 2)) for _ in range(2)]
                + [_conv(channels, channels, (3, 3))]
            )
            for _ in _BANDS[1:]
        )
        self.verdict = _conv(channels, 1, (3, 3))

    def forward(self, audio: Tensor) -> list[Tensor]:
        hann = self.get_buffer("hann")
        spectrum = torch.stft(
            audio.squeeze(1), self.window, self.window // 4, window=hann, return_complex=True
        )
        # [batch, real and imaginary, frames, bins]
        image = torch.view_as_real(spectrum).permute(0, 3, 2, 1)
        features, outputs = [], []
        edges = [round(edge * image.shape[-1]) for edge in _BANDS]
        for band, low, high in zip(self.bands, edges, edges[1:], strict=False):
            x = image[..., low:high]
            for layer in band:  # type: ignore[attr-defined]
                x = functional.leaky_relu(layer(x), _SLOPE)
                features.append(x)
            outputs.append(x)
        return [*features, self.verdict(torch.cat(outputs, dim=-1))]


def _conv(
    in_channels: int, out_channels: int, kernel: tuple[int, int], stride: tuple[int, int] = (1, 1)
) -> nn.Module:
    padding = (kernel[0] // 2, kernel[1] // 2)
    layer: nn.Module = weight_norm(nn.Conv2d(in_channels, out_channels, kernel, stride, padding))
    return layer


def _features(layers: nn.ModuleList, verdict: nn.Module, x: Tensor) -> list[Tensor]:
    features = []
    for layer in layers:
        x = functional.leaky_relu(layer(x), _SLOPE)
        features.append(x)
    return [*features, verdict(x)]
