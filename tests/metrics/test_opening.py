"""What kind a metric is of is decided once, and one that does not fit its kind is refused."""

from __future__ import annotations

import inspect
from dataclasses import replace
from typing import Any, get_type_hints

import pytest

from snac_eval.api import load_metric
from snac_eval.errors import UsageError
from snac_eval.metrics.base import PairMetric
from snac_eval.metrics.opening import open_metric, opened
from snac_eval.metrics.waveform import SiSdr
from snac_eval.registry import plugins
from snac_eval.types import MetricInfo, Score

FACES = ("audio", "pair", "clip", "codes", "codec", "corpus", "tokens", "audio_corpus")
ONE_OF_EACH = {
    "si_sdr": {"audio", "pair"},
    "word_error_rate": {"audio", "clip"},
    "bitrate": {"codes"},
    "bench_peak_memory": {"codes"},
    "token_agreement@n=2": {"codec"},
    "codebook_usage": {"corpus"},
    "ngram_entropy@n=3": {"tokens"},
    "fad_clap": {"audio", "audio_corpus"},
}


@pytest.mark.parametrize("name", ONE_OF_EACH)
def test_a_metric_has_the_faces_of_its_kind(name: str) -> None:
    metric = open_metric(name)
    assert {face for face in FACES if getattr(metric, face) is not None} == ONE_OF_EACH[name]
    assert metric.is_in_place == (metric.info.kind in ("codes", "codec"))
    assert metric.imports[0].startswith("snac_eval.metrics.")


@pytest.mark.parametrize("name", plugins.metric_names())
def test_every_metric_fits_its_kind(name: str) -> None:
    assert open_metric(name).info.name == name


def _metric(methods: str, **changes: Any) -> Any:  # noqa: ANN401 - a metric on purpose of no type
    info = replace(SiSdr().info, **changes)
    return type("Odd", (), {"info": info, **dict.fromkeys(methods.split(), lambda *_: None)})()


@pytest.mark.parametrize(
    ("metric", "reason"),
    [
        (_metric("score_codes"), "of kind 'audio', which has the method 'score'; it has 'score_c"),
        (_metric("score", kind="codes"), "has the method 'score_codes'; it has 'score'"),
        (_metric("score finish"), "has the method 'score'; it has 'finish' and 'score'"),
        (_metric("finish", kind="corpus", corpus_of="audio"), "'finish' and 'score'; it has 'fin"),
        (_metric("score finish", kind="corpus"), "of kind 'corpus' of codes"),
        (_metric("", kind="codec"), "it has no method that scores"),
        (_metric("score", kind="sound"), "there is no kind 'sound'"),
        (object(), "has no 'info'"),
    ],
)
def test_a_metric_that_does_not_fit_its_kind_is_refused_by_name(
    metric: Any,  # noqa: ANN401
    reason: str,
) -> None:
    with pytest.raises(UsageError, match=f"^metric 'odd': .*{reason}") as refused:
        opened(metric, "odd")
    assert "\n" not in str(refused.value)


def test_info_is_asked_anew() -> None:
    metric = _metric("score")
    face = opened(metric, "odd")
    metric.info = replace(metric.info, unit="late")
    assert face.info.unit == "late"


def test_a_loaded_metric_is_of_two_waveforms_for_a_type_checker_too() -> None:
    assert get_type_hints(load_metric)["return"] is PairMetric
    assert inspect.signature(PairMetric.score_pair).return_annotation == Score.__name__
    assert isinstance(load_metric("si_sdr").info, MetricInfo)
    for name in ("bitrate", "token_agreement", "codebook_usage"):
        with pytest.raises(UsageError, match=rf"metrics=\['{name}'\]"):
            load_metric(name)
