"""NISQA: quality of transmitted speech and its four dimensions, predicted without a reference.

Mittag et al., "NISQA: a deep CNN-self-attention model for multidimensional speech quality
prediction with crowdsourced datasets" (Interspeech 2021). ``torchmetrics`` (extra ``nisqa``)
carries the network. The authors' weights (model v2.0) come from their repository, pinned by commit
and checksum. Code: MIT. Weights: CC BY-NC-SA 4.0, not for commercial use.

The estimate is scored at the reference's own rate, mixed to mono, as the authors do; they trained
on 48 kHz. The windows are set in seconds and their level rises with the rate: compare codecs on
clips of one rate. Clips of up to 30 s are scored whole, longer ones in equal pieces, whose mean
counts; the network takes at most 52 s.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from snac_eval.metrics.base import SPEECH_ONLY, Memo, PairMetric
from snac_eval.metrics.hub import HubMetric
from snac_eval.metrics.pieces import LONGEST_S, mean_of_pieces
from snac_eval.metrics.web import WebFile
from snac_eval.types import MetricInfo

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from snac_eval.metrics.base import Signal

SHORTEST_S = 0.25
_COMMIT = "fe84f0f252abec382b24367d5b22498a7ce34dbb"
MODEL = WebFile(
    f"https://raw.githubusercontent.com/gabrielmittag/NISQA/{_COMMIT}/weights/nisqa.tar",
    "SNAC_EVAL_NISQA_WEIGHTS",
    "nisqa",
    "sha256:7ec4cf937514dd3f8860b21e66fabd8ca87a168572675ef8d979c4c4ad2e805c",
)


class _Nisqa(HubMetric, PairMetric):
    papers = ('Mittag, Naderi, Chehadi and Möller, "NISQA", Interspeech 2021',)
    traps = (
        "A network's guess of an opinion: set it beside that of the clips themselves (model"
        " pcm_16bit), for natural speech gets no full marks.",
        "It works at the clips' own rate and was trained on 48 kHz: compare codecs on clips"
        " of one rate.",
        "The weights are not for commercial use.",
    )
    model = MODEL
    licence = "code MIT, weights CC BY-NC-SA 4.0"
    packages = ("torchmetrics", "librosa")
    settings = {"longest_s": LONGEST_S}  # noqa: RUF012 - never changed
    mixes_down = True
    shortest_s = SHORTEST_S
    imports = ("torchmetrics.functional.audio.nisqa",)

    def __init__(self, index: int, name: str, what: str) -> None:
        self._index = index
        self.info = MetricInfo(
            name=name,
            description=f"predicted opinion of {what} (NISQA v2.0), no reference",
            unit="MOS",
            higher_is_better=True,
            # A regression without a bound, of opinions that lie between 1 and 5.
            value_range=(0.0, 6.0),
            domains=SPEECH_ONLY,
            sample_rate=None,
            fingerprint=self.fingerprint(name, None),
        )

    def _compute_with(
        self, memo: Memo, reference: Signal, estimate: Signal, sample_rate: int
    ) -> float:
        return float(memo.get("nisqa", lambda: _predict(estimate, sample_rate))[self._index])

    def _compute(self, reference: Signal, estimate: Signal, sample_rate: int) -> float:
        return float(_predict(estimate, sample_rate)[self._index])


class Nisqa(_Nisqa):
    """NISQA, a predicted MOS of 1..5, higher is better."""

    def __init__(self) -> None:
        super().__init__(0, "nisqa", "the quality of speech")


class NisqaNoisiness(_Nisqa):
    """How little noise there is, 1..5, higher is better."""

    def __init__(self) -> None:
        super().__init__(1, "nisqa_noisiness", "how free of noise speech is")


class NisqaDiscontinuity(_Nisqa):
    """How few gaps and jumps there are, 1..5, higher is better."""

    def __init__(self) -> None:
        super().__init__(2, "nisqa_discontinuity", "how free of gaps speech is")


class NisqaColoration(_Nisqa):
    """How natural the timbre is, 1..5, higher is better."""

    def __init__(self) -> None:
        super().__init__(3, "nisqa_coloration", "how natural the timbre of speech is")


class NisqaLoudness(_Nisqa):
    """How fit the loudness is, 1..5, higher is better."""

    def __init__(self) -> None:
        super().__init__(4, "nisqa_loudness", "how fit the loudness of speech is")


def _predict(estimate: Signal, sample_rate: int) -> NDArray[np.float64]:
    """All five, in the order of the classes above."""
    import torch
    from torchmetrics.functional.audio import nisqa

    folder = str(MODEL.get().parent)
    if folder != nisqa.NISQA_DIR:
        nisqa.NISQA_DIR = folder
        nisqa._load_nisqa_model.cache_clear()

    def scores(signal: Signal) -> NDArray[np.float64]:
        found = nisqa.non_intrusive_speech_quality_assessment(
            torch.from_numpy(np.array(signal)), sample_rate
        )
        return np.asarray(found.double())

    return mean_of_pieces(scores, sample_rate, estimate)
