"""The two functions of torchaudio that transformers' codecs call, where it cannot be loaded.

Its wheels on PyPI need the very build of torch, with CUDA, while all that X-Codec2, NeuCodec and
the Higgs tokenizer ask of it is a filterbank and a resampler: Kaldi's log mel filterbank (Povey et
al., *The Kaldi Speech Recognition Toolkit*, ASRU 2011; the mel scale of HTK) and windowed-sinc
interpolation (J. O. Smith, *Digital Audio Resampling*). Both give torchaudio 2.11's values to the
bit, for they compute in the same order.
"""

from __future__ import annotations

import importlib
import math
import sys
from types import ModuleType, SimpleNamespace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

_NAME = "torchaudio"
_QUIET = 1.1920928955078125e-07
_PREEMPHASIS = 0.97
_POVEY = 0.85
_ZERO_CROSSINGS = 6
_ROLLOFF = 0.99


def import_with_torchaudio(name: str) -> ModuleType:
    """The module of transformers, with torchaudio, or what it needs of that, in its hands."""
    parts = _torchaudio()
    there = sys.modules.get(_NAME)
    # The modules import it at their top, or only where transformers finds it installed.
    sys.modules[_NAME] = parts
    try:
        module = importlib.import_module(name)
    finally:
        if there is None:
            del sys.modules[_NAME]
        else:
            sys.modules[_NAME] = there
    vars(module).setdefault(_NAME, parts)
    return module


def _torchaudio() -> Any:  # noqa: ANN401 - a module, or what stands in for it
    try:
        import torchaudio.compliance.kaldi

        return torchaudio
    except (ImportError, OSError):  # not there, or of another build than torch
        kaldi = SimpleNamespace(fbank=fbank)
        return SimpleNamespace(
            compliance=SimpleNamespace(kaldi=kaldi), functional=SimpleNamespace(resample=resample)
        )


def fbank(
    waveform: Tensor,
    *,
    num_mel_bins: int,
    sample_frequency: float,
    frame_length: float,
    frame_shift: float,
    low_freq: float,
    high_freq: float,
    **fixed: object,
) -> Tensor:
    """Log mel energies ``[frame, bin]`` of ``[channel, time]``, of which the first is taken.

    Frames in milliseconds, frequencies in Hz; no frame hangs over the end. ``fixed`` are the
    settings that transformers' extractors have in common; others raise ValueError.
    """
    import torch

    _require(fixed)
    size = int(sample_frequency * frame_length * 0.001)
    shift = int(sample_frequency * frame_shift * 0.001)
    frames = waveform[0].unfold(0, size, shift)
    frames = frames - frames.mean(dim=1, keepdim=True)
    before = torch.nn.functional.pad(frames[None], (1, 0), mode="replicate")[0, :, :-1]
    window = torch.hann_window(size, periodic=False, dtype=frames.dtype, device=frames.device)
    frames = (frames - _PREEMPHASIS * before) * window.pow(_POVEY)
    padded = 1 << (size - 1).bit_length()
    frames = torch.nn.functional.pad(frames, (0, padded - size))
    power = torch.fft.rfft(frames).abs().pow(2.0)
    banks = _mel_banks(num_mel_bins, padded, sample_frequency, low_freq, high_freq)
    banks = torch.nn.functional.pad(banks.to(power), (0, 1))
    return torch.mm(power, banks.T).clamp(min=_QUIET).log()


def _require(settings: dict[str, object]) -> None:
    ours = {
        "window_type": "povey",
        "preemphasis_coefficient": _PREEMPHASIS,
        "remove_dc_offset": True,
        "use_log_fbank": True,
        "use_energy": False,
        "dither": 0.0,
        "snip_edges": True,
    }
    if settings != ours:
        raise ValueError(f"the filterbank without torchaudio has {ours}, not {settings}")


def _mel_banks(count: int, padded: int, rate: float, low: float, high: float) -> Tensor:
    """Triangles ``[bin, frequency]``, equally wide in mel."""
    import torch

    lowest, highest = (1127.0 * math.log(1.0 + hz / 700.0) for hz in (low, high))
    width = (highest - lowest) / (count + 1)
    index = torch.arange(count)[:, None]
    left, centre, right = (lowest + (index + step) * width for step in (0.0, 1.0, 2.0))
    frequencies = (rate / padded) * torch.arange(padded // 2)
    mel = (1127.0 * (1.0 + frequencies / 700.0).log())[None]
    rising, falling = (mel - left) / (centre - left), (right - mel) / (right - centre)
    return torch.min(rising, falling).clamp(min=0.0)


def resample(waveform: Tensor, orig_freq: int, new_freq: int) -> Tensor:
    """``[..., time]`` at another rate in Hz, by a sinc under a Hann window."""
    import torch

    common = math.gcd(orig_freq, new_freq)
    old, new = orig_freq // common, new_freq // common
    if old == new:
        return waveform
    kernels, width = _sinc(old, new)
    flat = waveform.reshape(-1, waveform.shape[-1])
    padded = torch.nn.functional.pad(flat, (width, width + old))
    made = torch.nn.functional.conv1d(padded[:, None], kernels.to(waveform), stride=old)
    length = -(-new * waveform.shape[-1] // old)
    made = made.transpose(1, 2).reshape(len(flat), -1)[..., :length]
    return made.reshape(*waveform.shape[:-1], length)


def _sinc(old: int, new: int) -> tuple[Tensor, int]:
    """Kernels ``[phase, 1, time]`` of the new samples between two old ones, and how many samples
    they reach to either side."""
    import torch

    cutoff = min(old, new) * _ROLLOFF
    width = math.ceil(_ZERO_CROSSINGS * old / cutoff)
    steps = torch.arange(-width, width + old, dtype=torch.float32)[None, None] / old
    times = torch.arange(0, -new, -1, dtype=torch.float32)[:, None, None] / new + steps
    times = (times * cutoff).clamp(-_ZERO_CROSSINGS, _ZERO_CROSSINGS)
    window = torch.cos(times * math.pi / _ZERO_CROSSINGS / 2) ** 2
    angles = times * math.pi
    sinc = torch.where(angles == 0, torch.ones_like(angles), angles.sin() / angles)
    return sinc * (window * (cutoff / old)), width
