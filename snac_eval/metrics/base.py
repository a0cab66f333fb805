"""What metrics of two waveforms share: preparation, honest failure, and the default sets.

Conventions. Both sides are resampled to the metric's rate (or the reference's own) by the one
resampler of :mod:`snac_eval.audio`; the estimate is then trimmed or zero-padded to the reference's
length. Lengths that differ by more than the larger of 0.1 s and 1 % are an error, as are NaN,
infinities and differing channel counts. An empty or silent reference (peak below -100 dBFS) makes
every score undefined. Stereo is scored per channel and averaged, or mixed to mono first where the
metric is defined on one channel only; each metric says which.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar, cast

import numpy as np

from snac_eval import audio
from snac_eval.errors import AudioError, one_line
from snac_eval.types import (
    DOMAINS,
    Domain,
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


_MEMO_LIMIT_BYTES = 1 << 25
_R = TypeVar("_R")


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
    estimate: Waveform
    _cache: dict[tuple[int, bool], tuple[Waveform, Waveform]] = field(default_factory=dict)
    _memos: dict[tuple[int, bool, int], Memo] = field(default_factory=dict)

    def check(self) -> None:
        """Raises Undefined (empty, silent reference) or AudioError (unusable) with the reason."""
        for side, waveform in (("reference", self.reference), ("estimate", self.estimate)):
            _check_side(side, waveform)
        _check_channels(self.reference, self.estimate)
        _check_lengths(self.reference, self.estimate)
        if is_silent(self.reference.samples):
            raise Undefined("the reference is silent")

    def at(self, sample_rate: int | None, mono: bool) -> tuple[Waveform, Waveform]:
        """Reference and estimate at this rate (None: the reference's), of equal length."""
        rate = self.reference.sample_rate if sample_rate is None else sample_rate
        key = (rate, mono)
        if key not in self._cache:
            self._cache[key] = self._mono(rate) if mono else self._resampled(rate)
        return self._cache[key]

    def memo(self, sample_rate: int, mono: bool, channel: int) -> Memo:
        """What is known of one channel at this rate, shared by the metrics that score it."""
        mixed = mono and self.reference.num_channels > 1
        return self._memos.setdefault((sample_rate, mixed, channel), Memo())

    def _mono(self, rate: int) -> tuple[Waveform, Waveform]:
        reference, estimate = self.at(rate, mono=False)
        return audio.to_mono(reference), audio.to_mono(estimate)

    def _resampled(self, rate: int) -> tuple[Waveform, Waveform]:
        reference = audio.resample(self.reference, rate)
        estimate = audio.resample(self.estimate, rate)
        return reference, audio.fit_length(estimate, reference.num_samples)


class PairMetric(ABC):
    """A metric of two waveforms. Subclasses set ``info`` and write ``_compute``.

    ``mixes_down``: stereo is mixed to mono first; otherwise channels are scored and averaged.
    ``needs_audible_estimate``: a silent estimate has no score. ``imports``: modules that scoring
    loads, which a worker loads before its first clip comes.
    """

    info: MetricInfo
    mixes_down: ClassVar[bool] = False
    needs_audible_estimate: ClassVar[bool] = True
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
            estimate: the same shape; a slightly differing length is trimmed or padded.
            sample_rate: of both, in Hz.
            domain: what the audio is, if the metric shall refuse what it is not defined for.
        """

        def compute() -> Score:
            pair = PreparedPair(
                _waveform("reference", reference, sample_rate),
                _waveform("estimate", estimate, sample_rate),
            )
            return self.score_prepared(pair, domain)

        return guarded(compute)

    def score_prepared(self, pair: PreparedPair, domain: Domain | None) -> Score:
        """Score of a pair that several metrics share. Never raises."""
        if domain is not None and domain not in self.info.domains:
            defined = " and ".join(sorted(self.info.domains))
            return Score.undefined(
                f"{self.info.name} is defined for {defined}; this clip is {domain}"
            )
        return guarded(lambda: self._score_checked(pair))

    def _score_checked(self, pair: PreparedPair) -> Score:
        pair.check()
        reference, estimate = pair.at(self.info.sample_rate, self.mixes_down)
        if is_silent(reference.samples):
            raise Undefined("the reference is silent at the rate or mix that is scored")
        if self.needs_audible_estimate and is_silent(estimate.samples):
            raise Undefined("the estimate is silent")
        channels = zip(reference.samples, estimate.samples, strict=True)
        rate = reference.sample_rate
        values = [
            self._compute_with(pair.memo(rate, self.mixes_down, index), *channel, rate)
            for index, channel in enumerate(channels)
        ]
        return Score.ok(float(np.mean(values)))

    def _compute_with(
        self, memo: Memo, reference: Signal, estimate: Signal, sample_rate: int
    ) -> float:
        """``_compute``, for metrics that share work: those override this, and keep it in memo."""
        return self._compute(reference, estimate, sample_rate)

    @abstractmethod
    def _compute(self, reference: Signal, estimate: Signal, sample_rate: int) -> float:
        """Value for two float32 ``[time]`` of equal length. Raises Undefined with a reason."""


def guarded(compute: Callable[[], Score]) -> Score:
    """What ``compute`` gives; what it raises becomes the reason why there is no value."""
    try:
        return compute()
    except Undefined as undefined:
        return Score.undefined(str(undefined))
    except Exception as error:  # noqa: BLE001 - whatever a metric's package raises is the reason
        return Score.error(one_line(error))


def is_silent(samples: NDArray[Any]) -> bool:
    """Whether no sample reaches -100 dBFS."""
    return not samples.size or float(np.abs(samples).max()) < SILENCE_PEAK


def parts(
    reference: Signal, estimate: Signal, sample_rate: int, longest_s: float
) -> Iterator[tuple[Signal, Signal]]:
    """Equal parts of at most ``longest_s`` seconds, less those where the reference is silent.

    Raises Undefined where the estimate is silent although the reference is not: leaving that part
    out would flatter the codec.
    """
    count = max(1, int(np.ceil(len(reference) / (longest_s * sample_rate))))
    pairs = zip(np.array_split(reference, count), np.array_split(estimate, count), strict=True)
    for index, (one, other) in enumerate(pairs):
        if is_silent(one):
            continue
        if is_silent(other):
            raise Undefined(f"the estimate is silent in part {index + 1} of {count}")
        yield one, other


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
    versions = [f"{package}=={_installed(package)}" for package in packages]
    return Fingerprint((name, *versions)).extended(**settings)


def _installed(package: str) -> str:
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


def _check_side(side: str, waveform: Waveform) -> None:
    if not waveform.samples.size:
        raise Undefined(f"the {side} is empty")
    if not np.isfinite(waveform.samples).all():
        raise AudioError(f"the {side} holds NaN or infinite samples")


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
