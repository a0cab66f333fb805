"""Fréchet audio distance: how far a codec's outputs as a whole are from the clips as a whole.

Kilgour et al., Interspeech 2019: both sides are embedded, a Gaussian is fitted to each cloud, and
the squared Fréchet distance between the two is ``|m1 - m2|^2 + tr(S1 + S2 - 2 (S1 S2)^(1/2))``.
The embedding is LAION-CLAP (Wu et al., ICASSP 2023), as transformers runs
``laion/clap-htsat-unfused`` (extra ``fad``). Gui et al. (ICASSP 2024) found that it follows
perception better than the embedding of 2019. Audio is mixed to mono at 48 kHz and cut into windows
of 10 s, one vector each. The rest of a clip is a window if it lasts at least a second or is the
whole clip. Covariances divide by N - 1.

The distance is one number for a dataset, and biased upwards where there are few vectors: compare
codecs on the same clips only. With no more vectors than dimensions the covariances are singular,
and the score says that it is biased.
"""

from __future__ import annotations

import io
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from snac_eval.hub import HubModel
from snac_eval.metrics.base import ALL_DOMAINS, PreparedPair, audible_channels, guarded
from snac_eval.metrics.hub import HubMetric, load
from snac_eval.types import MetricInfo, Reconstruction, Score

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from snac_eval.metrics.base import Signal

RATE = 48000
WINDOW_S = 10.0
SHORTEST_REST_S = 1.0
MODEL = HubModel("laion/clap-htsat-unfused", "SNAC_EVAL_FAD_WEIGHTS")


class FadClap(HubMetric):
    """Fréchet audio distance over CLAP embeddings of all clips, 0 and up, lower is better."""

    model = MODEL
    settings: ClassVar[Mapping[str, object]] = {"window_s": WINDOW_S}
    imports = ("torch", "transformers")

    def __init__(self) -> None:
        self.info = MetricInfo(
            name="fad_clap",
            description="Fréchet audio distance of all clips together (CLAP embeddings)",
            unit="",
            higher_is_better=False,
            value_range=(0.0, math.inf),
            domains=ALL_DOMAINS,
            sample_rate=RATE,
            fingerprint=self.fingerprint("fad_clap", RATE),
            kind="corpus",
            corpus_of="audio",
        )

    def score(self, reconstruction: Reconstruction) -> Score:
        """No value: the clip's embeddings ``[side, window, dimension]``, for :meth:`finish`."""
        pair = PreparedPair(reconstruction.reference, reconstruction.estimate)
        return guarded(self.info, lambda: Score.partial(_embedded(pair)))

    def finish(self, details: Sequence[bytes]) -> Score:
        """The distance over all clips; undefined for fewer than two embeddings, and said to be
        biased for too few."""
        arrays = [np.load(io.BytesIO(detail), allow_pickle=False) for detail in details]
        if sum(array.shape[1] for array in arrays) < 2:
            return Score.undefined("a Fréchet distance needs at least two clips")
        reference, estimate = np.concatenate(arrays, axis=1).astype(np.float64)
        score = Score.ok(frechet_distance(reference, estimate))
        return replace(score, reason=_bias(*reference.shape)) if score.status == "ok" else score


def _bias(num_vectors: int, num_dimensions: int) -> str:
    """What a reader must know of a distance between so few vectors; empty where they are enough."""
    if num_vectors > num_dimensions:
        return ""
    return (
        f"biased upwards: {num_vectors} windows of audio are too few for the covariance of"
        f" {num_dimensions} dimensions"
    )


def _embedded(pair: PreparedPair) -> bytes:
    pair.check()
    mixed = pair.at(RATE, mono=True)
    audible_channels(*mixed, " in the mix that is scored")
    sides = [one.samples[0] for one in mixed]
    buffer = io.BytesIO()
    np.save(buffer, np.stack([embed(side) for side in sides]).astype(np.float32))
    return buffer.getvalue()


def frechet_distance(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """Squared Fréchet distance of Gaussians fitted to two clouds ``[points, dimensions]``."""
    shift = one.mean(axis=0) - other.mean(axis=0)
    first, second = (np.atleast_2d(np.cov(cloud, rowvar=False)) for cloud in (one, other))
    # S1 S2 and S1^(1/2) S2 S1^(1/2) have the same eigenvalues; those of the latter stay real.
    root = _root(first)
    shared = np.sqrt(np.clip(np.linalg.eigvalsh(root @ second @ root), 0, None)).sum()
    distance = shift @ shift + np.trace(first) + np.trace(second) - 2 * shared
    return max(0.0, float(distance))


def _root(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    values, vectors = np.linalg.eigh(matrix)
    return np.asarray((vectors * np.sqrt(np.clip(values, 0, None))) @ vectors.T)


def embed(signal: Signal) -> NDArray[np.float64]:
    """CLAP embeddings ``[window, dimension]`` of float32 ``[time]`` at 48 kHz."""
    import torch

    extractor, model = load(MODEL, "ClapFeatureExtractor", "ClapAudioModelWithProjection")
    vectors = []
    for window in _windows(signal):
        features = extractor(np.array(window), sampling_rate=RATE, return_tensors="pt")
        with torch.inference_mode():
            vectors.append(model(**features).audio_embeds[0].double().numpy())
    return np.stack(vectors)


def _windows(signal: Signal) -> Iterator[Signal]:
    length = int(WINDOW_S * RATE)
    for start in range(0, len(signal), length):
        window = signal[start : start + length]
        if start == 0 or len(window) >= SHORTEST_REST_S * RATE:
            yield window
