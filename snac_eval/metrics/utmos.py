"""UTMOS: how natural speech sounds to listeners, as a network predicts it without a reference.

The "strong learner" of Saeki et al., "UTMOS: UTokyo-SaruLab system for VoiceMOS Challenge 2022"
(Interspeech 2022), a wav2vec 2.0 with a recurrent head, scores the estimate at 16 kHz, mixed to
mono. The package ``utmos-pytorch`` (extra ``utmos``) runs the authors' weights without fairseq;
they are pinned by revision on the hub. Code and weights: MIT.

Clips of up to 30 s are scored whole, longer ones in equal pieces, whose mean counts.
"""

from __future__ import annotations

import warnings
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from snac_eval.errors import CheckpointError
from snac_eval.hub import HubModel
from snac_eval.metrics.base import SPEECH_ONLY, PairMetric
from snac_eval.metrics.hub import HubMetric
from snac_eval.metrics.pieces import LONGEST_S, mean_of_pieces
from snac_eval.types import MetricInfo

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from snac_eval.metrics.base import Signal

RATE = 16000
SHORTEST_S = 0.25
MODEL = HubModel(
    "Blinorot/UTMOS-PyTorch",
    "SNAC_EVAL_UTMOS_WEIGHTS",
    revision="4f2447e519df3b88567b45583d3500006729502b",
    files=("utmos_state_dict.pt",),
)


class Utmos(HubMetric, PairMetric):
    """UTMOS, a predicted MOS of 1..5, higher is better."""

    papers = (
        'Saeki et al., "UTMOS: UTokyo-SaruLab system for VoiceMOS Challenge 2022",'
        " Interspeech 2022",
    )
    traps = (
        "A network's guess of an opinion: set it beside that of the clips themselves (model"
        " pcm_16bit), for natural speech gets no full marks.",
        "It sees the estimate alone: a codec that says other words in a clear voice scores"
        " high. Put word_error_rate or speaker_similarity beside it.",
        "Trained on synthetic and converted voices of 2022 and before, not on codecs.",
    )
    model = MODEL
    licence = "MIT (code and weights)"
    packages = ("utmos-pytorch",)
    settings = {"longest_s": LONGEST_S}  # noqa: RUF012 - never changed
    mixes_down = True
    shortest_s = SHORTEST_S
    imports = ("torch", "utmos_pytorch")

    def __init__(self) -> None:
        self.info = MetricInfo(
            name="utmos",
            description="predicted opinion of how natural speech is (UTMOS22 strong), no reference",
            unit="MOS",
            higher_is_better=True,
            # A regression without a bound, of opinions that lie between 1 and 5.
            value_range=(0.0, 6.0),
            domains=SPEECH_ONLY,
            sample_rate=RATE,
            fingerprint=self.fingerprint("utmos", RATE),
        )

    def _compute(self, reference: Signal, estimate: Signal, sample_rate: int) -> float:
        return float(mean_of_pieces(_predict, RATE, estimate))


def _predict(signal: Signal) -> NDArray[np.float64]:
    import torch

    network = _network(MODEL.weights)
    with torch.inference_mode():
        return np.asarray(network.score(torch.from_numpy(np.array(signal))[None]).double()[0])


@cache
def _network(file: Path) -> Any:  # noqa: ANN401 - the package is not installed where types are checked
    from utmos_pytorch import UTMOSScoreTorch

    _require_all_weights(file)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # of the weight norm that the package uses
        return UTMOSScoreTorch(str(file))


def _require_all_weights(file: Path) -> None:
    """The package would leave at random what the file lacks, and score with that."""
    import torch
    from utmos_pytorch.utmos_torch import UTMOSModel

    found = torch.load(file, map_location="cpu", weights_only=True)
    with warnings.catch_warnings(), torch.device("meta"):
        warnings.simplefilter("ignore", FutureWarning)
        wanted = UTMOSModel().state_dict()
    if missing := sorted(wanted.keys() - found.keys()):
        raise CheckpointError(
            f"{file}: no weights of UTMOS: {len(missing)} of {len(wanted)} are missing, such as"
            f" {missing[0]}"
        )
