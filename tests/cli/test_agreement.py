"""snac-eval agreement: what it writes, says, and how it ends."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from snac_eval.cli.main import main
from tests.runs import write_run

_CODECS = ("low", "middle", "high")
_CLIPS = [f"c{index}" for index in range(6)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs of three codecs, and ratings by four listeners that follow STFT distance, not PESQ."""
    place = tmp_path_factory.mktemp("agreement")
    rng = np.random.default_rng(5)
    lines = ["clip_id,codec,listener,rating"]
    for level, codec in enumerate(_CODECS):
        quality = 30.0 + 20 * level + rng.normal(0, 3, len(_CLIPS))
        scores = {
            "stft_distance": list(map(float, 3 - quality / 50)),
            "pesq_wb": list(map(float, 3 - quality / 100 + rng.normal(0, 0.02, len(_CLIPS)))),
        }
        write_run(place / "runs" / codec, scores, codec=codec, clips=_CLIPS)
        for clip, mean in zip(_CLIPS, quality, strict=True):
            lines += [f"{clip},{codec},l{who},{mean + rng.normal(0, 4):.1f}" for who in range(4)]
    lines += [f"c0,unknown,l{who},50" for who in range(4)]
    (place / "ratings.csv").write_text("\n".join(lines) + "\n")
    (place / "two.csv").write_text("\n".join(lines[:3]) + "\n")
    return place


def _run(folder: Path, *words: str) -> int:
    runs = [str(folder / "runs" / codec) for codec in _CODECS]
    return main(["agreement", *runs, "--quiet", *words])


def test_one_command_writes_the_record_the_page_and_the_figures(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--ratings", str(folder / "ratings.csv"), "--name", "Lab", "--resamples", "100"]
    assert _run(folder, *words, "-o", str(tmp_path), "--format", "csv") == 0
    out, said = capsys.readouterr()
    assert "not in the result: unknown; --map RATED=RUN" in said
    assert out == (tmp_path / "agreement.csv").read_text()
    names = {"agreement." + end for end in ("json", "md", "csv", "tex", "html")}
    names |= {f"{name}.{end}" for name in ("forest", "scatter") for end in ("pdf", "svg")}
    assert {path.name for path in tmp_path.iterdir()} == names
    record = json.loads((tmp_path / "agreement.json").read_text())
    assert [one["metric"] for one in record["metrics"]] == ["stft_distance", "pesq_wb"]
    assert record["data"] == "Lab"
    assert {"what": "codec", "name": "unknown", "reason": "no run of it"} in record["left_out"]
    text = (tmp_path / "agreement.md").read_text()
    assert "PESQ-WB ranks clips of these codecs" in text
    assert "what it scores higher, listeners rate lower" in text
    table = ["table", str(folder / "runs" / "low"), "--agreement", str(tmp_path)]
    assert main([*table, "--format", "md"]) == 0
    assert "| Lab " in capsys.readouterr().out


def test_too_few_points_are_exit_code_3(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--ratings", str(folder / "two.csv"), "-o", str(tmp_path), "--metrics", "pesq_wb"]
    assert _run(folder, *words, "--format", "json") == 3
    found = json.loads(capsys.readouterr().out)["metrics"][0]
    assert found["coefficients"]["clips"]["spearman"]["value"] is None


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--codec-column", "codek"], "has no column 'codek'"),
        (["--metrics", "pesq_bw"], "did you mean 'pesq_wb'?"),
        (["--map", "unknow=low"], "did you mean 'unknown'?"),
        (["--map", "unknown"], "write RATED=RUN"),
        (["--resamples", "9"], "9 resamples: an interval needs 100"),
        (["--seed", "-1"], "--seed -1: must be at least 0"),
    ],
)
def test_wrong_words_are_one_line(
    folder: Path, capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    assert _run(folder, "--ratings", str(folder / "ratings.csv"), *words) == 2
    found = capsys.readouterr().err
    assert said in found
    assert found.count("\n") == 1
