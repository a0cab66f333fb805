"""Reconstruction losses: multi-scale mel distance and power-compressed spectra."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

_MEL_WINDOWS = {64: 10, 128: 20, 256: 40, 512: 80, 1024: 160, 2048: 320}
_COMPRESSED_WINDOWS = (256, 512, 1024, 2048)
_COMPRESSION = 0.3
# Ten times the metric's floor: below it, silence would outweigh speech.
_MEL_FLOOR = 1e-4
_POWER_FLOOR = 1e-5


def mel_filterbank(num_mels: int, window: int, sample_rate: int) -> Tensor:
    """Slaney's triangular filters, unit area, 0 Hz to half the rate: ``[num_mels, bins]``."""
    edges = _mel_to_hz(np.linspace(0, _hz_to_mel(sample_rate / 2), num_mels + 2))
    bins = np.linspace(0, sample_rate / 2, window // 2 + 1)
    rising = (bins - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    falling = (edges[2:, None] - bins) / (edges[2:] - edges[1:-1])[:, None]
    filters = np.maximum(0, np.minimum(rising, falling)) * (2 / (edges[2:] - edges[:-2]))[:, None]
    return torch.from_numpy(filters.astype(np.float32))


def _hz_to_mel(hz: float) -> float:
    return hz * 3 / 200 if hz < 1000 else 15 + 27 * float(np.log(hz / 1000) / np.log(6.4))


def _mel_to_hz(mel: np.ndarray) -> np.ndarray:
    return np.where(mel < 15, mel * 200 / 3, 1000 * 6.4 ** ((mel - 15) / 27))


class SpectralLoss(nn.Module):
    """Both losses from one short-time Fourier transform per window.

    ``forward(reference, estimate)``, ``[batch, 1, time]`` each, gives the mel loss (L1 of log10
    mel magnitudes, summed over windows; DAC, arXiv 2306.06546) and the compressed loss (L1 of
    magnitudes to the power 0.3, summed over windows), which weighs loud bins more.
    """

    def __init__(self, sample_rate: int) -> None:
        super().__init__()
        for window, num_mels in _MEL_WINDOWS.items():
            filters = mel_filterbank(num_mels, window, sample_rate)
            self.register_buffer(f"mel_{window}", filters, persistent=False)
            self.register_buffer(f"window_{window}", torch.hann_window(window), persistent=False)

    def forward(self, reference: Tensor, estimate: Tensor) -> tuple[Tensor, Tensor]:
        mel, compressed = [], []
        for window in _MEL_WINDOWS:
            powers = [self._power(audio, window) for audio in (reference, estimate)]
            filters = self.get_buffer(f"mel_{window}")
            logs = [
                torch.log10((filters @ power.clamp_min(1e-12).sqrt()).clamp_min(_MEL_FLOOR))
                for power in powers
            ]
            mel.append(functional.l1_loss(logs[0], logs[1]))
            if window in _COMPRESSED_WINDOWS:
                shrunk = [(power + _POWER_FLOOR) ** (_COMPRESSION / 2) for power in powers]
                compressed.append(functional.l1_loss(shrunk[0], shrunk[1]))
        return torch.stack(mel).sum(), torch.stack(compressed).sum()

    def _power(self, audio: Tensor, window: int) -> Tensor:
        spectrum = torch.stft(
            audio.squeeze(1),
            window,
            hop_length=window // 4,
            window=self.get_buffer(f"window_{window}"),
            return_complex=True,
        )
        return spectrum.real.square() + spectrum.imag.square()


def feature_matching_loss(
    real: Sequence[Sequence[Tensor]], fake: Sequence[Sequence[Tensor]]
) -> Tensor:
    """Mean L1 between a discriminator's inner features of real and of coded audio."""
    terms = [
        functional.l1_loss(mine, theirs.detach())
        for fakes, reals in zip(fake, real, strict=True)
        for mine, theirs in zip(fakes[:-1], reals[:-1], strict=True)
    ]
    return torch.stack(terms).mean()


def generator_loss(fake: Sequence[Sequence[Tensor]]) -> Tensor:
    """Least-squares adversarial loss: the discriminators should take coded audio for real."""
    return torch.stack([(1 - features[-1]).square().mean() for features in fake]).mean()


def discriminator_loss(
    real: Sequence[Sequence[Tensor]], fake: Sequence[Sequence[Tensor]]
) -> Tensor:
    """Least-squares loss of the discriminators themselves."""
    terms = [
        (1 - reals[-1]).square().mean() + fakes[-1].square().mean()
        for reals, fakes in zip(real, fake, strict=True)
    ]
    return torch.stack(terms).mean()
