"""Read, resample, mix down and align audio.

Conventions: float32 ``[channels, time]``, full scale -1..1, rates in Hz. Both sides of a pair go
through the same resampler (soxr HQ): mixing two drops *identical* audio from 4.64 to 4.58 PESQ.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from snac_eval.errors import AudioError, detail
from snac_eval.types import Clip, Waveform
from snac_eval.writing import require_file

if TYPE_CHECKING:
    from numpy.typing import NDArray

RESAMPLER = "soxr-HQ"
AUDIO_SUFFIXES = frozenset(
    {
        ".wav",
        ".flac",
        ".mp3",
        ".ogg",
        ".opus",
        ".oga",
        ".aif",
        ".aiff",
        ".au",
        ".m4a",
        ".aac",
        ".w64",
    }
)
_PYAV_SUFFIXES = frozenset({".m4a", ".aac"})
MAX_CHANNELS = 2


def probe(path: Path) -> tuple[float, int, int]:
    """Duration in seconds, sample rate in Hz and channel count, from the header alone.

    Raises AudioError when the file is missing or no audio.
    """
    if path.suffix.lower() in _PYAV_SUFFIXES:
        waveform = _decode_pyav(path)
        return waveform.duration_s, waveform.sample_rate, waveform.num_channels
    import soundfile

    try:
        info = soundfile.info(str(path))
    except (soundfile.LibsndfileError, OSError, TypeError) as error:
        raise AudioError(_unreadable(path, error)) from error
    return info.frames / info.samplerate, int(info.samplerate), int(info.channels)


def read(path: Path, start_s: float = 0.0, length_s: float | None = None) -> Waveform:
    """Samples of a file, or of an excerpt of it.

    Raises AudioError when the file is missing, no audio, empty, or holds NaN or infinity.
    """
    if path.suffix.lower() in _PYAV_SUFFIXES:
        waveform = _cut(_decode_pyav(path), start_s, length_s)
    else:
        waveform = _read_soundfile(path, start_s, length_s)
    if waveform.num_samples == 0:
        raise AudioError(f"{path}: holds no samples; remove it from the dataset")
    if not np.isfinite(waveform.samples).all():
        raise AudioError(f"{path}: holds NaN or infinite samples; repair or remove it")
    return waveform


def read_clip(clip: Clip, max_duration_s: float) -> Waveform:
    """Samples of a clip, checked against the length and the channel count that can be scored."""
    if clip.problem:
        raise AudioError(clip.problem)
    if clip.duration_s > max_duration_s:
        raise AudioError(
            f"{clip.path}: lasts {clip.duration_s:.0f} s, more than"
            f" --max-duration {max_duration_s:g}; cut it with a manifest (start, duration) or"
            " raise the limit"
        )
    if clip.num_channels > MAX_CHANNELS:
        raise AudioError(
            f"{clip.path}: has {clip.num_channels} channels; only mono and stereo are scored,"
            " mix it down first"
        )
    return read(clip.path, clip.start_s, clip.length_s)


def write(path: Path, waveform: Waveform) -> None:
    """Write 32-bit float WAV, or another suffix's format. Raises AudioError when that fails."""
    import soundfile

    subtype = "FLOAT" if path.suffix.lower() == ".wav" else None
    try:
        soundfile.write(str(path), waveform.samples.T, waveform.sample_rate, subtype=subtype)
    except (soundfile.LibsndfileError, OSError) as error:
        raise AudioError(f"{path}: cannot write audio here: {error}") from error


def resample(waveform: Waveform, sample_rate: int) -> Waveform:
    """The same audio at another rate (soxr, high quality); itself when the rate is the same."""
    if waveform.sample_rate == sample_rate:
        return waveform
    import soxr

    resampled = soxr.resample(waveform.samples.T, waveform.sample_rate, sample_rate, quality="HQ")
    return Waveform(np.ascontiguousarray(resampled.T, dtype=np.float32), sample_rate)


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


def fit_length(waveform: Waveform, num_samples: int) -> Waveform:
    """Trim or zero-pad at the end to exactly ``num_samples``."""
    missing = num_samples - waveform.num_samples
    if missing <= 0:
        return replace(waveform, samples=waveform.samples[:, :num_samples])
    return replace(waveform, samples=np.pad(waveform.samples, ((0, 0), (0, missing))))


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


def make_clip(path: Path, root: Path, **fields: Any) -> Clip:  # noqa: ANN401 - fields of Clip
    """A clip of one file below ``root``. The file itself is not read.

    ``fields`` are any other fields of :class:`Clip`. Without an ``id`` among them, the id is the
    relative path without its suffix.
    """
    relative = path.relative_to(root).as_posix() if path.is_relative_to(root) else path.name
    name = Path(relative).with_suffix("").as_posix()
    return Clip(**{"id": name, **fields}, path=path, relative_path=relative)


def inspect(clip: Clip) -> Clip:
    """The clip with what its file says: digest, duration, rate and channels, or the problem.

    A file that cannot be read, or that is too short for the excerpt, becomes a clip with
    ``problem`` set, so that one bad file costs one error row and not the run.
    """
    if clip.sha256:
        return clip
    try:
        if clip.path.exists():
            require_file(clip.path)
        total_s, sample_rate, num_channels = probe(clip.path)
        digest = file_sha256(clip.path)
    except (AudioError, OSError) as error:
        digest = hashlib.sha256(f"unreadable:{clip.path}".encode()).hexdigest()
        return replace(clip, sha256=digest, problem=str(error))
    known = replace(clip, sha256=digest, sample_rate=sample_rate, num_channels=num_channels)
    if clip.start_s == 0 and clip.length_s is None:
        return replace(known, duration_s=total_s)
    return _inspect_excerpt(known, total_s)


def clip_list_digest(clips: Sequence[Clip]) -> str:
    """SHA-256 of the clips' ids, sorted, one a line: the same whatever the order of the clips."""
    return hashlib.sha256("\n".join(sorted(clip.id for clip in clips)).encode()).hexdigest()


def excerpt_digest(content: str, start_s: float, length_s: float | None) -> str:
    """SHA-256 of a file's digest ``content`` and of an excerpt's start and length in seconds."""
    return hashlib.sha256(f"{content}:{start_s!r}:{length_s!r}".encode()).hexdigest()


def power_envelope(
    path: Path, hop_s: float, start_s: float = 0.0, length_s: float | None = None
) -> NDArray[np.float64]:
    """Mean square of each ``hop_s`` seconds of a file, over all channels: ``[hops]``.

    Memory is bounded for the formats that soundfile reads. Raises AudioError as :func:`read` does.
    """
    if path.suffix.lower() in _PYAV_SUFFIXES:
        waveform = read(path, start_s, length_s)
        hop = max(1, round(hop_s * waveform.sample_rate))
        blocks = np.split(waveform.samples, range(hop, waveform.num_samples, hop), axis=1)
        powers = [float(np.square(block, dtype=np.float64).mean()) for block in blocks]
    else:
        powers = list(_powers(path, hop_s, start_s, length_s))
    if not powers or not np.isfinite(powers).all():
        raise AudioError(f"{path}: holds no samples, or NaN or infinity; repair or remove it")
    return np.asarray(powers)


def _powers(path: Path, hop_s: float, start_s: float, length_s: float | None) -> Iterator[float]:
    import soundfile

    try:
        with soundfile.SoundFile(str(path)) as file:
            rate = int(file.samplerate)
            file.seek(min(round(start_s * rate), file.frames))
            frames = -1 if length_s is None else round(length_s * rate)
            for block in file.blocks(max(1, round(hop_s * rate)), frames=frames, always_2d=True):
                yield float(np.square(block).mean())
    except (soundfile.LibsndfileError, OSError, TypeError) as error:
        raise AudioError(_unreadable(path, error)) from error


def _inspect_excerpt(clip: Clip, total_s: float) -> Clip:
    left_s = total_s - clip.start_s
    length_s = left_s if clip.length_s is None else clip.length_s
    digest = excerpt_digest(clip.sha256, clip.start_s, clip.length_s)
    if left_s <= 0 or length_s > left_s + 1e-3:
        problem = (
            f"{clip.path}: lasts {total_s:.3f} s, too short for start {clip.start_s:g} and"
            f" duration {clip.length_s}; correct the manifest"
        )
        return replace(clip, sha256=digest, problem=problem)
    return replace(clip, sha256=digest, duration_s=min(length_s, left_s))


def _read_soundfile(path: Path, start_s: float, length_s: float | None) -> Waveform:
    import soundfile

    try:
        with soundfile.SoundFile(str(path)) as file:
            rate = int(file.samplerate)
            file.seek(min(round(start_s * rate), file.frames))
            frames = -1 if length_s is None else round(length_s * rate)
            samples = file.read(frames, dtype="float32", always_2d=True)
    except (soundfile.LibsndfileError, OSError, TypeError) as error:
        raise AudioError(_unreadable(path, error)) from error
    return Waveform(np.ascontiguousarray(samples.T), rate)


def _decode_pyav(path: Path) -> Waveform:
    import av
    from av.audio.resampler import AudioResampler

    try:
        with av.open(str(path)) as container:
            stream = container.streams.audio[0]
            rate = int(stream.rate)
            resampler = AudioResampler(format="fltp", rate=rate)
            frames = [
                part for frame in container.decode(stream) for part in resampler.resample(frame)
            ]
            blocks = [frame.to_ndarray() for frame in frames]
    except (av.error.FFmpegError, OSError, IndexError) as error:
        raise AudioError(_unreadable(path, error)) from error
    if not blocks:
        raise AudioError(f"{path}: holds no samples; remove it from the dataset")
    return Waveform(np.concatenate(blocks, axis=1).astype(np.float32), rate)


def _cut(waveform: Waveform, start_s: float, length_s: float | None) -> Waveform:
    start = round(start_s * waveform.sample_rate)
    end = None if length_s is None else start + round(length_s * waveform.sample_rate)
    return replace(waveform, samples=waveform.samples[:, start:end])


def _unreadable(path: Path, error: Exception) -> str:
    if not path.exists():
        return f"{path}: no such file"
    return f"{path}: cannot be read as audio ({detail(error)}); repair or remove it"
