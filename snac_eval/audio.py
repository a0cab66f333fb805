"""Read, resample, mix down and align audio.

Conventions: float32 ``[channels, time]``, full scale -1..1, rates in Hz. Both sides of a pair go
through the same resampler (soxr HQ): mixing two drops *identical* audio from 4.64 to 4.58 PESQ.
"""

from __future__ import annotations

import hashlib
import math
import os
import posixpath
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from snac_eval.errors import AudioError, detail, readable
from snac_eval.locations import Location, Url
from snac_eval.reading.files import Facts, measure, powers, samples
from snac_eval.reading.names import composed
from snac_eval.types import Clip, Waveform

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from snac_eval.types import FloatArray

RESAMPLER = "soxr-HQ"
AUDIO_SUFFIXES = frozenset(
    {
        ".aac",
        ".ac3",
        ".aif",
        ".aifc",
        ".aiff",
        ".amr",
        ".ape",
        ".au",
        ".caf",
        ".flac",
        ".m4a",
        ".m4b",
        ".mka",
        ".mp2",
        ".mp3",
        ".mpc",
        ".oga",
        ".ogg",
        ".opus",
        ".rf64",
        ".snd",
        ".sph",
        ".tta",
        ".w64",
        ".wav",
        ".weba",
        ".wma",
        ".wv",
    }
)
"""Suffixes by which files are found in folders; what they hold decides how they are read."""
MAX_CHANNELS = 2
END_TOLERANCE_S = 0.5
"""An excerpt may end so much after its file, as in Kaldi and lhotse; it is cut there."""
CUT_AT_END = f"end up to {END_TOLERANCE_S:g} s before the excerpt that their list names: cut there"


def probe(path: Location, at_most_s: float = math.inf) -> Facts:
    """Length, sample rate and channels of a file, measured (:mod:`snac_eval.reading.files`).

    Raises AudioError when the file is missing or no audio.
    """
    return measure(path, at_most_s)


def read(path: Location, start_s: float = 0.0, length_s: float | None = None) -> Waveform:
    """Samples of a file, or of an excerpt of it.

    Raises AudioError when the file is missing, no audio, empty, does not fit the memory, or holds
    NaN or infinity.
    """
    waveform = samples(path, start_s, length_s)
    if waveform.num_samples == 0:
        raise AudioError(f"{readable(path)}: holds no samples; repair or remove it")
    if not all(np.isfinite(channel).all() for channel in waveform.samples):
        raise AudioError(f"{readable(path)}: holds NaN or infinite samples; repair or remove it")
    return waveform


def read_clip(clip: Clip, max_duration_s: float) -> Waveform:
    """Samples of a clip, checked against the length and the channel count that can be scored."""
    if clip.problem:
        raise AudioError(clip.problem)
    if clip.duration_s > max_duration_s:
        raise AudioError(
            f"{readable(clip.path)}: lasts at least {clip.duration_s:.0f} s, more than"
            f" --max-duration {max_duration_s:g}; cut it with a manifest (start, duration) or"
            " --excerpt, or raise the limit"
        )
    if clip.num_channels > MAX_CHANNELS:
        raise AudioError(
            f"{readable(clip.path)}: has {clip.num_channels} channels; only mono and stereo are"
            " scored, mix it down first"
        )
    return read(clip.path, clip.start_s, clip.length_s)


def write(path: Path, waveform: Waveform) -> None:
    """Write 32-bit float WAV, or another suffix's format. Raises AudioError when that fails."""
    import soundfile

    subtype = "FLOAT" if path.suffix.lower() == ".wav" else None
    try:
        soundfile.write(
            os.fsencode(path), waveform.samples.T, waveform.sample_rate, subtype=subtype
        )
    except (soundfile.LibsndfileError, OSError) as error:
        raise AudioError(f"{readable(path)}: cannot write audio here: {detail(error)}") from error


def resample(waveform: Waveform, sample_rate: int) -> Waveform:
    """The same audio at another rate (soxr, high quality); itself when the rate is the same."""
    if waveform.sample_rate == sample_rate:
        return waveform
    import soxr

    resampled = soxr.resample(waveform.samples.T, waveform.sample_rate, sample_rate, quality="HQ")
    return Waveform(np.ascontiguousarray(resampled.T, dtype=np.float32), sample_rate)


def as_heard(decoded: Waveform, sample_rate: int, num_samples: int) -> Waveform:
    """What a codec decoded as it takes audio: at the rate that goes in (0: any) and ``num_samples``
    long; itself where the same rate comes out."""
    if sample_rate in (0, decoded.sample_rate):
        return decoded
    return fit_length(resample(decoded, sample_rate), num_samples)


def resample_blocks(
    blocks: Iterable[FloatArray], sample_rate: int, new_rate: int
) -> Iterator[FloatArray]:
    """:func:`resample` of mono audio ``[1, time]`` as it comes in: the same samples, to the bit."""
    if sample_rate == new_rate:
        yield from blocks
        return
    import soxr

    stream = soxr.ResampleStream(sample_rate, new_rate, 1, dtype="float32", quality="HQ")
    for block in blocks:
        yield stream.resample_chunk(np.ascontiguousarray(block[0]))[None]
    yield stream.resample_chunk(np.empty(0, np.float32), last=True)[None]


def to_mono(waveform: Waveform) -> Waveform:
    """Mean of the channels; itself when there is one."""
    if waveform.num_channels == 1:
        return waveform
    return replace(waveform, samples=waveform.samples.mean(axis=0, keepdims=True))


def fill_channels(waveform: Waveform, num_channels: int) -> Waveform:
    """A mono signal repeated on ``num_channels`` channels; any other signal as it is.

    ``num_channels`` 0 stands for any number: the signal stays mono.
    """
    if waveform.num_channels != 1 or num_channels <= 1:
        return waveform
    return replace(waveform, samples=np.repeat(waveform.samples, num_channels, axis=0))


@dataclass(frozen=True, slots=True)
class Fitted(Waveform):
    """Audio that a decoder gave, brought to the length of its clip."""

    excess: int = 0
    """Samples that it gave beyond these; negative: so many at the end are silence instead."""


def with_white_noise(waveform: Waveform, snr_db: float, seed: int) -> Waveform:
    """The waveform with white Gaussian noise ``snr_db`` below its mean power, which is over all its
    channels and the whole of it; silence stays as it is."""
    samples = waveform.samples
    power = float(np.mean(np.square(samples, dtype=np.float64))) if samples.size else 0.0
    level = np.float32(np.sqrt(power * 10 ** (-snr_db / 10)))
    drawn = np.random.default_rng(seed).standard_normal(samples.shape, dtype=np.float32)
    return replace(waveform, samples=samples + level * drawn)


def fit_length(waveform: Waveform, num_samples: int) -> Waveform:
    """Trim or zero-pad at the end to exactly ``num_samples``; says how much was missing."""
    missing = num_samples - waveform.num_samples
    if missing <= 0:
        return replace(waveform, samples=waveform.samples[:, :num_samples])
    padded = np.pad(waveform.samples, ((0, 0), (0, missing)))
    return Fitted(padded, waveform.sample_rate, -missing)


def speech_like(num_samples: int, sample_rate: int, channels: int = 1, seed: int = 0) -> Waveform:
    """Synthetic talk: gliding harmonics under syllables, breath between them, some pauses.

    The same seed gives the same audio. Every channel holds the same; 0 channels stand for any
    number, and give one. Codecs whose cost depends on the signal (Opus) see neither silence nor a
    steady tone.
    """
    rng = np.random.default_rng(seed)
    seconds = np.arange(num_samples) / sample_rate
    drift = rng.uniform(0, 2 * np.pi, 3)
    pitch = rng.uniform(90, 220) * (1 + 0.15 * np.sin(2 * np.pi * 0.4 * seconds + drift[0]))
    phase = 2 * np.pi * np.cumsum(pitch) / sample_rate
    harmonics = range(1, max(2, int(min(4000, 0.4 * sample_rate) / 220)))
    voice = sum((np.sin(k * phase) / k for k in harmonics), start=np.zeros(num_samples))
    syllables = np.clip(np.sin(2 * np.pi * 1.7 * seconds + drift[1]), 0, 1) ** 0.5
    talking = np.sin(2 * np.pi * 0.23 * seconds + drift[2]) > -0.8
    breath = 0.02 * rng.standard_normal(num_samples) * (1 - syllables)
    mono = (0.15 * voice * syllables + breath) * talking + 1e-4 * rng.standard_normal(num_samples)
    return Waveform(np.tile(mono.astype(np.float32), (max(1, channels), 1)), sample_rate)


def measure_delay(reference: NDArray[np.float32], estimate: NDArray[np.float32], limit: int) -> int:
    """Samples by which ``estimate [time]`` lags ``reference [time]``, within ``limit``.

    The peak of the magnitude of the cross-correlation, so that an inverted signal still aligns.
    """
    from scipy.signal import correlate

    correlation = np.abs(correlate(estimate.astype(np.float64), reference.astype(np.float64)))
    zero = len(reference) - 1
    low, high = max(0, zero - limit), min(len(correlation), zero + limit + 1)
    return int(np.argmax(correlation[low:high])) + low - zero


def file_sha256(path: Path) -> str:
    """Hex digest of a file's bytes."""
    status = path.stat()
    return _digest(path, status.st_mtime_ns, status.st_size)


@lru_cache(maxsize=1024)
def _digest(path: Path, _modified_ns: int, _size: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def make_clip(path: Location, root: Location, **fields: Any) -> Clip:  # noqa: ANN401 - fields of Clip
    """A clip of one file below ``root``. The file itself is not read.

    ``fields`` are any other fields of :class:`Clip`. Without an ``id`` among them, the id is the
    relative path without its suffix. Here alone names become ids: accents are composed, and what
    no file or terminal can hold is escaped (:func:`snac_eval.errors.readable`).
    """
    relative = _relative(path, root)
    known = {"id": posixpath.splitext(relative)[0], **fields}
    for name in ("id", "speaker"):
        known[name] = readable(composed(known.get(name, "")))
    known["transcript"] = known.get("transcript", "").encode(errors="backslashreplace").decode()
    return Clip(**known, path=path, relative_path=relative)


def _relative(path: Location, root: Location) -> str:
    try:
        if isinstance(path, Url) and isinstance(root, Url):
            return path.relative_to(root).as_posix()
        if isinstance(path, Path) and isinstance(root, Path):
            return path.relative_to(root).as_posix()
    except ValueError:
        pass
    return path.name


def inspect(clip: Clip, longest_s: float = math.inf) -> Clip:
    """The clip with what its file says: digest, duration, rate and channels, or the problem.

    A file that cannot be read, or that is too short for the excerpt, becomes a clip with
    ``problem`` set, so that one bad file costs one error row and not the run. A whole file that
    lasts longer than ``longest_s`` is not measured to its end.
    """
    if clip.sha256:
        return clip
    whole = clip.start_s == 0 and clip.length_s is None
    try:
        facts = probe(clip.path, longest_s if whole else math.inf)
        digest = facts.sha256 if isinstance(clip.path, Url) else file_sha256(clip.path)
    except (AudioError, OSError) as error:
        digest = hashlib.sha256(f"unreadable:{readable(clip.path)}".encode()).hexdigest()
        return replace(clip, sha256=digest, problem=readable(error))
    known = replace(
        clip,
        sha256=digest,
        duration_s=facts.duration_s,
        sample_rate=facts.sample_rate,
        num_channels=facts.num_channels,
        remarks=facts.remarks,
    )
    return known if whole else _inspect_excerpt(known, facts.duration_s)


def clip_list_digest(ids: Iterable[str]) -> str:
    """SHA-256 of the ids of clips, sorted, one a line: the same whatever their order."""
    return hashlib.sha256("\n".join(sorted(ids)).encode()).hexdigest()


def excerpt_digest(content: str, start_s: float, length_s: float | None) -> str:
    """SHA-256 of a file's digest ``content`` and of an excerpt's start and length in seconds."""
    return hashlib.sha256(f"{content}:{start_s!r}:{length_s!r}".encode()).hexdigest()


def power_envelope(
    path: Location, hop_s: float, start_s: float = 0.0, length_s: float | None = None
) -> NDArray[np.float64]:
    """Mean square of each ``hop_s`` seconds of a file, over all channels: ``[hops]``.

    Memory is bounded. Raises AudioError as :func:`read` does.
    """
    found = powers(path, hop_s, start_s, length_s)
    if not found or not np.isfinite(found).all():
        raise AudioError(
            f"{readable(path)}: holds no samples, or NaN or infinity; repair or remove it"
        )
    return np.asarray(found)


def _inspect_excerpt(clip: Clip, total_s: float) -> Clip:
    """An excerpt that ends a little after its file is cut there: lists round their lengths."""
    left_s = total_s - clip.start_s
    length_s = left_s if clip.length_s is None else clip.length_s
    digest = excerpt_digest(clip.sha256, clip.start_s, clip.length_s)
    if left_s <= 0 or length_s > left_s + END_TOLERANCE_S:
        problem = (
            f"{readable(clip.path)}: lasts {total_s:.3f} s, too short for start {clip.start_s:g}"
            f" and duration {clip.length_s}; correct the manifest"
        )
        return replace(clip, sha256=digest, problem=problem)
    remarks = (*clip.remarks, CUT_AT_END) if length_s > left_s + 1e-3 else clip.remarks
    return replace(clip, sha256=digest, duration_s=min(length_s, left_s), remarks=remarks)
