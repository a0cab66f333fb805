"""A value of the wrong kind in a manifest or a baseline is named by its place, in one line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from snac_eval.cli.main import main
from tests.runs import noisy, write_run

PESQ = noisy(3.0, 0.3, 12)


def _put(tree: Any, path: str, value: Any) -> None:  # noqa: ANN401 - JSON
    *outer, last = path.split("/")
    for key in outer:
        tree = tree[key]
    tree[last] = value


def _refused(capsys: pytest.CaptureFixture[str], *words: str | Path) -> str:
    capsys.readouterr()
    assert main(list(map(str, words))) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    return error


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        ("metrics/pesq_wb/scores/clip003", 1e308, "it should be a number"),
        ("metrics/pesq_wb/scores/clip003", float("nan"), "it should be a number"),
        ("metrics/pesq_wb/scores/clip003", float("-inf"), "it should be a number"),
        ("metrics/pesq_wb/scores/clip003", 10**400, "it should be a number"),
        ("metrics/pesq_wb/scores/clip003", True, "it should be a number"),
        ("metrics/pesq_wb/scores/clip003", "3.0", "it should be a number"),
        ("metrics/pesq_wb/scores", [], "it should be a table"),
        ("metrics/pesq_wb/missing", {"clip003": ["gone", "why"]}, "is 'gone'"),
        ("metrics/pesq_wb/missing", {"clip003": "why"}, "it should be a list"),
        ("clips/clip000", "sha", "clips.clip000 is 'sha'; it should be a table"),
        ("clips/clip000/speaker", 1, "clips.clip000.speaker is 1; it should be text"),
        ("codec", 4.5, "codec is 4.5; it should be text"),
        ("versions", "1", "versions is '1'; it should be a table"),
    ],
)
def test_a_baseline(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    path: str,
    value: Any,  # noqa: ANN401 - JSON
    words: str,
) -> None:
    run, file = write_run(tmp_path / "run", {"pesq_wb": PESQ}), tmp_path / "baseline.json"
    assert main(["baseline", str(run), "-o", str(file)]) == 0
    content = json.loads(file.read_text())
    _put(content, path, value)
    file.write_text(json.dumps(content))
    error = _refused(capsys, "check", run, "--baseline", file)
    assert error.startswith(f"snac-eval: {file}: a broken baseline (")
    assert words in error


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        ("scoring", "x", "scoring is 'x'; it should be a table"),
        ("corpus_scores", {"a": {"value": 1e308}}, "corpus_scores.a.value is 1e+308"),
        ("corpus_scores", {"a": {"status": "fine"}}, "it should be ok, undefined or error"),
        ("streams", {}, "streams is {}; it should be a list"),
        ("metrics/pesq_wb/domains", "speech", "it should be a list"),
        ("clips/clip000/duration_s", "long", "clips.clip000.duration_s is 'long'"),
        ("hardware", None, "hardware is None; it should be a table"),
        ("notes", [1], "notes.0 is 1; it should be text"),
    ],
)
@pytest.mark.parametrize("command", ["table", "compare"])
def test_a_manifest(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    path: str,
    value: Any,  # noqa: ANN401 - JSON
    words: str,
    command: str,
) -> None:
    good = write_run(tmp_path / "good", {"pesq_wb": PESQ})
    run = write_run(tmp_path / "run", {"pesq_wb": PESQ})
    content = json.loads((run / "manifest.json").read_text())
    _put(content, path, value)
    (run / "manifest.json").write_text(json.dumps(content))
    error = _refused(capsys, command, good, run)
    assert error.startswith(f"snac-eval: {run / 'manifest.json'}: ")
    assert words in error


@pytest.mark.parametrize(
    ("column", "value", "words"),
    [
        ("status", "fine", "pesq_wb of clip 'clip000' has no value and is 'fine'"),
        ("value", float("inf"), "pesq_wb of clip 'clip000' has no value and is 'ok'"),
        ("value", 1e308, "pesq_wb of clip 'clip000' is 1e+308, which no clip scores"),
        ("value", "3.0", "column 'value' should hold numbers"),
        ("speaker", 1, "column 'speaker' should hold text"),
    ],
)
def test_scores(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    column: str,
    value: Any,  # noqa: ANN401 - JSON
    words: str,
) -> None:
    run = write_run(tmp_path / "run", {"pesq_wb": PESQ})
    frame = pd.read_parquet(run / "scores.parquet")
    if isinstance(value, str) == (column == "value") or column == "speaker":
        frame[column] = value
    else:
        frame.loc[0, column] = value
    frame.to_parquet(run / "scores.parquet", index=False)
    assert words in _refused(capsys, "table", run)
