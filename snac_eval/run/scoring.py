"""What scores one clip: its audio in a worker process, its codes where the codec runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from snac_eval.codecs.abilities import OpenCodec
from snac_eval.metrics.base import PreparedPair, guarded
from snac_eval.metrics.opening import CodecMetric, CodesMetric, OpenMetric, open_metric
from snac_eval.types import Reconstruction, Score


def score_clip(names: Sequence[str], reconstruction: Reconstruction) -> dict[str, Score]:
    """Scores of a clip's audio, by the names of the metrics. The function that workers run."""
    return score_audio({name: open_metric(name) for name in names}, reconstruction)


def score_audio(
    metrics: Mapping[str, OpenMetric], reconstruction: Reconstruction
) -> dict[str, Score]:
    """Scores of a clip's audio; it is resampled once per rate, not once per metric."""
    pair = PreparedPair(reconstruction.reference, reconstruction.estimate)
    return {name: metric.score_audio(reconstruction, pair) for name, metric in metrics.items()}


def score_in_place(
    metrics: Mapping[str, OpenMetric], made: Reconstruction, codec: OpenCodec, seed: int
) -> dict[str, Score]:
    """Scores that need the codec, or codes and timings, but no audio.

    ``seed`` is what the clip's codes were decoded with. Metrics that score audio are left out.
    """
    scores = {}
    for name, metric in metrics.items():
        if metric.codes is not None:
            scores[name] = _score_codes(metric.codes, made, codec)
        elif metric.codec is not None:
            scores[name] = _score_codec(metric.codec, made, codec, seed)
    return scores


def _score_codes(metric: CodesMetric, made: Reconstruction, codec: OpenCodec) -> Score:
    duration_s = made.reference.duration_s
    return guarded(
        metric.info,
        lambda: metric.score_codes(made.codes, codec.card, made.timing, duration_s),
    )


def _score_codec(metric: CodecMetric, made: Reconstruction, codec: OpenCodec, seed: int) -> Score:
    coder, codes = codec.coder, made.codes
    if coder is None or codes is None:
        return Score.undefined("reconstructions that were read from files cannot be encoded again")
    return guarded(metric.info, lambda: metric.score_codec(coder, codes, seed))
