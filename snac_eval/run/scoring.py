"""What scores one clip: its audio wherever that is, its codes where the codec runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial

from snac_eval.codecs.abilities import OpenCodec
from snac_eval.errors import Interrupted, keep_trace, one_line
from snac_eval.metrics.base import Encoded, PreparedPair, guarded
from snac_eval.metrics.opening import CodecMetric, CodesMetric, OpenMetric, open_metric
from snac_eval.types import Reconstruction, Score

SENT_METRIC = "bitrate"
"""The metric that takes somebody's word for bits, where reconstructions come without codes."""


def score_clip(names: Sequence[str], reconstruction: Reconstruction) -> dict[str, Score]:
    """Scores of a clip's audio, by the names of the metrics."""
    return score_audio({name: open_metric(name) for name in names}, reconstruction)


def score_audio(
    metrics: Mapping[str, OpenMetric], reconstruction: Reconstruction
) -> dict[str, Score]:
    """Scores of a clip's audio; it is resampled once per rate, not once per metric."""
    return dict(each_score(metrics, reconstruction))


def each_score(
    metrics: Mapping[str, OpenMetric],
    reconstruction: Reconstruction,
    watch: Callable[[str], None] = lambda _: None,
) -> Iterator[tuple[str, Score]]:
    """The same, one after the other as they are found; ``watch`` is told each name before."""
    pair = PreparedPair(reconstruction.reference, reconstruction.estimate)
    for name, metric in metrics.items():
        watch(name)
        yield name, _survived(partial(metric.score_audio, reconstruction, pair))


def score_in_place(
    metric: OpenMetric, made: Reconstruction, codec: OpenCodec, encoded: Encoded | None
) -> Score:
    """A score that needs the codec, or codes and timings, but not both waveforms.

    ``encoded`` is what the codec made of the clip; None where it was read from a file. Raises
    ValueError for a metric of audio.
    """
    if metric.codes is not None:
        return _score_codes(metric.codes, made, codec)
    if metric.codec is not None:
        return _score_codec(metric.codec, codec, encoded)
    raise ValueError(f"{metric.info.name} is not scored in place")


def _score_codes(metric: CodesMetric, made: Reconstruction, codec: OpenCodec) -> Score:
    duration_s = made.reference.duration_s

    def score() -> Score:
        codes = made.codes
        if codec.sent_by and codec.sent is not None and metric.info.name == SENT_METRIC:
            codes = codec.sent(made.clip, duration_s)
            if codes is None:
                return Score.undefined("nothing beside the files says what this clip took to send")
        return metric.score_codes(codes, codec.card, made.timing, duration_s)

    return _survived(lambda: guarded(metric.info, score))


def _score_codec(metric: CodecMetric, codec: OpenCodec, encoded: Encoded | None) -> Score:
    coder = codec.coder
    if coder is None or encoded is None:
        return Score.undefined("reconstructions that were read from files cannot be encoded again")
    return _survived(lambda: guarded(metric.info, lambda: metric.score_codec(coder, encoded)))


def _survived(compute: Callable[[], Score]) -> Score:
    """The score, though what computes it raises what ends a program. A signal is not held up."""
    try:
        return compute()
    except Interrupted:
        raise
    except BaseException as error:  # noqa: BLE001 - a plugin's KeyboardInterrupt among them
        keep_trace(error)
        return Score.error(one_line(error))
