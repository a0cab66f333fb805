"""Short-time spectra with gradients, each computed once for all losses that look at it.

Torch's own backward pass of ``torch.stft`` scatters every sample of every frame by its index.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional


class Spectra:
    """Spectra of a reference and an estimate, ``[batch, 1, time]`` each."""

    def __init__(self, reference: Tensor, estimate: Tensor) -> None:
        self._audio = reference.squeeze(1), estimate.squeeze(1)
        self._complex: dict[tuple[int, int], tuple[Tensor, Tensor]] = {}
        self._powers: dict[tuple[int, int], tuple[Tensor, Tensor]] = {}

    def complex(self, window: Tensor, hop: int) -> tuple[Tensor, Tensor]:
        """Complex ``[batch, frames, bins]`` of both. A window's length stands for the window."""
        key = len(window), hop
        if key not in self._complex:
            first, second = (spectrum(audio, window, hop) for audio in self._audio)
            self._complex[key] = first, second
        return self._complex[key]

    def powers(self, window: Tensor, hop: int) -> tuple[Tensor, Tensor]:
        """Squared magnitudes ``[batch, bins, frames]`` of both."""
        key = len(window), hop
        if key not in self._powers:
            first, second = (power(one).mT for one in self.complex(window, hop))
            self._powers[key] = first, second
        return self._powers[key]


def spectrum(audio: Tensor, window: Tensor, hop: int) -> Tensor:
    """``torch.stft`` of audio ``[batch, time]``, but ``[batch, frames, bins]``."""
    return _Spectrum.apply(audio, window, hop)  # type: ignore[no-any-return, no-untyped-call]


def power(spectrum: Tensor) -> Tensor:
    """Squared magnitudes."""
    return _Power.apply(spectrum)  # type: ignore[no-any-return, no-untyped-call]


class _Spectrum(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, audio: Tensor, window: Tensor, hop: int) -> Tensor:  # noqa: ANN401 - torch's
        size = len(window)
        padded = functional.pad(audio[:, None], (size // 2, size // 2), mode="reflect")[:, 0]
        ctx.save_for_backward(window)
        ctx.hop, ctx.time = hop, audio.shape[1]
        frames: Tensor = padded.unfold(1, size, hop) * window
        return torch.fft.rfft(frames)  # type: ignore[no-any-return]

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:  # noqa: ANN401
        (window,) = ctx.saved_tensors
        size, hop, time = len(window), ctx.hop, ctx.time
        # irfft counts all bins twice but the first and, if it is there, the one at half the rate.
        shares = torch.full((size // 2 + 1,), 0.5 * size, device=window.device)
        shares[:1].fill_(size)
        if size % 2 == 0:
            shares[-1:].fill_(size)
        frames = torch.fft.irfft(gradients[0] * shares, n=size)
        padded = _overlapped(frames, window, hop, time + 2 * (size // 2))
        edge = size // 2
        audio = padded[:, edge : edge + time].clone()
        audio[:, 1 : edge + 1] += padded[:, :edge].flip(1)
        audio[:, time - 1 - edge : time - 1] += padded[:, edge + time :].flip(1)
        return audio, None, None


def _overlapped(frames: Tensor, window: Tensor, hop: int, time: int) -> Tensor:
    """Sum of windowed frames ``[batch, n, size]``, each ``hop`` after the one before."""
    batch, count, size = frames.shape
    parts = -(-size // hop)
    room = frames.new_zeros(batch, count + 2 * (parts - 1), parts * hop)
    torch.mul(frames, window, out=room[:, parts - 1 : parts - 1 + count, :size])
    # Frame number i + j holds, in its part parts - 1 - j, what falls into the same place.
    strides = room.stride(0), parts * hop, (parts - 1) * hop, 1
    shape = batch, count + parts - 1, parts, hop
    whole = room.as_strided(shape, strides, (parts - 1) * hop).sum(2).flatten(1)
    missing = time - whole.shape[1]
    return functional.pad(whole, (0, missing))


class _Power(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, spectrum: Tensor) -> Tensor:  # noqa: ANN401 - torch's
        ctx.save_for_backward(spectrum)
        return spectrum.real.square().addcmul_(spectrum.imag, spectrum.imag)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:  # noqa: ANN401
        (spectrum,) = ctx.saved_tensors
        return spectrum * (2 * gradients[0])  # type: ignore[no-any-return]
