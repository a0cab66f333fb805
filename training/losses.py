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
_ENVELOPE_WINDOW = 410  # 25.6 ms at 16 kHz
_ENVELOPE_FRAMES = 30
_AUDIBLE = 0.05


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


class EnvelopeLoss(nn.Module):
    """How unlike the loudness contours of third-octave bands are: 0 where they agree, up to 2.

    One minus the correlation over 0.4 s, averaged over bands and windows that hold sound, after the
    measure of intelligibility of Taal et al. 2011. ``[batch, 1, time]`` each.
    """

    def __init__(self, sample_rate: int) -> None:
        super().__init__()
        centres = 150 * 2 ** (torch.arange(15) / 3)
        bins = torch.linspace(0, sample_rate / 2, _ENVELOPE_WINDOW // 2 + 1)
        low, high = centres[:, None] * 2 ** (-1 / 6), centres[:, None] * 2 ** (1 / 6)
        self.register_buffer("bands", ((bins >= low) & (bins < high)).float(), persistent=False)
        self.register_buffer("window", torch.hann_window(_ENVELOPE_WINDOW), persistent=False)

    def forward(self, reference: Tensor, estimate: Tensor) -> Tensor:
        wanted, given = (self._contours(audio) for audio in (reference, estimate))
        audible = (wanted.mean(-1, keepdim=True) > _AUDIBLE).float().squeeze(-1)
        wanted, given = (x - x.mean(-1, keepdim=True) for x in (wanted, given))
        agreement = functional.cosine_similarity(wanted, given, dim=-1, eps=1e-4)
        return ((1 - agreement) * audible).sum() / audible.sum().clamp_min(1)

    def _contours(self, audio: Tensor) -> Tensor:
        spectrum = torch.stft(
            audio.squeeze(1),
            _ENVELOPE_WINDOW,
            hop_length=_ENVELOPE_WINDOW // 2,
            window=self.get_buffer("window"),
            return_complex=True,
        )
        power = spectrum.real.square() + spectrum.imag.square()
        contours = (self.get_buffer("bands") @ power + 1e-8).sqrt()
        return contours.unfold(-1, min(_ENVELOPE_FRAMES, contours.shape[-1]), 3)


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
