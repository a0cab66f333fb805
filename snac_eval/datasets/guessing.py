"""Do clips look like speech? Asked where nothing says what they are, and only ever offered.

A look at a few clips costs some tenths of a second. Each is speech if it has all that talk has and
music seldom has together: a level that moves at the rate of syllables and deeply, vowels that
alternate with hisses, and a voice whose pitch glides instead of resting on notes. docs/datasets.md
says how often that was right.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from snac_eval import audio
from snac_eval.errors import AudioError
from snac_eval.locations import Url
from snac_eval.types import Clip, Waveform

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Signal = NDArray[np.float64]

MOST_CLIPS = 6
LONGEST_S = 6.0
SHARE = 0.8
"""So many of the clips that were looked at must be speech."""
_SHORTEST_S = 1.5
_RATE = 16000
_HOP, _WINDOW, _BINS = 160, 400, 512
_VOICE_WINDOW, _VOICE_BINS, _VOICE_LAGS = 800, 1080, slice(40, 230)
_ACTIVE_DB = 30.0
_NO_SPEECH = re.compile(
    r"(?<![a-z])(music|songs?|drums?|piano|guitar|instrumental|band|orchestra|sfx|noises?)(?![a-z])",
    re.IGNORECASE,
)


class Look(NamedTuple):
    """What is measured of a clip."""

    syllables: float
    """Of the envelope's movement at 0.25 to 25 Hz, the share at 2 to 8 Hz."""
    depth: float
    """Standard deviation of the envelope over its mean."""
    alternation_db: float
    """Standard deviation of the level above 3 kHz against that of 100 Hz to 1 kHz."""
    low: float
    """Share of the power that lies at 100 Hz to 1 kHz."""
    voiced: float
    """Share of the active frames that have a pitch."""
    gliding: float
    """Share of the steps from one voiced frame to the next that move by 0.15 semitones or more."""

    @property
    def is_speech(self) -> bool:
        """Whether all of it is as in speech."""
        moves = self.syllables >= 0.2 and self.depth >= 0.65
        sounds = 11 <= self.alternation_db <= 35 and self.low >= 0.05
        return moves and sounds and self.voiced >= 0.15 and self.gliding >= 0.25


def looks_like_speech(clips: Sequence[Clip]) -> str:
    """``look like speech at 16 kHz``, or nothing where that is not sure.

    Takes inspected clips. Those at an address, which would have to be fetched for it, are not
    looked at. Raises nothing: a clip that cannot be read says nothing.
    """
    here = [clip for clip in clips if not (clip.problem or isinstance(clip.path, Url))]
    if not here or any(_NO_SPEECH.search(clip.relative_path) for clip in here):
        return ""
    places = np.linspace(0, len(here) - 1, min(MOST_CLIPS, len(here))).round().astype(int)
    chosen = [here[place] for place in places]
    looks = [found for clip in chosen if (found := _look_at(clip)) is not None]
    if sum(one.is_speech for one in looks) < max(1.0, SHARE * len(looks)):
        return ""
    rates = {clip.sample_rate for clip in chosen}
    return "look like speech" + (f" at {rates.pop() / 1000:g} kHz" if len(rates) == 1 else "")


def look(waveform: Waveform) -> Look:
    """What is measured of a waveform of at least a second, at any rate."""
    mono = audio.resample(audio.to_mono(waveform), _RATE).samples[0].astype(np.float64)
    power = np.abs(np.fft.rfft(_frames(mono, _WINDOW), _BINS)) ** 2
    level = 10 * np.log10(power.sum(axis=1) + 1e-12)
    active = level > np.percentile(level, 95) - _ACTIVE_DB
    low, high = _band(power, 100, 1000), _band(power, 3000, 8000)
    tilt = 10 * np.log10((high + 1e-10) / (low + 1e-10))
    return Look(
        *_movement(np.sqrt(_band(power, 200, 4000))),
        float(tilt[active].std()),
        float(low.sum() / (power.sum() + 1e-12)),
        *_voice(mono, active),
    )


def _look_at(clip: Clip) -> Look | None:
    if clip.duration_s < _SHORTEST_S:
        return None
    length_s = min(LONGEST_S, clip.duration_s)
    start_s = clip.start_s + (clip.duration_s - length_s) / 2
    try:
        return look(audio.read(clip.path, start_s, length_s))
    except AudioError:
        return None


def _frames(mono: Signal, length: int) -> Signal:
    frames = np.lib.stride_tricks.sliding_window_view(mono, length)[::_HOP]
    return np.asarray(frames * np.hanning(length))


def _band(power: Signal, low: float, high: float) -> Signal:
    hertz = np.fft.rfftfreq(_BINS, 1 / _RATE)
    return np.asarray(power[:, (hertz > low) & (hertz < high)].sum(axis=1))


def _movement(envelope: Signal) -> tuple[float, float]:
    envelope = envelope / (envelope.mean() + 1e-12)
    moved = np.abs(np.fft.rfft((envelope - envelope.mean()) * np.hanning(len(envelope)))) ** 2
    hertz = np.fft.rfftfreq(len(envelope), _HOP / _RATE)
    whole = moved[(hertz >= 0.25) & (hertz <= 25)].sum() + 1e-12
    return float(moved[(hertz >= 2) & (hertz <= 8)].sum() / whole), float(envelope.std())


def _voice(mono: Signal, active: NDArray[np.bool_]) -> tuple[float, float]:
    """Share of active frames with a pitch of 70 to 400 Hz, and how often that pitch moves."""
    lags = _autocorrelation(_frames(mono, _VOICE_WINDOW))
    window = _autocorrelation(np.hanning(_VOICE_WINDOW)[None])
    found = (lags / window)[:, _VOICE_LAGS]
    active = active[: len(found)]
    voiced = (found.max(axis=1) > 0.6) & active
    semitones = 12 * np.log2(_VOICE_LAGS.start + found.argmax(axis=1))
    steps = np.abs(np.diff(semitones))
    follow = voiced[1:] & voiced[:-1] & (steps < 3)
    gliding = float((steps[follow] > 0.15).mean()) if follow.sum() > 10 else 0.0
    return float(voiced.sum() / max(1, active.sum())), gliding


def _autocorrelation(frames: Signal) -> Signal:
    """Of each frame, 1 at lag 0, up to the longest lag that is looked at."""
    power = np.abs(np.fft.rfft(frames, _VOICE_BINS)) ** 2
    found = np.fft.irfft(power)[:, : _VOICE_LAGS.stop]
    return np.asarray(found / (found[:, :1] + 1e-12))
