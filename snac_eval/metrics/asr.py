"""Error rates of a speech recogniser: how much of what is said it still understands, in percent.

``word_error_rate`` and ``character_error_rate`` hold what it hears in the estimate against the
clip's own transcript; ``dwer`` (the "differential" rate of papers on enhancement and codecs) holds
it against what the same recogniser hears in the reference, and needs no transcript. ``jiwer``
counts edits. The recogniser is wav2vec 2.0 unless ``@model=`` says which: see the module
``recognition`` (extra ``wer``). Both sides are at 16 kHz, mixed to mono.

A clip's rate is edits over its words (characters, spaces among them): insertions may lift it above
100. The mean of clips is **pooled**: all edits over all words, for a clip counts by its words. The
recogniser also errs on the clips themselves: compare with model ``pcm_16bit``, or take ``dwer``.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, ClassVar

from snac_eval.hub import HubModel
from snac_eval.metrics.base import (
    SPEECH_ONLY,
    ClipMetric,
    Memo,
    PairMetric,
    PreparedPair,
    Undefined,
    audible_channels,
    guarded,
    require_length,
)
from snac_eval.metrics.hub import HubMetric
from snac_eval.metrics.recognition import ENGLISH, RATE, Recogniser
from snac_eval.types import Clip, Fingerprint, MetricInfo, Score

if TYPE_CHECKING:
    from snac_eval.metrics.base import Signal

SHORTEST_S = 0.1
DEFAULT = "wav2vec2"


class _ErrorRate(HubMetric):
    """What the three have in common."""

    papers = (
        'Baevski et al., "wav2vec 2.0", NeurIPS 2020 (the default recogniser)',
        'Hsu et al., "HuBERT", IEEE/ACM TASLP 29, 2021 (@model=hubert)',
        "Radford et al. (Whisper), ICML 2023 (@model=whisper)",
    )
    traps: ClassVar[tuple[str, ...]] = (
        "The recogniser errs on the clips themselves: compare with model pcm_16bit, or take dwer.",
        "Rates of different recognisers, languages and normalisers are different metrics.",
        "The mean is pooled: all errors over all words, not a mean of clips.",
    )
    model: HubModel
    packages = ("transformers", "jiwer")
    version = 2
    counts = "words"
    """What edits are of: ``words`` or ``characters``."""

    def _listen(self, name: str, about: str, model: str, language: str) -> None:
        """Set up who listens, and what the numbers mean."""
        self.recogniser = Recogniser.named(model, language)
        self.model = self.recogniser.model
        chosen = (("model", model, DEFAULT), ("language", language, ENGLISH))
        name += "".join(f"@{key}={value}" for key, value, usual in chosen if value != usual)
        who = "wav2vec 2.0" if model == DEFAULT else self.model.repository
        told = "English" if language == ENGLISH else language
        self.info = MetricInfo(
            name=name,
            description=f"{about} ({who}, {told})",
            unit="%",
            higher_is_better=False,
            value_range=(0.0, math.inf),
            domains=SPEECH_ONLY,
            sample_rate=RATE,
            fingerprint=self.fingerprint(name, RATE),
            weighted_by=self.counts,
        )

    def prepare(self) -> None:
        """Get the weights. Raises WeightsUnavailable, also for what is no recogniser."""
        _ = self.model.folder, self.recogniser.way
        super().prepare()

    def fingerprint(self, name: str, sample_rate: int | None) -> Fingerprint:
        """With how texts are normalised, which the model decides."""
        own = super().fingerprint(name.partition("@")[0], sample_rate)
        return own.extended(text=self.recogniser.text, language=self.recogniser.language)

    def _rate(self, wanted: str, heard: str) -> tuple[float, float]:
        """Edits in percent, and of how many words or characters."""
        import jiwer

        if self.counts == "characters":
            return 100 * float(jiwer.cer(wanted, heard)), len(wanted)
        return 100 * float(jiwer.wer(wanted, heard)), len(wanted.split())


class _AgainstTranscript(_ErrorRate, ClipMetric):
    """A rate against what the clip's transcript says."""

    imports = ("torch", "transformers", "jiwer")

    def score_prepared(self, pair: PreparedPair, clip: Clip) -> Score:
        """Undefined without a transcript, outside of speech, and for a silent reference."""
        if clip.domain not in self.info.domains:
            return Score.undefined(f"{self.info.name} is defined for speech; this is {clip.domain}")
        if not clip.transcript.strip():
            return Score.undefined("the clip has no transcript")
        return guarded(self.info, lambda: self._scored(pair, clip.transcript))

    def _scored(self, pair: PreparedPair, transcript: str) -> Score:
        pair.check()
        sides = pair.at(RATE, mono=True)
        audible_channels(*sides, " at the rate or mix that is scored")
        require_length(self.info.name, sides[1], SHORTEST_S)
        if not (wanted := self.recogniser.normalised(transcript)):
            raise Undefined("nothing of the clip's transcript is a word that is compared")
        memo = pair.memo(RATE, True, 0)
        heard = self.recogniser.heard(memo, "estimate", sides[1].samples[0])
        return Score.ok(*self._rate(wanted, heard))


class WordErrorRate(_AgainstTranscript):
    """Word error rate in percent, 0 and up, lower is better."""

    def __init__(self, model: str = DEFAULT, language: str = ENGLISH) -> None:
        about = "words that a recogniser gets wrong"
        self._listen("word_error_rate", about, model, language)


class CharacterErrorRate(_AgainstTranscript):
    """Character error rate in percent, 0 and up, lower is better."""

    counts = "characters"

    def __init__(self, model: str = DEFAULT, language: str = ENGLISH) -> None:
        about = "characters that a recogniser gets wrong"
        self._listen("character_error_rate", about, model, language)


class DifferentialWordErrorRate(_ErrorRate, PairMetric):
    """Word error rate against what the recogniser hears in the reference: 0 where it hears the
    same, lower is better."""

    traps: ClassVar[tuple[str, ...]] = (
        "What the recogniser gets wrong in the reference counts as right: no rate of a task.",
        "Rates of different recognisers are different metrics.",
    )
    mixes_down = True
    shortest_s = SHORTEST_S
    imports = ("torch", "transformers", "jiwer")

    def __init__(self, model: str = DEFAULT, language: str = ENGLISH) -> None:
        about = "words that a recogniser hears otherwise than in the reference"
        self._listen("dwer", about, model, language)

    def _score_with(
        self, memo: Memo, reference: Signal, estimate: Signal, sample_rate: int
    ) -> Score:
        return Score.ok(*self._heard(memo, reference, estimate))

    def _compute(self, reference: Signal, estimate: Signal, sample_rate: int) -> float:
        return self._heard(Memo(), reference, estimate)[0]

    def _heard(self, memo: Memo, reference: Signal, estimate: Signal) -> tuple[float, float]:
        if not (said := self.recogniser.heard(memo, "reference", reference)):
            raise Undefined("the recogniser hears no word in the reference")
        return self._rate(said, self.recogniser.heard(memo, "estimate", estimate))
