"""What every adapter refuses before it encodes, so that bad input fails with one clear line."""

from __future__ import annotations

import numpy as np

from snac_eval.errors import CodecError
from snac_eval.types import CodecCard, Waveform


def check_input(card: CodecCard, waveform: Waveform) -> None:
    """Raise CodecError unless the codec of ``card`` can encode ``waveform``.

    It must be finite ``[channels, time]`` with at least one sample, at the card's channel count and
    sample rate in Hz (a card's rate of 0 takes any).
    """
    if problem := _problem(card, waveform):
        raise CodecError(f"{card.name}: {problem}")


def _problem(card: CodecCard, waveform: Waveform) -> str:
    if waveform.samples.ndim != 2:
        return f"audio has shape {waveform.samples.shape}; give it as [channels, time]"
    if waveform.num_channels != card.channels:
        return f"takes {card.channels} channel(s), got {waveform.num_channels}; mix the audio first"
    if waveform.sample_rate <= 0 or card.sample_rate not in (0, waveform.sample_rate):
        wanted = f"{card.sample_rate} Hz" if card.sample_rate else "a sample rate above 0"
        return f"takes {wanted}, got {waveform.sample_rate} Hz; resample the audio first"
    if waveform.num_samples == 0:
        return "the audio is empty; give at least one sample"
    if not np.isfinite(waveform.samples).all():
        return "the audio holds NaN or infinite samples; repair it first"
    return ""
