"""Word error rate: how much of what is said a recogniser still understands, in percent.

Wav2Vec 2.0 (Baevski et al., NeurIPS 2020; English, trained on LibriSpeech), as transformers runs
``facebook/wav2vec2-base-960h`` (extra ``wer``), transcribes the estimate at 16 kHz, mixed to mono,
letter by letter without a language model. ``jiwer`` counts word edits against the clip's own
transcript. Both texts are put in capitals; only letters, apostrophes and spaces are kept.

A clip's rate is edits over its words: insertions may lift it above 100. A run's mean is over clips,
not over words. The recogniser also errs on the clips themselves: compare with model ``pcm_16bit``.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

import numpy as np

from snac_eval.hub import HubModel
from snac_eval.metrics.base import (
    SPEECH_ONLY,
    PreparedPair,
    audible_channels,
    guarded,
    require_length,
)
from snac_eval.metrics.hub import HubMetric, load
from snac_eval.types import MetricInfo, Reconstruction, Score

if TYPE_CHECKING:
    from snac_eval.metrics.base import Signal

RATE = 16000
SHORTEST_S = 0.1
MODEL = HubModel("facebook/wav2vec2-base-960h", "SNAC_EVAL_WER_WEIGHTS")


class WordErrorRate(HubMetric):
    """Word error rate in percent, 0 and up, lower is better."""

    model = MODEL
    packages = ("transformers", "jiwer")
    imports = ("torch", "transformers", "jiwer")

    def __init__(self) -> None:
        self.info = MetricInfo(
            name="word_error_rate",
            description="words that a recogniser gets wrong (wav2vec 2.0, English)",
            unit="%",
            higher_is_better=False,
            value_range=(0.0, math.inf),
            domains=SPEECH_ONLY,
            sample_rate=RATE,
            fingerprint=self.fingerprint("word_error_rate", RATE),
        )

    def score(self, reconstruction: Reconstruction) -> Score:
        """Undefined without a transcript, outside of speech, and for a silent reference."""
        clip = reconstruction.clip
        if clip.domain not in self.info.domains:
            return Score.undefined(f"word_error_rate is defined for speech; this is {clip.domain}")
        wanted = normalised(clip.transcript)
        if not wanted:
            return Score.undefined("the clip has no transcript")
        return guarded(self.info, lambda: Score.ok(_error_rate(wanted, _scored(reconstruction))))


def _error_rate(wanted: str, estimate: Signal) -> float:
    import jiwer

    return 100 * float(jiwer.wer(wanted, normalised(transcribe(estimate))))


def normalised(text: str) -> str:
    """Capitals, apostrophes and single spaces: ``it's—Fine!`` is ``IT'S FINE``."""
    return " ".join(re.sub(r"[^A-Z' ]+", " ", text.upper().replace("’", "'")).split())


def transcribe(signal: Signal) -> str:
    """What the recogniser hears in float32 ``[time]`` at 16 kHz."""
    import torch

    processor, model = load(MODEL, "Wav2Vec2Processor", "Wav2Vec2ForCTC")
    features = processor(np.array(signal), sampling_rate=RATE, return_tensors="pt")
    with torch.inference_mode():
        letters = model(features.input_values).logits.argmax(dim=-1)
    return str(processor.batch_decode(letters, skip_special_tokens=True)[0])


def _scored(reconstruction: Reconstruction) -> Signal:
    pair = PreparedPair(reconstruction.reference, reconstruction.estimate)
    pair.check()
    sides = pair.at(RATE, mono=True)
    audible_channels(*sides, " at the rate or mix that is scored")
    estimate: Signal = sides[1].samples[0]
    require_length("word_error_rate", sides[1], SHORTEST_S)
    return estimate
