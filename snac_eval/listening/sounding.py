"""One clip as listeners hear it: every version cut, aligned in time and made equally loud.

Everything becomes 48 kHz and two channels: one rate, so that a browser treats all alike, and two
channels, because webMUSHRA plays a file of one channel on the left side alone. Loudness is that of
ITU-R BS.1770-4 (pyloudnorm, with the filters of the recommendation), peaks are true peaks as in its
annex 2, of four times the rate. The anchors are the reference through low-pass filters after ITU-R
BS.1534-3: flat within 0.1 dB to their frequency, below -50 dB from 0.5 kHz above it.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from snac_eval import audio
from snac_eval.errors import AudioError
from snac_eval.metrics.waveform import Delay
from snac_eval.results.listeners.ratings import Role
from snac_eval.types import Waveform

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Samples = NDArray[np.floating[Any]]

SAMPLE_RATE = 48_000
CHANNELS = 2
ANCHORS_HZ = (3500, 7000)
HIGHEST_PEAK_DB = -1.0
"""True peak of the loudest sample of a trial."""
SHORTEST_S = 0.5
"""BS.1770 looks at blocks of 0.4 s."""
FADE_S = 0.01
REFERENCE = "reference"
_TRANSITION_HZ = 500
_STOP_DB = 60.0
_SEARCH_S = 0.5
_HOP_S = 0.02
_STEP = SAMPLE_RATE // 10
_FULL_SCALE = 1 << 15
Side = tuple[Role, str]
"""What a sound is: its role, and the codec's name, ``reference`` or ``anchor_3500``."""


@dataclass(frozen=True, slots=True)
class SoundedClip:
    """One clip's versions, as they are written."""

    sounds: Mapping[Side, NDArray[np.int16]]
    """``[time, channel]``, all of one shape."""
    start_s: float
    """Where the excerpt begins in the clip."""
    length_s: float
    """Of the excerpt; silence fills it up to a tenth of a second."""
    loudness: float
    """Of every version, in LUFS."""
    peak_db: float
    """The highest true peak of all versions, dBTP."""
    gains_db: Mapping[str, float]
    """By codec, what was added to its level."""
    delays_ms: Mapping[str, float]
    """By codec, the lag that was taken out."""
    undelayed: Mapping[str, str]
    """By codec, why no lag could be measured: nothing was shifted there."""
    silent: tuple[str, ...] = ()
    """Codecs whose excerpt has no loudness at all; they got the reference's gain."""


def sound_clip(
    reference: Waveform,
    estimates: Mapping[str, Waveform],
    *,
    length_s: float,
    loudness: float,
    anchors: bool,
    seed: int,
) -> SoundedClip:
    """The versions of a clip, from its reference and what each codec made of it, at any rate.

    The excerpt is the loudest ``length_s`` seconds of the reference, begun at a quiet moment.
    ``loudness`` is what every version gets, in LUFS; all of them get less where a peak would pass
    :data:`HIGHEST_PEAK_DB`. ``seed`` is of the dither, which all versions share. Raises AudioError
    where the clip is too short or silent.
    """
    whole = _at_rate(reference)
    made = {name: _at_rate(one, whole.num_samples) for name, one in estimates.items()}
    lags, undelayed = _lags(whole, made)
    low, high = _overlap(whole.num_samples, lags.values())
    start, end = _excerpt(whole.samples.mean(axis=0)[low:high], round(length_s * SAMPLE_RATE), low)
    sides: dict[Side, Samples] = {("reference", REFERENCE): whole.samples}
    sides |= {("codec", name): _earlier(one.samples, lags[name]) for name, one in made.items()}
    for hz in ANCHORS_HZ if anchors else ():
        sides["anchor", f"anchor_{hz}"] = low_passed(whole.samples, hz)
    cut = {side: _faded(one[:, start:end]) for side, one in sides.items()}
    levelled = _levelled(cut, loudness)
    return SoundedClip(
        sounds=_quantised(levelled.sounds, seed),
        start_s=start / SAMPLE_RATE,
        length_s=(end - start) / SAMPLE_RATE,
        loudness=levelled.loudness,
        peak_db=levelled.peak_db,
        gains_db={name: levelled.gains_db["codec", name] for name in made},
        delays_ms={name: 1000 * lags[name] / SAMPLE_RATE for name in made if name not in undelayed},
        undelayed=undelayed,
        silent=levelled.silent,
    )


def loudness_of(samples: Samples) -> float:
    """Integrated loudness of ``[channel, time]`` at 48 kHz in LUFS; minus infinity for silence.

    Raises AudioError below 0.4 s.
    """
    if samples.shape[1] < 0.4 * SAMPLE_RATE:
        raise AudioError("shorter than 0.4 s: BS.1770 has no loudness of that")
    if not np.any(samples):
        return -math.inf
    return float(_meter().integrated_loudness(samples.T.astype(np.float64)))


def true_peak_db(samples: Samples) -> float:
    """Highest true peak of ``[channel, time]`` at 48 kHz in dBTP; minus infinity for silence."""
    import soxr

    finer = soxr.resample(samples.T, SAMPLE_RATE, 4 * SAMPLE_RATE, quality="HQ")
    peak = max(float(np.abs(finer).max()), float(np.abs(samples).max()))
    return 20 * math.log10(peak) if peak else -math.inf


def low_passed(samples: Samples, edge_hz: float) -> Samples:
    """``[channel, time]`` at 48 kHz through the low-pass of an anchor, without its delay."""
    from scipy.signal import oaconvolve

    filtered: Samples = oaconvolve(samples, low_pass(edge_hz)[None], mode="same", axes=1)
    return filtered


@cache
def low_pass(edge_hz: float) -> Samples:
    """Taps of a linear-phase low-pass at 48 kHz, odd in number: flat to ``edge_hz``."""
    from scipy.signal import firwin, kaiserord

    taps, beta = kaiserord(_STOP_DB, _TRANSITION_HZ / (SAMPLE_RATE / 2))
    middle = edge_hz + _TRANSITION_HZ / 2
    found: Samples = firwin(taps | 1, middle, window=("kaiser", beta), fs=SAMPLE_RATE)
    return found


def _at_rate(waveform: Waveform, num_samples: int | None = None) -> Waveform:
    resampled = audio.fill_channels(audio.resample(waveform, SAMPLE_RATE), CHANNELS)
    return resampled if num_samples is None else audio.fit_length(resampled, num_samples)


def _lags(
    reference: Waveform, estimates: Mapping[str, Waveform]
) -> tuple[dict[str, float], dict[str, str]]:
    """Samples by which each lags, 0 where that cannot be measured; and why it cannot."""
    lags, undelayed, delay = dict[str, float](), dict[str, str](), Delay()
    for name, estimate in estimates.items():
        found = delay.score_pair(reference.samples, estimate.samples, SAMPLE_RATE)
        if found.value is None:
            undelayed[name] = found.reason
        lags[name] = (found.value or 0.0) * SAMPLE_RATE / 1000
    return lags, undelayed


def _overlap(num_samples: int, lags: Collection[float]) -> tuple[int, int]:
    """Where every version has samples of its own once its lag is taken out."""
    first, last = min([0.0, *lags]), max([0.0, *lags])
    return math.ceil(-first), num_samples - math.ceil(last)


def _excerpt(mono: Samples, length: int, offset: int) -> tuple[int, int]:
    """First and last sample but one of the excerpt, ``offset`` added."""
    if len(mono) < SHORTEST_S * SAMPLE_RATE:
        raise AudioError(f"shorter than {SHORTEST_S:g} s: too short to be judged")
    if len(mono) <= length:
        return offset, offset + len(mono)
    hop = round(_HOP_S * SAMPLE_RATE)
    powers = np.add.reduceat(np.square(mono, dtype=np.float64), np.arange(0, len(mono), hop))
    sums = np.convolve(powers, np.ones(length // hop), mode="valid")
    best = int(np.argmax(sums))
    around = range(max(0, best - round(_SEARCH_S / _HOP_S)), best + 1)
    start = min(min(around, key=lambda place: powers[place]) * hop, len(mono) - length)
    return offset + start, offset + start + length


def _earlier(samples: Samples, lag: float) -> Samples:
    """``[channel, time]`` moved so many samples to the front, to a fraction of one."""
    from scipy.fft import irfft, next_fast_len, rfft

    whole = round(lag)
    moved = np.zeros_like(samples)
    taken = samples[:, max(0, whole) : samples.shape[1] + min(0, whole)]
    moved[:, max(0, -whole) : max(0, -whole) + taken.shape[1]] = taken
    if abs(lag - whole) < 1e-3:
        return moved
    num_samples = samples.shape[1]
    # What is turned wraps around: half a second of silence takes that up.
    length = next_fast_len(num_samples + SAMPLE_RATE // 2, real=True)
    bins = np.arange(length // 2 + 1)
    turn = np.exp(2j * np.pi / length * (lag - whole) * bins)
    shifted: Samples = irfft(rfft(moved, length) * turn, length)[:, :num_samples]
    return shifted


def _faded(samples: Samples) -> Samples:
    """With both ends faded, and silence up to a whole step of BS.1770: meters differ in what they
    make of a broken one."""
    ramp = np.sin(np.linspace(0, np.pi / 2, round(FADE_S * SAMPLE_RATE))) ** 2
    faded = samples.astype(np.float64)
    faded[:, : len(ramp)] *= ramp
    faded[:, -len(ramp) :] *= ramp[::-1]
    return np.pad(faded, ((0, 0), (0, -faded.shape[1] % _STEP)))


@dataclass(frozen=True, slots=True)
class _Levelled:
    sounds: dict[Side, Samples]
    loudness: float
    peak_db: float
    gains_db: dict[Side, float]
    silent: tuple[str, ...]


def _levelled(sounds: Mapping[Side, Samples], target: float) -> _Levelled:
    """All versions at one loudness: the target, or less where peaks would be too high."""
    found = {side: loudness_of(one) for side, one in sounds.items()}
    own = found["reference", REFERENCE]
    if not math.isfinite(own):
        raise AudioError("the reference's excerpt is silent")
    heard = {side: one if math.isfinite(one) else own for side, one in found.items()}
    peaks = {side: true_peak_db(one) for side, one in sounds.items()}
    highest = max(target - heard[side] + peaks[side] for side in sounds)
    loudness = target - max(0.0, highest - HIGHEST_PEAK_DB)
    gains = {side: loudness - heard[side] for side in sounds}
    return _Levelled(
        sounds={side: one * 10 ** (gains[side] / 20) for side, one in sounds.items()},
        loudness=loudness,
        peak_db=highest + loudness - target,
        gains_db=gains,
        silent=tuple(name for (_, name), one in found.items() if not math.isfinite(one)),
    )


def _quantised(sounds: Mapping[Side, Samples], seed: int) -> dict[Side, NDArray[np.int16]]:
    """16-bit PCM with triangular dither, the same for all: what was equal stays equal."""
    length = sounds["reference", REFERENCE].shape[1]
    rng = np.random.default_rng(seed)
    dither = rng.random(length) - rng.random(length)
    return {
        side: np.rint(one * _FULL_SCALE + dither).astype(np.int16).T for side, one in sounds.items()
    }


@cache
def _meter() -> Any:  # noqa: ANN401 - the package has no types
    from pyloudnorm import Meter

    return Meter(SAMPLE_RATE, filter_class="DeMan")
