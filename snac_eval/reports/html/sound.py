"""Audio and spectrograms of the report, small enough to travel inside of one HTML file.

Every version of a clip takes the same way: the same rate, the same gain, the same excerpt, 16-bit
FLAC. What a listener hears between two of them is then the codec and nothing else.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import soundfile
from numpy.typing import NDArray

from snac_eval import audio
from snac_eval.metrics.spectral import hz_to_mel, magnitudes, mel_filters
from snac_eval.types import Waveform

EXCERPTS_S = (15.0, 8.0, 4.0)
SPECTROGRAM_RANGE_DB = 80.0
DIFFERENCE_RANGE_DB = 30.0
LEVEL_COLOURS, DIFFERENCE_COLOURS = "magma", "RdBu_r"
_WINDOW = 1024
_IMAGE_SIZE = (360, 96)
_TICKS_HZ = (500, 1000, 2000, 4000, 8000, 16000)
_STEPS_S = (0.1, 0.2, 0.5, 1, 2, 5, 10)
_MOST_TICKS = 6
_FULL_SCALE = 0.999
# Silence has no peak to show levels against.
_QUIETEST_PEAK_DB = -60.0


@dataclass(frozen=True, slots=True)
class ReportClip:
    """One clip as the report plays it.

    ``estimates`` are what each run made of it, by the run's label, in any rate; all may be cut
    behind the longest of :data:`EXCERPTS_S`, ``total_s`` is the whole length in seconds.
    ``reference`` None: there is nothing to play. ``problems`` says for other runs why there is
    nothing of them.
    """

    clip_id: str
    reference: Waveform | None
    estimates: Mapping[str, Waveform]
    total_s: float
    problems: Mapping[str, str] = field(default_factory=dict)
    group: int = 0
    """Of its dataset among those of the page."""
    transcript: str = ""


@dataclass(frozen=True, slots=True)
class Version:
    """One side of a clip: data URIs of its sound, its spectrogram and the difference from the
    reference (empty for the reference itself). ``label`` is the run's, empty for the reference."""

    label: str
    sound: str
    spectrogram: str
    difference: str


@dataclass(frozen=True, slots=True)
class Axes:
    """What stands beside a spectrogram: texts, and where each stands as a share of its side, from
    the top or the left."""

    size: tuple[int, int]
    """Of the picture in pixels."""
    khz: tuple[tuple[str, float], ...]
    seconds: tuple[tuple[str, float], ...]

    @classmethod
    def of(cls, length_s: float, top_hz: float) -> Axes:
        """Axes of so many seconds, up to this frequency."""
        top = hz_to_mel(top_hz)
        khz = [(hz, 1 - hz_to_mel(hz) / top) for hz in _TICKS_HZ if hz < 0.9 * top_hz]
        step = next((one for one in _STEPS_S if length_s / one <= _MOST_TICKS), _STEPS_S[-1])
        times = [step * place for place in range(int(0.95 * length_s / step) + 1)]
        return cls(
            _IMAGE_SIZE,
            tuple((f"{hz / 1000:g} k", round(at, 4)) for hz, at in khz),
            tuple((f"{at:g}" if at else "0 s", round(at / length_s, 4)) for at in times),
        )


@dataclass(frozen=True, slots=True)
class PlayableClip:
    """The versions of one clip, the reference first (none: nothing to play); lengths in seconds,
    frequency in Hz."""

    clip_id: str
    versions: tuple[Version, ...]
    problems: Mapping[str, str]
    length_s: float
    total_s: float
    top_hz: float
    group: int = 0
    transcript: str = ""

    @property
    def axes(self) -> Axes:
        """Of its spectrograms."""
        return Axes.of(self.length_s, self.top_hz)

    @property
    def num_bytes(self) -> int:
        """What the clip adds to the file."""
        parts = ((one.sound, one.spectrogram, one.difference) for one in self.versions)
        return sum(len(uri) for uris in parts for uri in uris)


def fit(clips: Sequence[ReportClip], max_bytes: int) -> list[PlayableClip]:
    """The clips in their order, as many as ``max_bytes`` hold.

    Excerpts are shortened (:data:`EXCERPTS_S`) before any clip is left out. Callers compare the
    lengths to say what was.
    """
    for length_s in EXCERPTS_S:
        made = list(_until(max_bytes, (playable(clip, length_s) for clip in clips)))
        if len(made) == len(clips):
            break
    return made


def _until(max_bytes: int, clips: Iterable[PlayableClip]) -> Iterable[PlayableClip]:
    for clip in clips:
        max_bytes -= clip.num_bytes
        if max_bytes < 0:
            return
        yield clip


def playable(clip: ReportClip, length_s: float) -> PlayableClip:
    """The first ``length_s`` seconds of every version, at the reference's sample rate."""
    said = clip.group, clip.transcript
    if clip.reference is None:
        return PlayableClip(clip.clip_id, (), clip.problems, 0.0, clip.total_s, 0.0, *said)
    rate = clip.reference.sample_rate
    length = min(round(length_s * rate), clip.reference.num_samples)
    sides = {"": clip.reference, **clip.estimates}
    cut = {label: _excerpt(one, rate, length) for label, one in sides.items()}
    loudest = max(float(np.abs(one).max()) for one in cut.values())
    gain = _FULL_SCALE / max(_FULL_SCALE, loudest)
    spectra = {label: spectrogram_db(one.mean(axis=0), rate) for label, one in cut.items()}
    peak = max(float(spectra[""].max()), _QUIETEST_PEAK_DB)
    versions = [
        Version(
            label=label,
            sound=_uri("audio/flac", flac(Waveform(samples * np.float32(gain), rate))),
            spectrogram=_uri("image/webp", level_image(spectra[label] - peak)),
            difference=_difference(spectra[label], spectra[""], peak) if label else "",
        )
        for label, samples in cut.items()
    ]
    lengths = (length / rate, clip.total_s, rate / 2)
    return PlayableClip(clip.clip_id, tuple(versions), clip.problems, *lengths, *said)


def flac(waveform: Waveform) -> bytes:
    """16-bit FLAC, which every current browser plays without a delay of its own."""
    buffer = io.BytesIO()
    samples = waveform.samples.T
    soundfile.write(buffer, samples, waveform.sample_rate, format="FLAC", subtype="PCM_16")
    return buffer.getvalue()


def spectrogram_db(samples: NDArray[np.float32], sample_rate: int) -> NDArray[np.float64]:
    """Mel spectrogram of ``samples [time]`` in dB, ``[mel, frame]``, low frequencies first."""
    padded = np.pad(samples, (0, max(0, 2 * _WINDOW - len(samples))))
    filters = mel_filters(sample_rate, _WINDOW, _IMAGE_SIZE[1])
    return 20 * np.log10(np.maximum(magnitudes(padded, _WINDOW, filters).T, 1e-7))


def level_image(relative_db: NDArray[np.float64]) -> bytes:
    """A spectrogram relative to the clip's peak as WebP: -80 dB and below is dark."""
    return _webp(1 + relative_db / SPECTROGRAM_RANGE_DB, LEVEL_COLOURS)


def difference_image(difference_db: NDArray[np.float64]) -> bytes:
    """Estimate minus reference in dB as WebP: blue is missing, red is too much, white is equal."""
    return _webp(0.5 + difference_db / (2 * DIFFERENCE_RANGE_DB), DIFFERENCE_COLOURS)


def _difference(estimate: NDArray[np.float64], reference: NDArray[np.float64], peak: float) -> str:
    # Below the range that the pair of images shows, a difference is one of nothing from nothing.
    floor = peak - SPECTROGRAM_RANGE_DB
    difference = np.maximum(estimate, floor) - np.maximum(reference, floor)
    return _uri("image/webp", difference_image(difference))


def _excerpt(waveform: Waveform, sample_rate: int, length: int) -> NDArray[np.float32]:
    cut = round(length / sample_rate * waveform.sample_rate) + waveform.sample_rate // 10
    head = Waveform(waveform.samples[:, :cut], waveform.sample_rate)
    return audio.fit_length(audio.resample(head, sample_rate), length).samples


def _webp(level: NDArray[np.float64], colours: str) -> bytes:
    from matplotlib import colormaps
    from PIL import Image

    pixels = colormaps[colours](np.clip(level[::-1], 0, 1), bytes=True)[..., :3]
    image = Image.fromarray(np.ascontiguousarray(pixels)).resize(_IMAGE_SIZE)
    buffer = io.BytesIO()
    image.save(buffer, format="WEBP", quality=70, method=4)
    return buffer.getvalue()


def _uri(kind: str, data: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode('ascii')}"
