"""What a run has no value of, and why."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from snac_eval.errors import UndefinedMetrics
from snac_eval.metrics.base import DEFAULT_METRICS
from snac_eval.results.left_out import (
    left_out,
    left_out_of_all,
    refuse_undefined,
    undefined_everywhere,
)
from snac_eval.results.record import Run, read_run
from tests.runs import write_run

NOT_SPEECH = "undefined: pesq_wb is defined for speech; this clip is general"


def _run(folder: Path, scores: dict[str, Any], domain: str, **manifest: Any) -> Run:  # noqa: ANN401
    count = len(next(iter(scores.values())))
    return read_run(
        write_run(folder / "run", scores, domains=[domain] * count, kind="run", **manifest)
    )


def _asked(folder: Path, domain: str) -> Run:
    """A run of the default set, as it is for clips of this domain."""
    return _run(folder, {name: [1.0, 2.0] for name in DEFAULT_METRICS[domain]}, domain)  # type: ignore[index]


def test_defaults_that_no_clip_was_asked_have_one_reason(tmp_path: Path) -> None:
    general, speech = _asked(tmp_path / "g", "general"), _asked(tmp_path / "s", "speech")
    assert [tuple(one) for one in left_out(general)] == [
        (
            ("pesq_wb", "stoi", "estoi", "visqol_speech"),
            "defined for speech; these clips are general",
        )
    ]
    [only] = left_out(speech)
    assert str(only) == "visqol_audio: a default of general and music alone; these clips are speech"
    refuse_undefined(general)  # nobody named one


def test_a_metric_that_is_undefined_on_every_clip_has_its_reasons(tmp_path: Path) -> None:
    scores = {
        "si_sdr": [1.0, "undefined: silent", 2.0],
        "stoi": ["undefined: too short", "undefined: silent", "undefined: too short"],
        "estoi": ["undefined: too short", "error: broke", "undefined: too short"],
    }
    run = _run(tmp_path, scores, "speech", config={"metrics": ["si_sdr", "stoi", "estoi"]})
    [only] = left_out(run)
    assert str(only) == "stoi: too short (2 of 3 clips; others differ)"
    assert undefined_everywhere(run, ["si_sdr", "estoi", "nothing"]) == []
    with pytest.raises(UndefinedMetrics, match=r"undefined on every clip: stoi: too short") as one:
        refuse_undefined(run)
    assert one.value.exit_code == 3
    assert "--domain" not in str(one.value)


@pytest.mark.parametrize(
    ("metrics", "state", "refused"),
    [
        (["pesq_wb"], "finished", True),
        (["default", "pesq_wb"], "finished", True),
        (["default"], "finished", False),
        ([], "finished", False),
        (["pesq_wb"], "interrupted", False),
    ],
)
def test_what_was_named_is_refused(
    tmp_path: Path, metrics: list[str], state: str, refused: bool
) -> None:
    run = _run(
        tmp_path, {"pesq_wb": [NOT_SPEECH] * 2}, "general", config={"metrics": metrics}, state=state
    )
    if not refused:
        refuse_undefined(run)
        return
    with pytest.raises(UndefinedMetrics, match=r"are general.*say so: --domain speech$"):
        refuse_undefined(run)


def test_of_a_study_each_line_stands_once_and_one_run_with_a_value_will_do(tmp_path: Path) -> None:
    pesq = {"metrics": ["pesq_wb", "stoi"]}
    speech = _run(tmp_path / "s", {"pesq_wb": [3.0], "stoi": [0.9]}, "speech", config=pesq)
    nothing = {"pesq_wb": [NOT_SPEECH], "stoi": [NOT_SPEECH]}
    one, two = (
        _run(tmp_path / name, nothing, "general", config=pesq, codec=name) for name in ("a", "b")
    )
    other = _run(
        tmp_path / "c", nothing, "general", config=pesq, codec="a", dataset={"name": "more"}
    )
    [(said, where)] = left_out_of_all([one, two, speech, other]).items()
    assert (said.metrics, where) == (("pesq_wb", "stoi"), ["a on data", "b on data", "more"])
    assert left_out_of_all([one, two])[said] == ["data"]
    refuse_undefined(one, two, speech)
    with pytest.raises(UndefinedMetrics, match="pesq_wb, stoi: defined for speech"):
        refuse_undefined(one, two)
    refuse_undefined()
