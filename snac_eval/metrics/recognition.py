"""Speech recognisers: which there are, what one hears, and in what words two texts are compared.

============ =================================== ============ ======================================
``model``    repository of the hub               licence      what it is
============ =================================== ============ ======================================
``wav2vec2`` ``facebook/wav2vec2-base-960h``     Apache-2.0   wav2vec 2.0 (Baevski et al. 2020)
``hubert``   ``facebook/hubert-large-ls960-ft``  Apache-2.0   HuBERT (Hsu et al. 2021), as dWER's
``whisper``  ``openai/whisper-large-v3``         Apache-2.0   Whisper (Radford et al. 2023)
``OWNER/M``  that repository                     its own      whatever transformers recognises with
============ =================================== ============ ======================================

The model's own configuration says how it is asked. One that names letters (CTC) does so without a
language model; of a clip above 50 s it hears windows of 40 s, with 5 s of context on either side.
One that writes (sequence to sequence) writes greedily; Whisper goes through a long clip in windows
of 30 s by its own timestamps, others hear 30 s at a time. So no clip's length fills the memory.

Texts are put into capitals with apostrophes alone (``letters``: CTC, English), through Whisper's
own normaliser of English (``whisper``), or through its basic one (``basic``: other languages).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from snac_eval.errors import UsageError, WeightsUnavailable
from snac_eval.hub import CONFIG_FILE, HubModel, model_named, quiet_transformers
from snac_eval.metrics.base import Memo
from snac_eval.metrics.hub import windowed

if TYPE_CHECKING:
    from snac_eval.metrics.base import Signal

RATE = 16000
RECOGNISERS = {
    "wav2vec2": HubModel("facebook/wav2vec2-base-960h", "SNAC_EVAL_WER_WEIGHTS"),
    "hubert": HubModel("facebook/hubert-large-ls960-ft", "SNAC_EVAL_WER_HUBERT_WEIGHTS"),
    "whisper": HubModel("openai/whisper-large-v3", "SNAC_EVAL_WER_WHISPER_WEIGHTS"),
}
ENGLISH = "en"
_WRITTEN_S = 30
_LANGUAGE = re.compile(r"[a-z]{2,3}")
_SPELLINGS = "normalizer.json"

Way = Literal["letters", "writes"]
Text = Literal["letters", "whisper", "basic", "unknown"]


@dataclass(frozen=True, slots=True)
class Recogniser:
    """A recogniser and the language that it is told."""

    model: HubModel
    language: str = ENGLISH

    @classmethod
    def named(cls, model: str, language: str) -> Recogniser:
        """One of :data:`RECOGNISERS`, or any of the hub. Raises UsageError for a name that can be
        neither, or a language that is no code of two or three letters."""
        if not _LANGUAGE.fullmatch(language):
            raise UsageError(f"language '{language}': give a code such as en or de")
        if model in RECOGNISERS:
            return cls(RECOGNISERS[model], language)
        if (own := model_named(model, "SNAC_EVAL_WER")) is None:
            known = ", ".join(RECOGNISERS)
            raise UsageError(f"recogniser '{model}': give {known}, or OWNER/MODEL of the hub")
        return cls(own, language)

    @property
    def way(self) -> Way:
        """How it is asked. Raises WeightsUnavailable where it is not here or no recogniser."""
        names = self._config().get("architectures") or [""]
        if str(names[0]).endswith("ForCTC"):
            return "letters"
        if str(names[0]).endswith("ForConditionalGeneration"):
            return "writes"
        raise WeightsUnavailable(
            f"'{self.model.repository}' is no recogniser of speech that transformers runs: its"
            f" {CONFIG_FILE} says {names[0] or 'nothing'} and neither ...ForCTC nor"
            " ...ForConditionalGeneration"
        )

    @property
    def text(self) -> Text:
        """How texts are normalised; unknown while the model is not on this machine."""
        if self.model.state:
            return "unknown"
        if self.language != ENGLISH:
            return "basic"
        return "whisper" if self._config().get("model_type") == "whisper" else "letters"

    def heard(self, memo: Memo, side: str, signal: Signal) -> str:
        """What it hears in float32 ``[time]`` at 16 kHz, normalised; asked once per clip, whichever
        metrics want to know. ``side`` tells the clip's two signals apart."""
        return self.normalised(memo.get((self, side), lambda: self.transcribe(signal)))

    def transcribe(self, signal: Signal) -> str:
        """What it hears, as it says it."""
        way = self.way
        network = "AutoModelForCTC" if way == "letters" else "AutoModelForSpeechSeq2Seq"
        processor, model = _load(self.model, network)
        if way == "letters":
            return _letters(processor, model, signal)
        if model.config.model_type == "whisper":
            return _whisper(processor, model, signal, self.language)
        parts = (_written(processor, model, part) for part in _cut(signal, _WRITTEN_S * RATE))
        return " ".join(parts)

    def normalised(self, text: str) -> str:
        """The text as words are compared; empty where nothing of it is."""
        return " ".join(_normaliser(self.model, self.text)(text).split())

    def _config(self) -> dict[str, Any]:
        found = _config(self.model)
        if not isinstance(found, dict):
            raise WeightsUnavailable(f"{self.model.folder / CONFIG_FILE}: no configuration")
        return found


def letters(text: str) -> str:
    """Capitals, apostrophes and single spaces: ``it's—Fine!`` is ``IT'S FINE``."""
    return " ".join(re.sub(r"[^A-Z' ]+", " ", text.upper().replace("’", "'")).split())


@cache
def _config(model: HubModel) -> object:
    try:
        return json.loads((model.folder / CONFIG_FILE).read_bytes())
    except (OSError, ValueError) as error:
        raise WeightsUnavailable(f"{model.folder / CONFIG_FILE}: {error}") from error


@cache
def _load(model: HubModel, network: str) -> tuple[Any, Any]:
    import torch

    transformers = quiet_transformers()
    processor = transformers.AutoProcessor.from_pretrained(model.folder)
    made = getattr(transformers, network).from_pretrained(model.folder, dtype=torch.float32)
    return processor, made.eval()


@cache
def _normaliser(model: HubModel, text: Text) -> Callable[[str], str]:
    if text == "letters":
        return letters
    from transformers.models.whisper import english_normalizer

    if text == "basic":
        basic: Callable[[str], str] = english_normalizer.BasicTextNormalizer()
        return basic
    file = model.folder / _SPELLINGS
    if not file.is_file():
        raise WeightsUnavailable(
            f"{file}: no such file, which Whisper's normaliser of English needs; get all files of"
            f" '{model.repository}'"
        )
    english: Callable[[str], str] = english_normalizer.EnglishTextNormalizer(
        json.loads(file.read_bytes())
    )
    return english


def _letters(processor: Any, model: Any, signal: Signal) -> str:  # noqa: ANN401
    import torch

    found = processor(np.array(signal), sampling_rate=RATE, return_tensors="pt")
    (values,) = (found[name] for name in processor.model_input_names[:1])
    with torch.inference_mode():
        if values.ndim == 2:
            parts = windowed(values, RATE, lambda part: model(part).logits.argmax(dim=-1))
            letters = torch.cat(list(parts), dim=1)
        else:  # a model of spectra
            letters = model(values).logits.argmax(dim=-1)
    return str(processor.batch_decode(letters, skip_special_tokens=True)[0])


def _whisper(processor: Any, model: Any, signal: Signal, language: str) -> str:  # noqa: ANN401
    import torch

    is_long = len(signal) > _WRITTEN_S * RATE
    how = {"truncation": False, "padding": "longest"} if is_long else {}
    features = processor(
        np.array(signal),
        sampling_rate=RATE,
        return_tensors="pt",
        return_attention_mask=True,
        **how,
    )
    config = model.generation_config
    many = getattr(config, "is_multilingual", False)  # English-only models take no language
    told = {"language": language, "task": "transcribe"} if many else {}
    with torch.inference_mode():
        tokens = model.generate(
            **features, **told, return_timestamps=is_long, num_beams=1, do_sample=False
        )
    return str(processor.batch_decode(tokens, skip_special_tokens=True)[0])


def _written(processor: Any, model: Any, signal: Signal) -> str:  # noqa: ANN401
    import torch

    features = processor(np.array(signal), sampling_rate=RATE, return_tensors="pt")
    with torch.inference_mode():
        tokens = model.generate(**features, num_beams=1, do_sample=False)
    return str(processor.batch_decode(tokens, skip_special_tokens=True)[0])


def _cut(signal: Signal, length: int) -> Iterator[Signal]:
    for start in range(0, len(signal), length):
        yield signal[start : start + length]
