"""What metrics of two waveforms share: preparation, honest failure, and the default sets.

Conventions. Both sides are resampled to the metric's rate (or the reference's own) by the one
resampler of :mod:`snac_eval.audio`; the estimate is then zero-padded to the reference's length, and
trimmed to it unless the metric aligns both sides by itself. Lengths that differ by more than the
larger of 0.1 s and 1 % are an error, as are NaN, infinities and differing channel counts. Stereo is
scored per channel and averaged, or mixed to mono first where the metric is defined on one channel
only; each metric says which.

Silence is a signal that moves less than -100 dBFS about its middle. A silent or empty reference
makes every score undefined; a channel that is silent in the reference is left out, and the score
says so. A silent or empty estimate of an audible reference is an error, in one channel as in all:
the codec lost the clip. Where the reference itself stays below -80 dBFS, as dither does, a silent
estimate of it is no failure, and the channel counts as silent.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar, cast

import numpy as np

from snac_eval import audio
from snac_eval.errors import AudioError, keep_trace, one_line
from snac_eval.metrics.checks import checked
from snac_eval.registry.environments import made_environment
from snac_eval.types import (
    DOMAINS,
    Clip,
    Codes,
    Domain,
    Environment,
    Fingerprint,
    MetricInfo,
    Reconstruction,
    Score,
    Waveform,
)

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Signal = NDArray[np.float32]

SILENCE_PEAK = 1e-5
DITHER_PEAK = 1e-4
ALL_DOMAINS: frozenset[Domain] = frozenset(DOMAINS)
SPEECH_ONLY: frozenset[Domain] = frozenset({"speech"})

_EVERYWHERE = (
    "bitrate",
    "bitrate_nominal",
    "tokens_per_second",
    "encode_real_time_factor",
    "decode_real_time_factor",
    "bitrate_entropy",
    "codebook_usage",
    "codebook_perplexity",
    "mel_dac_paper",
    "mel_audiotools",
    "stft_distance",
    "si_sdr",
    "si_sdr_aligned",
    "delay",
)
_MUSIC = (*_EVERYWHERE, "visqol_audio")
DEFAULT_METRICS: Mapping[Domain, tuple[str, ...]] = {
    "speech": (*_EVERYWHERE, "pesq_wb", "stoi", "estoi", "visqol_speech"),
    "music": _MUSIC,
    "general": _MUSIC,
}


CONTINUOUS = "the codec's latents are continuous numbers: no count of bits is theirs"
UNKNOWN_SIZES = "the codec does not say how large its codebooks are: declare codebook_size"
_MEMO_LIMIT_BYTES = 1 << 25
_R = TypeVar("_R")


@dataclass(frozen=True, slots=True)
class Encoded:
    """A clip as a codec heard and coded it, for metrics that ask the codec again."""

    source: Waveform
    """What the codec was given: at its rate, with its channels."""
    codes: Codes
    """What it made of that."""
    seed: int
    """Seeds whatever is drawn for this clip: what the decoder draws, and what a metric draws."""


class Undefined(Exception):  # noqa: N818 - a state of the score, not a failure
    """The metric has no value for this pair; the message is the reason that the user reads."""


class Memo:
    """What one metric found about a pair of signals and another can use: spectra, a delay."""

    def __init__(self) -> None:
        self._known: dict[Hashable, Any] = {}

    def get(self, key: Hashable, make: Callable[[], _R]) -> _R:
        """What is kept under ``key``, else what ``make`` gives; arrays above 32 MiB are not kept,
        for a long clip's spectra would fill the memory."""
        if key in self._known:
            return cast(_R, self._known[key])
        found = make()
        if getattr(found, "nbytes", 0) <= _MEMO_LIMIT_BYTES:
            self._known[key] = found
        return found


@dataclass(frozen=True, slots=True)
class PreparedPair:
    """Both sides of one clip, resampled once per rate however many metrics ask for it."""

    reference: Waveform
    """The clip before the codec."""
    estimate: Waveform
    """The clip after it."""
    _cache: dict[tuple[int, bool, bool], tuple[Waveform, Waveform]] = field(default_factory=dict)
    _memos: dict[tuple[int, bool, int], Memo] = field(default_factory=dict)

    def check(self) -> None:
        """Raises Undefined (empty, silent reference) or AudioError (unusable, or an estimate that
        is empty or silent for an audible reference) with the reason."""
        for side, waveform in (("reference", self.reference), ("estimate", self.estimate)):
            if not np.isfinite(waveform.samples).all():
                raise AudioError(f"the {side} holds NaN or infinite samples")
        if not self.reference.samples.size:
            raise Undefined("the reference is empty")
        _check_channels(self.reference, self.estimate)
        if is_silent(self.reference.samples):
            raise Undefined("the reference is silent")
        if not self.estimate.samples.size:
            raise AudioError("the estimate is empty although the reference is audible")
        _check_lengths(self.reference, self.estimate)
        audible_channels(self.reference, self.estimate)

    def at(
        self, sample_rate: int | None, mono: bool, aligns: bool = False
    ) -> tuple[Waveform, Waveform]:
        """Reference and estimate at this rate (None: the reference's).

        Both are of equal length; with ``aligns`` the estimate may be longer.
        """
        rate = self.reference.sample_rate if sample_rate is None else sample_rate
        key = (rate, mono, aligns)
        if key not in self._cache:
            self._cache[key] = self._fitted(rate, mono, aligns)
        return self._cache[key]

    def memo(self, sample_rate: int, mono: bool, channel: int) -> Memo:
        """What is known of one channel at this rate, shared by the metrics that score it."""
        mixed = mono and self.reference.num_channels > 1
        return self._memos.setdefault((sample_rate, mixed, channel), Memo())

    def _fitted(self, rate: int, mono: bool, aligns: bool) -> tuple[Waveform, Waveform]:
        if not aligns:
            reference, estimate = self.at(rate, mono, aligns=True)
            return reference, audio.fit_length(estimate, reference.num_samples)
        if mono:
            reference, estimate = self.at(rate, mono=False, aligns=True)
            return audio.to_mono(reference), audio.to_mono(estimate)
        reference = audio.resample(self.reference, rate)
        estimate = audio.resample(self.estimate, rate)
        length = max(reference.num_samples, estimate.num_samples)
        return reference, audio.fit_length(estimate, length)


class PairMetric(ABC):
    """A metric of two waveforms. Subclasses set ``info`` and write ``_compute``.

    ``mixes_down``: stereo is mixed to mono first; otherwise channels are scored and averaged.
    ``aligns``: it takes delays out by itself, and gets the whole of an estimate that is longer than
    the reference. ``shortest_s``: clips of fewer seconds have no score. ``imports``: modules that
    scoring loads, which a worker loads before its first clip comes.
    """

    info: MetricInfo
    mixes_down: ClassVar[bool] = False
    aligns: ClassVar[bool] = False
    shortest_s: float = 0.0
    imports: ClassVar[tuple[str, ...]] = ()

    def score(self, reconstruction: Reconstruction) -> Score:
        """Score of a clip; undefined with the reason outside of the metric's domains."""
        pair = PreparedPair(reconstruction.reference, reconstruction.estimate)
        return self.score_prepared(pair, reconstruction.clip.domain)

    def score_pair(
        self,
        reference: ArrayLike,
        estimate: ArrayLike,
        sample_rate: int,
        domain: Domain | None = None,
    ) -> Score:
        """Score of two arrays.

        Args:
            reference: floats, ``[time]`` or ``[channels, time]``, full scale at -1..1.
            estimate: the same shape; the length may differ by 0.1 s or 1 %, whichever is more.
            sample_rate: of both, in Hz.
            domain: what the audio is, if the metric shall refuse what it is not defined for.
        """

        def compute() -> Score:
            pair = PreparedPair(
                _waveform("reference", reference, sample_rate),
                _waveform("estimate", estimate, sample_rate),
            )
            return self.score_prepared(pair, domain)

        return guarded(self.info, compute)

    def score_prepared(self, pair: PreparedPair, domain: Domain | None) -> Score:
        """Score of a pair that several metrics share. Never raises."""
        if domain is not None and domain not in self.info.domains:
            defined = " and ".join(sorted(self.info.domains))
            return Score.undefined(
                f"{self.info.name} is defined for {defined}; this clip is {domain}"
            )
        return guarded(self.info, lambda: self._score_checked(pair))

    def _score_checked(self, pair: PreparedPair) -> Score:
        pair.check()
        reference, estimate = pair.at(self.info.sample_rate, self.mixes_down, self.aligns)
        channels = audible_channels(reference, estimate, " at the rate or mix that is scored")
        rate = reference.sample_rate
        require_length(self.info.name, reference, self.shortest_s)
        values, weights = [], []
        for index in channels:
            memo = pair.memo(rate, self.mixes_down, index)
            sides = reference.samples[index], estimate.samples[index]
            one = checked(self.info, self._score_with(memo, *sides, rate))
            if one.value is None:
                return one
            values.append(one.value)
            weights.append(one.weight)
        left_out = _left_out(channels, reference.num_channels)
        return Score(float(np.mean(values)), reason=left_out, weight=float(np.mean(weights)))

    def _score_with(
        self, memo: Memo, reference: Signal, estimate: Signal, sample_rate: int
    ) -> Score:
        """The score of one channel, for metrics whose clips do not count alike: those override
        this, and give it a weight."""
        return Score(self._compute_with(memo, reference, estimate, sample_rate))

    def _compute_with(
        self, memo: Memo, reference: Signal, estimate: Signal, sample_rate: int
    ) -> float:
        """``_compute``, for metrics that share work: those override this, and keep it in memo."""
        return self._compute(reference, estimate, sample_rate)

    @abstractmethod
    def _compute(self, reference: Signal, estimate: Signal, sample_rate: int) -> float:
        """Value for two float32 ``[time]`` of equal length; the estimate may be longer where the
        metric ``aligns``. Raises Undefined with a reason."""


class ClipMetric(ABC):
    """A metric of two waveforms and of what the dataset says of the clip: speaker, transcript.

    It shares what is found of the waveforms with the others of the clip. Subclasses set ``info``.
    """

    info: MetricInfo
    imports: ClassVar[tuple[str, ...]] = ()
    """As of a :class:`PairMetric`."""

    def score(self, reconstruction: Reconstruction) -> Score:
        """Score of a clip that no other metric looks at."""
        pair = PreparedPair(reconstruction.reference, reconstruction.estimate)
        return self.score_prepared(pair, reconstruction.clip)

    @abstractmethod
    def score_prepared(self, pair: PreparedPair, clip: Clip) -> Score:
        """Score of a pair that several metrics share. Never raises."""


def guarded(info: MetricInfo, compute: Callable[[], object]) -> Score:
    """What ``compute`` gives, where it is a score that the metric can give; anything else that it
    gives or raises becomes the reason why there is no value."""
    try:
        return checked(info, compute())
    except Undefined as undefined:
        return Score.undefined(str(undefined))
    except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever a package raises
        keep_trace(error)
        return Score.error(one_line(error))


def is_silent(samples: NDArray[Any], peak: float = SILENCE_PEAK) -> bool:
    """Whether no channel of ``[..., time]`` moves by ``peak`` (-100 dBFS) about its middle."""
    return not samples.size or float(np.ptp(samples, axis=-1).max()) < 2 * peak


def require_length(metric: str, waveform: Waveform, shortest_s: float) -> None:
    """Raises Undefined where the waveform is too short for the metric of this name."""
    if waveform.num_samples < shortest_s * waveform.sample_rate:
        raise Undefined(f"too short for {metric}, which needs {shortest_s:g} s")


def audible_channels(reference: Waveform, estimate: Waveform, where: str = "") -> list[int]:
    """Channels whose reference is audible. Raises Undefined where there is none, and AudioError
    where the estimate of one is silent."""
    audible = []
    for index, (one, other) in enumerate(zip(reference.samples, estimate.samples, strict=True)):
        lost = is_silent(other)
        if is_silent(one, DITHER_PEAK if lost else SILENCE_PEAK):
            continue
        if lost:
            channel = f" in channel {index + 1}" if reference.num_channels > 1 else ""
            raise AudioError(f"the estimate is silent{channel}{where}, the reference is audible")
        audible.append(index)
    if not audible:
        raise Undefined(f"the reference is silent{where}")
    return audible


def _left_out(channels: list[int], num_channels: int) -> str:
    """What the reason of a score says that is not of all channels."""
    silent = [str(index + 1) for index in range(num_channels) if index not in channels]
    return f"without channel {', '.join(silent)}: silent in the reference" if silent else ""


@contextmanager
def numpy_seeded(seed: int) -> Iterator[None]:
    """Seed NumPy's global generator, which some packages draw from, and restore it after."""
    state = np.random.get_state()
    np.random.seed(seed)
    try:
        yield
    finally:
        np.random.set_state(state)


def fingerprint(name: str, *packages: str, **settings: object) -> Fingerprint:
    """Identity of a metric's numbers: name, package versions, settings."""
    return fingerprint_in(None, name, *packages, **settings)


def fingerprint_in(
    environment: Environment | None, name: str, *packages: str, **settings: object
) -> Fingerprint:
    """The same of a metric with an environment, whose versions count where that was made."""
    made = made_environment(environment.name) if environment else None
    found = installed if made is None else made.version
    versions = [f"{package}=={found(package)}" for package in packages]
    return Fingerprint((name, *versions)).extended(**settings)


@cache
def installed(package: str) -> str:
    """Version of a package, ``absent`` where there is none."""
    try:
        return version(package)
    except PackageNotFoundError:
        return "absent"


def _waveform(side: str, samples: ArrayLike, sample_rate: int) -> Waveform:
    array = np.asarray(samples)
    if not np.issubdtype(array.dtype, np.floating):
        raise AudioError(f"the {side} holds {array.dtype}; pass floats, full scale at -1..1")
    if array.ndim not in (1, 2) or (array.ndim == 2 and array.shape[0] > audio.MAX_CHANNELS):
        raise AudioError(
            f"the {side} has shape {array.shape}; pass [time] or [channels, time], mono or stereo"
        )
    if sample_rate <= 0:
        raise AudioError(f"sample rate {sample_rate} is not positive; pass Hz")
    return Waveform(np.atleast_2d(array).astype(np.float32, copy=False), sample_rate)


def _check_channels(reference: Waveform, estimate: Waveform) -> None:
    if reference.num_channels != estimate.num_channels:
        raise AudioError(
            f"the reference has {reference.num_channels} channel(s), the estimate"
            f" {estimate.num_channels}; mix one down first"
        )


def _check_lengths(reference: Waveform, estimate: Waveform) -> None:
    allowed_s = max(0.1, 0.01 * reference.duration_s)
    if abs(reference.duration_s - estimate.duration_s) > allowed_s:
        raise AudioError(
            f"the estimate lasts {estimate.duration_s:.3f} s, the reference"
            f" {reference.duration_s:.3f} s; they must belong to the same clip"
        )
