"""NAME to an opened metric: what kind it is of is decided here, once.

A metric's ``info`` says its kind, and the kind says which methods it has: those of one of the
protocols below. Beside them a metric may have:

=============== =============================================================================
``imports``     names of modules that scoring loads, which a worker loads before its first clip
``prepare``     method without arguments that gets what scoring needs, such as weights
``state``       method without arguments: what ``snac-eval list`` shows, empty where it is ready
``licence``     of the code and weights that it runs: text that ``snac-eval show`` tells
``papers``      where it is defined, a citation each
``traps``       what to know before its numbers are set beside others, a sentence or two each
``environment`` of its class: the :class:`snac_eval.types.Environment` that it computes in
                (:mod:`snac_eval.environments.computing`)
=============== =============================================================================
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Protocol

from snac_eval.errors import UsageError
from snac_eval.metrics.base import ClipMetric, Encoded, PairMetric, PreparedPair, guarded
from snac_eval.metrics.codebook import CodesTogether
from snac_eval.registry import plugins
from snac_eval.types import (
    Codec,
    CodecCard,
    Codes,
    Metric,
    MetricInfo,
    Reconstruction,
    Score,
    Timing,
)


class AudioMetric(Protocol):
    """Kind ``audio``: a score of one clip from its two waveforms. Runs in a worker process.

    It may look at the clip's domain, speaker and transcript as well, and at nothing else that the
    dataset says of it: a score is kept under those.
    """

    info: MetricInfo
    """What its numbers mean."""

    def score(self, reconstruction: Reconstruction) -> Score:
        """Never raises for bad audio: says undefined or error, with the reason."""


class CodesMetric(Protocol):
    """Kind ``codes``: a score of one clip from its codes, timing or card alone. Runs where the
    codec runs."""

    info: MetricInfo
    """What its numbers mean."""

    def score_codes(
        self, codes: Codes | None, card: CodecCard, timing: Timing, duration_s: float
    ) -> Score:
        """``duration_s`` is the clip's own length in seconds."""


class CorpusMetric(Protocol):
    """Kind ``corpus``, ``corpus_of`` ``codes``: a score of all clips together, from how often their
    tokens occur."""

    info: MetricInfo
    """What its numbers mean."""

    def score_corpus(self, codes: CodesTogether) -> Score:
        """One score for the whole dataset, from what is counted over its clips."""


class TokenMetric(Protocol):
    """Kind ``corpus``, ``corpus_of`` ``tokens``: a score of all clips together, from the order of
    their tokens."""

    info: MetricInfo
    """What its numbers mean."""

    def score_tokens(self, clips: Iterable[Codes]) -> Score:
        """One score for the whole dataset, from codes that come clip by clip and once: of many
        clips there may be more than the memory holds."""


class AudioCorpusMetric(Protocol):
    """Kind ``corpus``, ``corpus_of`` ``audio``: a score of all clips together, from their
    waveforms. ``score`` runs in a worker process."""

    info: MetricInfo
    """What its numbers mean."""

    def score(self, reconstruction: Reconstruction) -> Score:
        """What is to be kept of one clip, as ``Score.partial``; or why there is nothing."""

    def finish(self, details: Iterable[bytes]) -> Score:
        """One score for the whole dataset, from what was kept, which comes clip by clip and once:
        of many clips there may be more than the memory holds."""


class CodecMetric(Protocol):
    """Kind ``codec``: a score of one clip that needs the codec again. Runs where the codec runs."""

    info: MetricInfo
    """What its numbers mean."""

    def score_codec(self, codec: Codec, encoded: Encoded) -> Score:
        """``encoded`` is what this codec made of the clip."""


_METHODS = {
    ("audio", ""): {"score"},
    ("codes", ""): {"score_codes"},
    ("codec", ""): {"score_codec"},
    ("corpus", "codes"): {"score_corpus"},
    ("corpus", "tokens"): {"score_tokens"},
    ("corpus", "audio"): {"score", "finish"},
}
_EVERY_METHOD = sorted(set().union(*_METHODS.values()))


@dataclass(frozen=True, slots=True)
class OpenMetric:
    """A metric, once under each of the faces that it has; None under the others."""

    metric: Metric
    """As its entry point made it."""
    audio: AudioMetric | None = None
    """What scores a clip's audio: the clip itself, or the clip's part in a score of the corpus."""
    pair: PairMetric | None = None
    """The same, where it is of two waveforms alone and shares their preparation with others."""
    clip: ClipMetric | None = None
    """The same, where it looks at the clip's facts too and shares that preparation."""
    codes: CodesMetric | None = None
    """What scores a clip's codes."""
    codec: CodecMetric | None = None
    """What asks the codec again."""
    corpus: CorpusMetric | None = None
    """What scores all clips by how often tokens occur."""
    tokens: TokenMetric | None = None
    """What scores all clips by the order of their tokens."""
    audio_corpus: AudioCorpusMetric | None = None
    """What scores all clips by their audio."""
    imports: tuple[str, ...] = ()
    """Modules that scoring loads, its own among them."""
    licence: str = ""
    """Of the code and weights that it runs; empty where it names none."""
    papers: tuple[str, ...] = ()
    """Where it is defined; empty where that is here."""
    traps: tuple[str, ...] = ()
    """What to know before its numbers are set beside others."""

    @property
    def definition(self) -> str:
        """What it computes, as its class says; empty where that has no docstring."""
        return inspect.cleandoc(type(self.metric).__doc__ or "")

    @property
    def info(self) -> MetricInfo:
        """What its numbers mean. Asked anew: the fingerprint may name weights that came late."""
        return self.metric.info

    @property
    def depends_on(self) -> tuple[str, ...]:
        """What a clip's score depends on beside audio, codes and timings: ``card``, ``domain``,
        ``speaker``, ``transcript``."""
        if self.is_in_place:
            return ("card",)
        if self.audio is None:
            return ()
        return ("domain",) if self.pair is not None else ("domain", "speaker", "transcript")

    @property
    def is_in_place(self) -> bool:
        """Whether it scores where the codec runs, and not in a worker."""
        return self.info.kind in ("codes", "codec")

    def score_audio(self, reconstruction: Reconstruction, pair: PreparedPair) -> Score:
        """Score of a clip's audio; ``pair`` is the same audio, shared by the metrics of a clip.

        Never raises: what the metric raises is the score's reason.
        """
        pair_metric, clip_metric, audio_metric = self.pair, self.clip, self.audio
        if pair_metric is not None:
            return pair_metric.score_prepared(pair, reconstruction.clip.domain)
        if clip_metric is not None:
            return clip_metric.score_prepared(pair, reconstruction.clip)
        if audio_metric is None:
            raise ValueError(f"{self.info.name} scores no audio")
        return guarded(self.info, lambda: audio_metric.score(reconstruction))


def open_metric(name: str) -> OpenMetric:
    """The metric of that name, which may carry options: ``token_agreement@n=5``.

    Raises UnknownNameError, or UsageError for options that it does not have and for a metric whose
    methods are not those of its kind.
    """
    return opened(plugins.metric(name), name)


def require_metric(name: str) -> OpenMetric:
    """The metric, with all that it needs. Raises UsageError, with the extra to install, or
    WeightsUnavailable."""
    plugins.require_metric_extra(name)
    found: Any = plugins.metric(name)
    if (prepare := getattr(found, "prepare", None)) is not None:
        prepare()
    return opened(found, name)


def opened(metric: Metric, name: str) -> OpenMetric:
    """The metric under its faces. Raises UsageError where its methods are not those of its kind."""
    made: Any = metric
    _check_info(made, name)
    _check_methods(made, name)
    kind = made.info.kind
    corpus_of = made.info.corpus_of if kind == "corpus" else ""
    scores_audio = "audio" in (kind, corpus_of)
    return OpenMetric(
        metric,
        audio=made if scores_audio else None,
        pair=made if kind == "audio" and isinstance(made, PairMetric) else None,
        clip=made if kind == "audio" and isinstance(made, ClipMetric) else None,
        codes=made if kind == "codes" else None,
        codec=made if kind == "codec" else None,
        corpus=made if corpus_of == "codes" else None,
        tokens=made if corpus_of == "tokens" else None,
        audio_corpus=made if corpus_of == "audio" else None,
        imports=(type(made).__module__, *getattr(made, "imports", ())),
        licence=getattr(made, "licence", ""),
        papers=tuple(getattr(made, "papers", ())),
        traps=tuple(getattr(made, "traps", ())),
    )


def _check_info(metric: Any, name: str) -> None:  # noqa: ANN401 - it is not yet known to be one
    if not isinstance(getattr(metric, "info", None), MetricInfo):
        raise UsageError(f"metric '{name}': it has no 'info' that is a snac_eval.types.MetricInfo")


def _check_methods(metric: Any, name: str) -> None:  # noqa: ANN401 - it is not yet known to fit
    info = metric.info
    corpus_of = info.corpus_of if info.kind == "corpus" else ""
    wanted = _METHODS.get((info.kind, corpus_of))
    said = f"kind '{info.kind}'" + (f" of {corpus_of}" if corpus_of else "")
    if wanted is None:
        raise UsageError(f"metric '{name}': there is no {said}; see snac_eval.metrics.opening")
    found = {method for method in _EVERY_METHOD if callable(getattr(metric, method, None))}
    if found != wanted:
        raise UsageError(
            f"metric '{name}': it is of {said}, which has the method {_and(wanted)}; it has"
            f" {_and(found) or 'no method that scores'}. Mend its methods, or 'kind' in its info"
        )


def _and(names: set[str]) -> str:
    return " and ".join(f"'{name}'" for name in sorted(names))
