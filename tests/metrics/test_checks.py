"""What a metric may answer, and what is its error by name."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from snac_eval.metrics.base import guarded
from snac_eval.metrics.checks import checked
from snac_eval.metrics.frechet import FadClap
from snac_eval.metrics.opening import opened
from snac_eval.metrics.stoi import Stoi
from snac_eval.run.scoring import score_audio
from snac_eval.types import Clip, Reconstruction, Score, Waveform
from tests.conftest import tone

INFO = Stoi().info


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (None, "None instead of a snac_eval.types.Score"),
        (0.5, "0.5 instead of a snac_eval.types.Score"),
        ("good", "'good' instead of a snac_eval.types.Score"),
        (Score(None), "None instead of a number"),
        (Score("0.5"), "'0.5' instead of a number"),  # type: ignore[arg-type]
        (Score(True), "True instead of a number"),
        (Score(np.bool_(True)), "instead of a number"),  # type: ignore[arg-type]
        (Score(np.zeros(2)), "array([0., 0.]) instead of a number"),  # type: ignore[arg-type]
        (Score(math.nan), "nan"),
        (Score(math.inf), "inf"),
        (Score(1.001), "1.001, which is not within its range of -1 to 1"),
        (Score(-7), "-7, which is not within its range of -1 to 1"),
        (Score(0.5, "fine"), "a score whose status is 'fine'"),  # type: ignore[arg-type]
        (Score(0.5, "error", "broken"), "0.5 in a score that is 'error'"),
        (Score(0.5, reason=None), "a score whose reason is no text"),  # type: ignore[arg-type]
        (Score.partial(b"kept"), "None instead of a number"),
    ],
)
def test_what_is_no_score_is_the_metrics_error_by_name(given: Any, said: str) -> None:  # noqa: ANN401
    found = checked(INFO, given)
    assert (found.value, found.status) == (None, "error")
    assert found.reason.startswith("metric 'stoi' returned ")
    assert said in found.reason


@pytest.mark.parametrize("given", [0.5, np.float32(0.5), np.float64(0.5), 1, np.int64(1)])
def test_any_real_number_becomes_a_plain_float(given: Any) -> None:  # noqa: ANN401
    found = checked(INFO, Score(given))
    assert found == Score(float(given))
    assert type(found.value) is float


def test_rounding_at_the_end_of_the_range_is_no_error() -> None:
    assert checked(INFO, Score(1 + 1e-9)).status == "ok"


def test_scores_without_a_value_and_notes_pass_as_they_are() -> None:
    for score in (Score.undefined("silence"), Score.error("broken"), Score(0.5, reason="a note")):
        assert checked(INFO, score) is score
    assert checked(FadClap().info, Score.partial(b"kept")).detail == b"kept"


def test_an_object_whose_repr_fails_is_named_by_its_type() -> None:
    class Shy:
        def __repr__(self) -> str:
            raise ValueError

    assert "an object of Shy" in checked(INFO, Shy()).reason
    assert len(checked(INFO, "x" * 500).reason) < 150


def test_a_plugins_answer_is_checked_where_it_enters() -> None:
    class Plugin:
        info = replace(INFO, name="mine")

        def score(self, reconstruction: Reconstruction) -> Score:
            return 3.0  # type: ignore[return-value]

    clip = Clip("a", Path("a.wav"), "a.wav", "0", 1.0, 16000, domain="speech")
    side = Waveform(tone(1.0)[None], 16000)
    made = Reconstruction(clip, side, side)
    found = score_audio({"mine": opened(Plugin(), "mine")}, made)["mine"]
    assert found.reason.startswith("metric 'mine' returned 3.0 instead of")


def test_ctrl_c_is_not_a_score() -> None:
    def interrupted() -> Score:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        guarded(INFO, interrupted)
