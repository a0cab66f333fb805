"""What training makes small: distances of spectra, envelopes, loudness and waveforms, and the
adversarial losses."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from snac_eval.metrics.spectral import mel_filters
from training.spectra import Spectra

_MEL_WINDOWS = {64: 10, 128: 20, 256: 40, 512: 80, 1024: 160, 2048: 320}
_COMPRESSED_WINDOWS = (256, 512, 1024, 2048)
_COMPRESSION = 0.3
# Ten times the metric's floor: below it, silence would outweigh speech.
_MEL_FLOOR = 1e-4
_POWER_FLOOR = 1e-5
_ENVELOPE_WINDOW = 410  # 25.6 ms at 16 kHz
_ENVELOPE_FRAMES = 30
_AUDIBLE = 0.05
_WAVE_WINDOWS = (256, 512, 1024)
_WAVE_CORNER_HZ = 600
_WAVE_END_HZ = 2400  # from here on the weight is under a 250th
_WAVE_COMPRESSION = 0.5
_LOUDNESS_WINDOW = 512  # 32 ms at 16 kHz
_LISTENING_POWER = 1e7  # mean power of speech at a comfortable level, 79 dB
_QUIETEST_SPEECH = 10**-4.5
_LOUD_POWER = 1e4
_WORST_POWER = 4
_ZWICKER_EXPONENT = 0.23


class SpectralLoss(nn.Module):
    """Both losses from one short-time Fourier transform per window.

    ``forward(reference, estimate)``, ``[batch, 1, time]`` each, gives the mel loss (L1 of log10
    mel magnitudes, summed over windows; DAC, arXiv 2306.06546) and the compressed loss (L1 of
    magnitudes to the power 0.3, summed over windows), which weighs loud bins more.
    """

    def __init__(self, sample_rate: int) -> None:
        super().__init__()
        for window, num_mels in _MEL_WINDOWS.items():
            filters = mel_filters(sample_rate, window, num_mels).T.astype(np.float32)
            self.register_buffer(f"mel_{window}", torch.from_numpy(filters), persistent=False)
            self.register_buffer(f"window_{window}", torch.hann_window(window), persistent=False)

    def forward(
        self, reference: Tensor, estimate: Tensor, spectra: Spectra | None = None
    ) -> tuple[Tensor, Tensor]:
        spectra = spectra or Spectra(reference, estimate)
        mel, compressed = [], []
        for window in _MEL_WINDOWS:
            powers = spectra.powers(self.get_buffer(f"window_{window}"), window // 4)
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


class EnvelopeLoss(nn.Module):
    """How far the loudness contours of third-octave bands differ: 0 where they agree, up to 2.

    One minus the correlation over 0.4 s, averaged over the bands and windows that hold sound: the
    idea of STOI (Taal et al. 2011). Both signals are ``[batch, 1, time]``.
    """

    def __init__(self, sample_rate: int) -> None:
        super().__init__()
        centres = 150 * 2 ** (torch.arange(15) / 3)
        bins = torch.linspace(0, sample_rate / 2, _ENVELOPE_WINDOW // 2 + 1)
        low, high = centres[:, None] * 2 ** (-1 / 6), centres[:, None] * 2 ** (1 / 6)
        self.register_buffer("bands", ((bins >= low) & (bins < high)).float(), persistent=False)
        self.register_buffer("window", torch.hann_window(_ENVELOPE_WINDOW), persistent=False)

    def forward(
        self, reference: Tensor, estimate: Tensor, spectra: Spectra | None = None
    ) -> Tensor:
        spectra = spectra or Spectra(reference, estimate)
        powers = spectra.powers(self.get_buffer("window"), _ENVELOPE_WINDOW // 2)
        wanted, given = (self._contours(power) for power in powers)
        audible = (wanted.mean(-1, keepdim=True) > _AUDIBLE).float().squeeze(-1)
        wanted, given = (x - x.mean(-1, keepdim=True) for x in (wanted, given))
        agreement = functional.cosine_similarity(wanted, given, dim=-1, eps=1e-4)
        return ((1 - agreement) * audible).sum() / audible.sum().clamp_min(1)

    def _contours(self, power: Tensor) -> Tensor:
        contours = (self.get_buffer("bands") @ power + 1e-8).sqrt()
        return contours.unfold(-1, min(_ENVELOPE_FRAMES, contours.shape[-1]), 3)


class WaveLoss(nn.Module):
    """How far the waveform of the lowest harmonics is off: 0 if not at all, 1 for silence.

    L1 of complex spectra with magnitudes to the power 0.5, divided by that of the reference. It
    counts less above 600 Hz, where so few bits cannot hold the phase. Voices are heard by their
    lowest harmonics, and magnitudes alone would leave the decoder without a phase to continue.
    Both signals are ``[batch, 1, time]``.
    """

    def __init__(self, sample_rate: int) -> None:
        super().__init__()
        for window in _WAVE_WINDOWS:
            hz = torch.linspace(0, sample_rate / 2, window // 2 + 1)
            weight = 1 / (1 + (hz[hz < _WAVE_END_HZ] / _WAVE_CORNER_HZ) ** 4)
            self.register_buffer(f"weight_{window}", weight, persistent=False)
            self.register_buffer(f"window_{window}", torch.hann_window(window), persistent=False)

    def forward(
        self, reference: Tensor, estimate: Tensor, spectra: Spectra | None = None
    ) -> Tensor:
        spectra = spectra or Spectra(reference, estimate)
        return torch.stack([self._apart(spectra, window) for window in _WAVE_WINDOWS]).mean()

    def _apart(self, spectra: Spectra, window: int) -> Tensor:
        weight = self.get_buffer(f"weight_{window}")
        whole = spectra.complex(self.get_buffer(f"window_{window}"), window // 4)
        wanted, given = (_compressed(one[..., : len(weight)]) for one in whole)
        apart = ((wanted - given).square().sum(-1) + 1e-9).sqrt()
        size = (wanted.square().sum(-1) + 1e-9).sqrt()
        return (apart * weight).sum() / (size * weight).sum().clamp_min(1)


class LoudnessLoss(nn.Module):
    """How much louder or quieter, in sone, a listener hears each critical band: 0 if not at all.

    Zwicker's loudness of Bark bands in 32 ms windows, both signals at one listening level.
    Differences below a quarter of the loudness are masked. Half of what a band is louder or quieter
    throughout is forgiven, as the sound of a room. What the codec added disturbs more than what it
    left out, and the worst moments count most. This is the model of hearing inside PESQ (ITU-T
    P.862; as a loss: Martin-Donas et al. 2018). Both signals are ``[batch, 1, time]``.
    """

    def __init__(self, sample_rate: int) -> None:
        super().__init__()
        bins = np.linspace(0, sample_rate / 2, _LOUDNESS_WINDOW // 2 + 1)
        # Bands of half a Bark (Traunmueller 1990); the lowest bins, below 60 Hz, stay out.
        barks = 26.81 * bins / (1960 + bins) - 0.53
        edges = np.arange(0.1, barks[-1], 0.5)
        inside = (barks >= edges[:-1, None]) & (barks < edges[1:, None])
        inside = inside[inside.any(axis=1)]
        centres = inside @ bins / inside.sum(axis=1)
        # A telephone passes little below 100 Hz, and PESQ hears through one.
        passed = bins**4 / (bins**4 + 100.0**4)
        bands, quiet = torch.from_numpy(inside * passed).float(), _threshold(centres)
        speech = torch.from_numpy((centres > 350) & (centres < 3250)).float()
        self.register_buffer("bands", bands, persistent=False)
        self.register_buffer("speech", speech[:, None], persistent=False)
        self.register_buffer("quiet", torch.from_numpy(quiet).float()[:, None], persistent=False)
        self.register_buffer("window", torch.hann_window(_LOUDNESS_WINDOW), persistent=False)

    def forward(
        self, reference: Tensor, estimate: Tensor, spectra: Spectra | None = None
    ) -> Tensor:
        spectra = spectra or Spectra(reference, estimate)
        level = reference.square().mean(-1).clamp_min(_QUIETEST_SPEECH**2)[..., None]
        powers = spectra.powers(self.get_buffer("window"), _LOUDNESS_WINDOW // 4)
        wanted, given = (self._heard(power, level) for power in powers)
        given = given * self._level(wanted, given)
        wanted = wanted * _steady(wanted, given).sqrt()
        loud, heard = self._loudness(wanted), self._loudness(given)
        masked = 0.25 * torch.minimum(loud, heard)
        apart = ((heard - loud).abs() - masked).clamp_min(0)
        added = ((given + 50) / (wanted + 50)) ** 1.2
        added = torch.where(added < 3, 0.0, added.clamp_max(12))
        disturbances = (apart.square().mean(1) + 1e-3).sqrt(), (apart * added).mean(1)
        symmetric, asymmetric = (_worst(one) for one in disturbances)
        return (symmetric + 0.1 * asymmetric).mean()

    def _level(self, wanted: Tensor, given: Tensor) -> Tensor:
        """Gain in power ``[batch, 1, 1]`` that makes speech as loud as it was, at most 6 dB."""
        powers = [(self.get_buffer("speech") * one).sum((1, 2)) for one in (wanted, given)]
        return ((powers[0] + 1) / (powers[1] + 1)).clamp(0.25, 4)[:, None, None]

    def _heard(self, power: Tensor, level: Tensor) -> Tensor:
        full = level * self.get_buffer("window").square().sum() * _LOUDNESS_WINDOW / 2
        return self.get_buffer("bands") @ power * (_LISTENING_POWER / full)

    def _loudness(self, power: Tensor) -> Tensor:
        quiet = self.get_buffer("quiet")
        gain = (quiet / 0.5) ** _ZWICKER_EXPONENT
        return 0.187 * gain * ((0.5 + 0.5 * power / quiet) ** _ZWICKER_EXPONENT - 1).clamp_min(0)


def _compressed(spectrum: Tensor) -> Tensor:
    """Real and imaginary parts of a spectrum whose loud moments were made quieter."""
    parts = torch.view_as_real(spectrum)
    power = parts.square().sum(-1, keepdim=True) + _POWER_FLOOR
    return parts * power ** ((_WAVE_COMPRESSION - 1) / 2)


def _steady(wanted: Tensor, given: Tensor) -> Tensor:
    """How much more power each band ``[batch, bands, 1]`` holds throughout the loud moments."""
    loud = (wanted.sum(1, keepdim=True) > _LOUD_POWER).float()
    powers = [(loud * one).mean(-1, keepdim=True) for one in (wanted, given)]
    return ((powers[1] + 1e3) / (powers[0] + 1e3)).clamp(0.01, 100)


def _worst(disturbance: Tensor) -> Tensor:
    """``[batch, frames]`` to ``[batch]``: a mean in which the largest count most."""
    return (disturbance**_WORST_POWER + 1e-6).mean(-1) ** (1 / _WORST_POWER)


def _threshold(hz: np.ndarray) -> np.ndarray:
    """Power of the quietest tone that is heard (Terhardt 1979), at most that of 40 dB."""
    khz = hz / 1000
    decibel = 3.64 * khz**-0.8 - 6.5 * np.exp(-0.6 * (khz - 3.3) ** 2) + 1e-3 * khz**4
    return np.asarray(10 ** (np.minimum(decibel + 8, 40) / 10))


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
