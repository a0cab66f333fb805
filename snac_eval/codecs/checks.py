"""What goes into a codec, and what comes out: bad input, bad codes and a dead answer fail in one
clear line.

Silence, or too few samples, for a clip that can be heard is a failure of the codec. No metric may
call it "undefined": the clip would drop out of the mean, and a broken codec would win.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from snac_eval.errors import CodecError
from snac_eval.types import CodecCard, Codes, Waveform

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Levels = NDArray[np.float32]

# -70 dBFS, ten steps of 16-bit audio: a codec may round away what is quieter than that.
_AUDIBLE_PEAK = 10 ** (-70 / 20)
# -90 dBFS: less than one step of 16-bit audio.
_SILENT_PEAK = 10 ** (-90 / 20)
# What counts as sound within a clip, below its loudest block: pauses may come back as silence.
_SOUND_RANGE = 10 ** (-40 / 20)
_BLOCK_S = 0.1
# A program that drops the last, unfinished frame loses up to 80 ms (Mimi's frame), and a resampler
# a few samples. Metrics pad as much.
_SHORT_S = 0.1
_SHORT_SHARE = 0.01


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
    outside = low if low < 0 else high if 0 < size <= high else None
    top = size - 1 if size else "2147483647"
    return "" if outside is None else f"holds {outside}, outside 0..{top}"


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


def check_output(clip: Waveform, answer: Waveform, who: str = "the codec") -> None:
    """Raise CodecError where ``answer`` is no answer to ``clip``; the message begins with ``who``.

    It has samples, all finite, and is shorter than the clip by at most the larger of 0.1 s and 1 %,
    and never by half. A channel that can be heard (peak above -70 dBFS) is not answered with
    silence (peak below -90 dBFS, a constant offset aside), neither on the whole nor for more than
    half of the time in which it sounds. Rates may differ; channels are compared one by one where
    both have as many, else all together.
    """
    if problem := _dead(clip, answer):
        raise CodecError(f"{who} {problem}")


def length_notes(excesses: Collection[int]) -> tuple[str, ...]:
    """What a reader must know of decoders that give too few or too many samples, of so many clips:
    ``excesses`` are those beyond each clip's length."""
    notes = []
    ways = (("shorter", "filled up with silence", -1), ("longer", "cut", 1))
    for word, done, sign in ways:
        found = [sign * one for one in excesses if sign * one > 0]
        if found:
            clips = f"{len(found)} of {len(excesses)} clips came back {word}"
            samples = "sample" if max(found) == 1 else "samples"
            notes.append(f"{clips} by up to {max(found)} {samples} ({done})")
    return tuple(notes)


def _dead(clip: Waveform, answer: Waveform) -> str:
    if not answer.samples.size:
        return "returned no samples"
    if not np.isfinite(answer.samples).all():
        return "returned NaN or infinite samples"
    if problem := short_by(clip.duration_s, answer.duration_s):
        return problem
    return next((problem for problem in _silences(clip, answer) if problem), "")


def short_by(clip_s: float, answer_s: float) -> str:
    """How an answer of so many seconds is too short for its clip; empty where it is not."""
    if clip_s - answer_s > min(max(_SHORT_S, _SHORT_SHARE * clip_s), clip_s / 2):
        return f"answered {clip_s:.2f} s of audio with {answer_s:.2f} s"
    return ""


def _silences(clip: Waveform, answer: Waveform) -> Iterator[str]:
    sounds, answers = _levels(clip), _levels(answer)
    if len(sounds) != len(answers):
        sounds, answers = sounds.max(0, keepdims=True), answers.max(0, keepdims=True)
    for index, (sound, levels) in enumerate(zip(sounds, answers, strict=True)):
        which = "clip" if len(sounds) == 1 else f"clip's channel {index + 1}"
        yield _silence(sound, levels, which)


def _silence(sound: Levels, levels: Levels, which: str) -> str:
    """``sound`` and ``levels``: the peaks of the blocks of one channel of the clip and answer."""
    if sound.max() <= _AUDIBLE_PEAK:
        return ""
    if levels.max() < _SILENT_PEAK:
        return f"answered an audible {which} with silence"
    blocks = min(len(sound), len(levels))
    audible = sound[:blocks] > max(_AUDIBLE_PEAK, _SOUND_RANGE * sound.max())
    dead = audible & (levels[:blocks] < _SILENT_PEAK)
    if dead.sum() > audible.sum() / 2:
        seconds = f"{_BLOCK_S * dead.sum():.1f} s of {_BLOCK_S * audible.sum():.1f} s"
        return f"answered an audible {which} with silence for {seconds}"
    return ""


def _levels(waveform: Waveform) -> Levels:
    """Half the range of each block of 0.1 s, ``[channels, blocks]``: its peak, less any offset."""
    samples = waveform.samples
    starts = np.arange(0, waveform.num_samples, max(1, round(_BLOCK_S * waveform.sample_rate)))
    high, low = (one.reduceat(samples, starts, axis=1) for one in (np.maximum, np.minimum))
    levels: Levels = ((high - low) / 2).astype(np.float32)
    return levels


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
