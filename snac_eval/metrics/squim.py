"""TorchAudio-SQUIM: STOI, PESQ and SI-SDR that a network predicts without a reference.

Kumar et al., ICASSP 2023. torchaudio's network, with the weights of its ``SQUIM_OBJECTIVE``,
predicts from the estimate at 16 kHz, mixed to mono. torchaudio needs the very build of torch that
it was made with, hence an environment. The weights are CC BY 4.0, by torchaudio's documentation.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from snac_eval.environments.computing import computed
from snac_eval.metrics.base import SPEECH_ONLY, Memo, PairMetric
from snac_eval.metrics.hub import HubMetric
from snac_eval.metrics.web import WebFile
from snac_eval.types import Environment, MetricInfo

if TYPE_CHECKING:
    from snac_eval.metrics.base import Signal

RATE = 16000
SHORTEST_S = 0.25
MODEL = WebFile(
    "https://download.pytorch.org/torchaudio/models/squim_objective_dns2020.pth",
    "SNAC_EVAL_SQUIM_WEIGHTS",
    "squim",
    least_bytes=1 << 20,
)


class _Squim(HubMetric, PairMetric):
    papers = ('Kumar et al., "TorchAudio-SQUIM", ICASSP 2023',)
    traps = (
        "A network's guess of another metric, without the reference: never set it beside the"
        " metric itself.",
        "It sees the estimate alone: a codec that says other words in a clear voice scores"
        " high. Put word_error_rate or speaker_similarity beside it.",
    )
    model = MODEL
    licence = "BSD-2-Clause (code), CC BY 4.0 (weights)"
    packages = ("torchaudio",)
    environment = Environment("squim", ("torch==2.11.0", "torchaudio==2.11.0"))
    imports = ("torchaudio.models",)
    shortest_s = SHORTEST_S
    mixes_down = True

    def __init__(self, index: int, name: str, unit: str, value_range: tuple[float, float]) -> None:
        self._index = index
        self.info = MetricInfo(
            name=f"squim_{name}",
            description=f"{name.upper().replace('_', '-')} as SQUIM predicts it, no reference",
            unit=unit,
            higher_is_better=True,
            value_range=value_range,
            domains=SPEECH_ONLY,
            sample_rate=RATE,
            fingerprint=self.fingerprint(f"squim_{name}", RATE),
        )

    def _compute_with(
        self, memo: Memo, reference: Signal, estimate: Signal, sample_rate: int
    ) -> float:
        return memo.get("squim", lambda: self._predicted(estimate))[self._index]

    def _compute(self, reference: Signal, estimate: Signal, sample_rate: int) -> float:
        return self._predicted(estimate)[self._index]

    def _predicted(self, estimate: Signal) -> list[float]:
        asked = {"estimate": estimate, "weights": str(MODEL.get())}
        function = "snac_eval.metrics._squim:predicted"
        return list(map(float, computed(self.environment, function, asked, len(estimate) / RATE)))


class SquimStoi(_Squim):
    """STOI as SQUIM predicts it, 0..1, higher is better."""

    def __init__(self) -> None:
        super().__init__(0, "stoi", "", (0.0, 1.0))


class SquimPesq(_Squim):
    """Wideband PESQ as SQUIM predicts it, higher is better."""

    def __init__(self) -> None:
        super().__init__(1, "pesq", "MOS", (1.0, 5.0))


class SquimSiSdr(_Squim):
    """SI-SDR in dB as SQUIM predicts it, higher is better."""

    def __init__(self) -> None:
        super().__init__(2, "si_sdr", "dB", (-math.inf, math.inf))
