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
from collections.abc import Iterable, Iterator, Mapping
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

    Matrix = NDArray[np.float64]

RATE = 48000
WINDOW_S = 10.0
SHORTEST_REST_S = 1.0
# Vectors that are summed up in one product of matrices.
_TOGETHER = 1024
MODEL = HubModel("laion/clap-htsat-unfused", "SNAC_EVAL_FAD_WEIGHTS")


class FadClap(HubMetric):
    """Fréchet audio distance over CLAP embeddings of all clips, 0 and up, lower is better."""

    papers = (
        'Kilgour et al., Interspeech 2019; Wu et al., "LAION-CLAP", ICASSP 2023; Gui et al.,'
        " ICASSP 2024",
    )
    traps = (
        "Biased upwards where there are few clips: compare codecs on the same clips only.",
        "Distances of other embeddings (VGGish, PANNs) are other metrics.",
    )
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

    def finish(self, details: Iterable[bytes]) -> Score:
        """The distance over all clips; undefined for fewer than two embeddings, and said to be
        biased for too few."""
        reference, estimate = Cloud(), Cloud()
        for detail in details:
            sides = np.load(io.BytesIO(detail), allow_pickle=False).astype(np.float64)
            reference.add(sides[0])
            estimate.add(sides[1])
        if reference.count < 2:
            return Score.undefined("a Fréchet distance needs at least two clips")
        score = Score.ok(frechet_distance(reference, estimate))
        bias = _bias(reference.count, len(reference.mean))
        return replace(score, reason=bias) if score.status == "ok" else score


class Cloud:
    """Mean and covariance of vectors that are added some at a time; memory does not grow with
    them. Float64: equal to those of all at once but for rounding."""

    def __init__(self, vectors: Matrix | None = None) -> None:
        self._count = 0
        self._mean: Matrix = np.zeros(0)
        self._scatter: Matrix = np.zeros((0, 0))
        self._waiting: list[Matrix] = []
        if vectors is not None:
            self.add(vectors)

    def add(self, vectors: Matrix) -> None:
        """Add ``[vector, dimension]``."""
        self._waiting.append(vectors)
        if sum(map(len, self._waiting)) >= _TOGETHER:
            self._merge()

    @property
    def count(self) -> int:
        """Vectors so far."""
        return self._count + sum(map(len, self._waiting))

    @property
    def mean(self) -> Matrix:
        """``[dimension]``."""
        self._merge()
        return self._mean

    @property
    def covariance(self) -> Matrix:
        """``[dimension, dimension]``, over N - 1."""
        self._merge()
        return self._scatter / (self._count - 1)

    def _merge(self) -> None:
        """Chan, Golub and LeVeque (1983): two means and sums about them are those of both."""
        if not self._waiting:
            return
        vectors = np.concatenate(self._waiting)
        self._waiting.clear()
        mean = vectors.mean(axis=0)
        centred = vectors - mean
        scatter = centred.T @ centred
        if self._count:
            shift = mean - self._mean
            share = len(vectors) / (self._count + len(vectors))
            scatter += self._scatter + self._count * share * np.outer(shift, shift)
            mean = self._mean + share * shift
        self._count += len(vectors)
        self._mean, self._scatter = mean, scatter


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


def frechet_distance(one: Cloud, other: Cloud) -> float:
    """Squared Fréchet distance of Gaussians fitted to two clouds of two vectors or more."""
    shift = one.mean - other.mean
    first, second = one.covariance, other.covariance
    # S1 S2 and S1^(1/2) S2 S1^(1/2) have the same eigenvalues; those of the latter stay real.
    root = _root(first)
    shared = np.sqrt(np.clip(np.linalg.eigvalsh(root @ second @ root), 0, None)).sum()
    distance = shift @ shift + np.trace(first) + np.trace(second) - 2 * shared
    return max(0.0, float(distance))


def _root(matrix: Matrix) -> Matrix:
    values, vectors = np.linalg.eigh(matrix)
    return np.asarray((vectors * np.sqrt(np.clip(values, 0, None))) @ vectors.T)


def embed(signal: Signal) -> Matrix:
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
