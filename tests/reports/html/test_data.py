"""The numbers that the page's script gets are those of the runs."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from snac_eval.reports.html import data
from snac_eval.reports.html.data import page_data
from snac_eval.reports.html.groups import by_dataset, show
from snac_eval.reports.html.page import page
from snac_eval.results.families import named_by_title
from snac_eval.results.record import read_run
from tests.runs import write_run

EVIL = "</script><!--<script> & \u2028"


def _data(*folders: Path) -> dict[str, Any]:
    shown = show(named_by_title([read_run(folder) for folder in folders]))
    text = str(page_data(by_dataset(shown), "pesq_wb", {(0, "b"): "d0-clip0"}))
    assert not set("<>&\u2028") & set(text)
    found = json.loads(text)
    assert isinstance(found, dict)
    return found


def _numbers(text: str, kind: str) -> list[float]:
    return [float(one) for one in np.frombuffer(base64.b64decode(text), dtype=kind)]


def test_values_and_reasons_are_those_of_the_clips_worst_first(tmp_path: Path) -> None:
    scores = {"pesq_wb": [3.0, 1.0, f"undefined: {EVIL}"], "bitrate": [6.0, 6.0, "error: broke"]}
    clips = ["a", "b", EVIL]
    folder = write_run(tmp_path / "r", scores, EVIL, ["x", "y", "x"], clips)
    found = _data(folder)
    assert [metric["name"] for metric in found["metrics"]] == ["pesq_wb", "bitrate"]
    (dataset,), (codec,) = found["datasets"], found["codecs"]
    assert (codec["letter"], codec["name"]) == ("B", EVIL)
    assert dataset["ids"] == ["b", "a", EVIL]
    assert dataset["players"] == {"0": "d0-clip0"}
    speakers = [dataset["speakers"][int(one)] for one in _numbers(dataset["speaker"], "<u4")]
    assert speakers == ["y", "x", "x"]
    (run,) = dataset["runs"]
    np.testing.assert_equal(_numbers(run["values"]["0"], "<f4"), [1.0, 3.0, np.nan])
    places = _numbers(run["missing"]["0"], "<u2")
    assert places[:2] == [0, 0]
    assert found["reasons"][int(places[2]) - 1] == ["undefined", EVIL]
    assert found["reasons"][int(_numbers(run["missing"]["1"], "<u2")[2]) - 1] == ["error", "broke"]


def test_runs_of_unlike_clips_share_one_order(tmp_path: Path) -> None:
    first = write_run(tmp_path / "r", {"stoi": [0.5, 0.9]}, "x", clips=["a", "b"])
    second = write_run(tmp_path / "s", {"stoi": [1e60, 0.7]}, "y", clips=["b", "c"])
    (dataset,) = _data(first, second)["datasets"]
    assert sorted(dataset["ids"]) == ["a", "b", "c"]
    values = [_numbers(run["values"]["0"], "<f4") for run in dataset["runs"]]
    by_clip = [dict(zip(dataset["ids"], one, strict=True)) for one in values]
    np.testing.assert_allclose([by_clip[0]["a"], by_clip[1]["c"]], [0.5, 0.7], rtol=1e-6)
    assert np.isnan(by_clip[0]["c"])
    assert np.isfinite(by_clip[1]["b"])


def test_of_very_many_clips_the_worst_are_listed_and_the_page_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(data, "MOST_VALUES", 4)
    values = [0.9, 0.5, 0.7, 0.6, 0.8, 0.4]
    folder = write_run(tmp_path / "r", {"stoi": values}, clips=list("abcdef"))
    (dataset,) = _data(folder)["datasets"]
    assert dataset["ids"] == ["f", "b", "d", "c"]
    assert "data: the worst 4 of 6 clips" in page(show([read_run(folder)]))
