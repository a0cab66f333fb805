"""What every adapter refuses before it encodes, and what is refused of codes before they are kept:
bad input and bad codes fail with one clear line."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from snac_eval.errors import CodecError
from snac_eval.types import CodecCard, Codes, Waveform


def check_input(card: CodecCard, waveform: Waveform) -> None:
    """Raise CodecError unless the codec of ``card`` can encode ``waveform``.

    It must be finite ``[channels, time]`` with at least one sample, at the card's channel count and
    sample rate in Hz (a card's rate of 0 takes any).
    """
    if problem := _problem(card, waveform):
        raise CodecError(f"{card.name}: {problem}")


def check_codes(card: CodecCard, codes: object, num_samples: int) -> None:
    """Raise CodecError unless ``codes`` are what the codec of ``card`` may make of a clip.

    Streams are one-dimensional arrays of integers within their codebooks, as many and as large as
    the card says (a card without codebooks allows any); packets are bytes; ``num_samples`` is the
    length of the clip as the codec was given it.
    """
    if not isinstance(codes, Codes):
        raise CodecError(
            f"{card.name}: encode returned {type(codes).__name__}, no snac_eval.types.Codes"
        )
    if problem := _codes_problem(card, codes, num_samples):
        raise CodecError(f"{card.name}: {problem}")


def _codes_problem(card: CodecCard, codes: Codes, num_samples: int) -> str:
    sizes = codes.codebook_sizes
    if codes.num_samples != num_samples:
        return f"codes say {codes.num_samples} samples, the clip has {num_samples}"
    if len(codes.streams) != len(sizes):
        return f"codes have {len(codes.streams)} streams and {len(sizes)} codebooks"
    if card.codebook_sizes and tuple(sizes) != card.codebook_sizes:
        return f"codes are of codebooks {_list(sizes)}, the card says {_list(card.codebook_sizes)}"
    for index, (stream, size) in enumerate(zip(codes.streams, sizes, strict=True)):
        if problem := _stream_problem(stream, size):
            return f"stream {index} {problem}"
    return _bytes_problem(codes)


def _stream_problem(stream: Any, size: int) -> str:  # noqa: ANN401 - whatever the codec gave
    if not isinstance(stream, np.ndarray) or stream.dtype.kind not in "iu":
        kind = stream.dtype if isinstance(stream, np.ndarray) else type(stream).__name__
        return f"is {kind}; it must be a NumPy array of integers"
    if stream.ndim != 1:
        return f"has shape {list(stream.shape)}; it must be [time]"
    if not stream.size:
        return ""
    low, high = int(stream.min()), int(stream.max())
    outside = low if low < 0 else high if high >= size else None
    return "" if outside is None else f"holds {outside}, outside 0..{size - 1}"


def _bytes_problem(codes: Codes) -> str:
    given: dict[str, object] = {"side_info": codes.side_info, "header": codes.header}
    for name, value in given.items():
        if not isinstance(value, bytes):
            return f"{name} is {type(value).__name__}; it must be bytes"
    if not all(isinstance(packet, bytes) for packet in codes.packets):
        return "a packet is no bytes"
    longest = 8 * min(map(len, codes.packets), default=0)
    if codes.packets and not 0 <= codes.packet_bits <= longest:
        return f"packets say {codes.packet_bits} bits, the shortest holds {longest}"
    return ""


def _list(sizes: Sequence[int]) -> str:
    return ", ".join(map(str, sizes))


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
