"""TorchAudio-SQUIM: STOI, PESQ and SI-SDR that a network predicts without a reference.

Kumar et al., ICASSP 2023. ``torchaudio.pipelines.SQUIM_OBJECTIVE`` (extra ``squim``) predicts from
the estimate at 16 kHz, mixed to mono. It downloads its weights when it is first used.
"""

from __future__ import annotations

import math
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from snac_eval.audio import RESAMPLER
from snac_eval.metrics.base import SPEECH_ONLY, Memo, PairMetric, fingerprint
from snac_eval.types import MetricInfo

if TYPE_CHECKING:
    from snac_eval.metrics.base import Signal

RATE = 16000
SHORTEST_S = 0.25


class _Squim(PairMetric):
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
            fingerprint=fingerprint(
                f"squim_{name}", "torchaudio", rate=RATE, resampler=RESAMPLER, v=1
            ),
        )

    def _compute_with(
        self, memo: Memo, reference: Signal, estimate: Signal, sample_rate: int
    ) -> float:
        return memo.get("squim", lambda: _predict(estimate))[self._index]

    def _compute(self, reference: Signal, estimate: Signal, sample_rate: int) -> float:
        return _predict(estimate)[self._index]


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


def _predict(estimate: Signal) -> tuple[float, float, float]:
    import torch

    with torch.inference_mode():
        stoi, pesq, si_sdr = _model()(torch.from_numpy(np.array(estimate))[None])
    return float(stoi), float(pesq), float(si_sdr)


@cache
def _model() -> Any:  # noqa: ANN401 - torchaudio is not installed where types are checked
    from torchaudio.pipelines import SQUIM_OBJECTIVE

    return SQUIM_OBJECTIVE.get_model().eval()
