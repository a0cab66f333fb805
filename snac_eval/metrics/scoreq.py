"""SCOREQ: speech quality from embeddings that learned to stand in the order of opinions.

Ragano, Skoglund and Hines, "SCOREQ: speech quality assessment with contrastive regression"
(NeurIPS 2024). Networks over wav2vec 2.0, trained on natural speech (telephony, codecs) or on
synthetic speech, predict a MOS of the estimate alone (``scoreq``, ``scoreq_synthetic``), or embed
both sides, whose distance is the score (``scoreq_ref``, ``scoreq_ref_synthetic``): 0 for identical
ones.

``onnxruntime`` (extra ``scoreq``) runs the authors' ONNX files from Zenodo record 15739280 (378 MB
each), at 16 kHz, mixed to mono, padded to whole frames of 320 samples as their package does. Zenodo
does not change a record; nobody published checksums that we know, so that no download is checked
and the digest in the fingerprint tells which weights scored. Code: MIT. Weights: CC BY 4.0.

Clips of up to 30 s are scored whole, longer ones in equal pieces, whose mean counts.
"""

from __future__ import annotations

import math
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from snac_eval.metrics.base import SPEECH_ONLY, PairMetric
from snac_eval.metrics.hub import HubMetric
from snac_eval.metrics.pieces import LONGEST_S, mean_of_pieces
from snac_eval.metrics.web import WebFile
from snac_eval.types import MetricInfo

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from snac_eval.metrics.base import Signal

RATE = 16000
SHORTEST_S = 0.25
_FRAME = 320
_LEAST_BYTES = 300_000_000


def _published(name: str) -> WebFile:
    url = f"https://zenodo.org/records/15739280/files/{name}.onnx"
    return WebFile(url, "SNAC_EVAL_SCOREQ_WEIGHTS", "scoreq", least_bytes=_LEAST_BYTES)


class _Scoreq(HubMetric, PairMetric):
    papers = ('Ragano, Skoglund and Hines, "SCOREQ", NeurIPS 2024',)
    licence = "code MIT, weights CC BY 4.0"
    packages = ("onnxruntime",)
    settings = {"longest_s": LONGEST_S}  # noqa: RUF012 - never changed
    mixes_down = True
    shortest_s = SHORTEST_S
    imports = ("onnxruntime",)

    def __init__(self, name: str, what: str, is_opinion: bool) -> None:
        self.info = MetricInfo(
            name=name,
            description=what,
            unit="MOS" if is_opinion else "",
            higher_is_better=is_opinion,
            # Opinions lie between 1 and 5, their regression has no bound.
            value_range=(0.0, 6.0) if is_opinion else (0.0, math.inf),
            domains=SPEECH_ONLY,
            sample_rate=RATE,
            fingerprint=self.fingerprint(name, RATE),
        )

    def _ask(self, signal: Signal) -> NDArray[np.float64]:
        """What the network gives for one piece."""
        session = _session(self.model.get())
        padded = np.pad(signal, (0, -len(signal) % _FRAME)).astype(np.float32)
        answer = session.run(None, {session.get_inputs()[0].name: padded[None]})[0]
        return np.asarray(answer, dtype=np.float64).ravel()


class _Opinion(_Scoreq):
    traps = (
        "A network's guess of an opinion: set it beside that of the clips themselves (model"
        " pcm_16bit), for natural speech gets no full marks.",
        "It sees the estimate alone: a codec that says other words in a clear voice scores"
        " high. Put word_error_rate or speaker_similarity beside it.",
    )

    def __init__(self, name: str, speech: str) -> None:
        what = f"predicted opinion of speech (SCOREQ, trained on {speech} speech), no reference"
        super().__init__(name, what, True)

    def _compute(self, reference: Signal, estimate: Signal, sample_rate: int) -> float:
        return float(mean_of_pieces(self._ask, RATE, estimate).item())


class _Distance(_Scoreq):
    traps = ("The weights of natural and of synthetic speech give other distances: two metrics.",)

    def __init__(self, name: str, speech: str) -> None:
        what = f"distance of the embeddings of both sides (SCOREQ, trained on {speech} speech)"
        super().__init__(name, what, False)

    def _compute(self, reference: Signal, estimate: Signal, sample_rate: int) -> float:
        return float(mean_of_pieces(self._distance, RATE, reference, estimate))

    def _distance(self, reference: Signal, estimate: Signal) -> NDArray[np.float64]:
        return np.asarray(np.linalg.norm(self._ask(reference) - self._ask(estimate)))


class Scoreq(_Opinion):
    """SCOREQ of natural speech, a predicted MOS of 1..5, higher is better."""

    model = _published("adapt_nr_telephone")

    def __init__(self) -> None:
        super().__init__("scoreq", "natural")


class ScoreqSynthetic(_Opinion):
    """SCOREQ of synthetic speech, a predicted MOS of 1..5, higher is better."""

    model = _published("adapt_nr_synthetic")

    def __init__(self) -> None:
        super().__init__("scoreq_synthetic", "synthetic")


class ScoreqRef(_Distance):
    """SCOREQ's distance of two sides, natural speech, 0 and up, lower is better."""

    model = _published("fixed_nmr_telephone")

    def __init__(self) -> None:
        super().__init__("scoreq_ref", "natural")


class ScoreqRefSynthetic(_Distance):
    """SCOREQ's distance of two sides, synthetic speech, 0 and up, lower is better."""

    model = _published("fixed_nmr_synthetic")

    def __init__(self) -> None:
        super().__init__("scoreq_ref_synthetic", "synthetic")


@cache
def _session(file: Path) -> Any:  # noqa: ANN401 - onnxruntime is not installed where types are checked
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1  # clips are scored side by side
    return onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
