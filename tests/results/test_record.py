"""Reading runs by two files, and pairing them only where that means something."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from snac_eval.errors import StoreError, UsageError
from snac_eval.results.pairing import pair
from snac_eval.results.record import check_names, read_run
from snac_eval.types import Score
from tests.runs import HARDWARE, write_run


def test_reads_scores_and_manifest_alone(tmp_path: Path) -> None:
    folder = write_run(
        tmp_path / "a",
        {"pesq_wb": [1.5, "undefined: silence", 2.5], "si_sdr": [1.0, 2.0, "error: broke"]},
        codec="mine",
        speakers=["x", "y", "x"],
        corpus={"codebook_usage": 50.0},
    )
    run = read_run(folder)
    assert (run.name, run.codec, run.dataset, run.finished) == ("a", "mine", "data", True)
    assert run.metrics["pesq_wb"].values == {"clip000": 1.5, "clip002": 2.5}
    assert run.metrics["pesq_wb"].missing == {"clip001": Score.undefined("silence")}
    assert run.metrics["pesq_wb"].counts == (2, 1, 0)
    assert run.metrics["si_sdr"].counts == (2, 0, 1)
    assert str(run.info("si_sdr").fingerprint) == "si_sdr;v=1"
    assert run.info("si_sdr").higher_is_better
    assert run.metrics["codebook_usage"].whole == Score.ok(50.0)
    assert [run.speaker(clip) for clip in run.clips] == ["x", "y", "x"]
    assert run.place["cpu"] == "Test CPU"


def test_pairs_clips_scored_in_both_and_counts_the_rest(tmp_path: Path) -> None:
    column = [1.0, 2.0, "error: broke", 4.0, "undefined: silence"]
    first = read_run(write_run(tmp_path / "a", {"pesq_wb": column}))
    other = [1.5, "undefined: silence", 3.0, 4.5, "undefined: silence", 6.0]
    second = read_run(write_run(tmp_path / "b", {"pesq_wb": other}))
    pairs = pair(first, second, "pesq_wb")
    assert pairs.clips == ("clip000", "clip003")
    assert (pairs.first, pairs.second) == ((1.0, 4.0), (1.5, 4.5))
    assert pairs.left_out == {
        "undefined in b": 1,
        "error in a": 1,
        "undefined in both": 1,
        "absent in a": 1,
    }


def test_says_why_two_runs_cannot_be_paired(tmp_path: Path) -> None:
    scores = {"pesq_wb": [1.0, 2.0], "encode_real_time_factor": [0.1, 0.1]}
    first = read_run(write_run(tmp_path / "a", scores, corpus={"codebook_usage": 50.0}))

    def problem(name: str = "pesq_wb", **changes: object) -> str:
        return pair(first, read_run(write_run(tmp_path / "b", scores, **changes)), name).problem  # type: ignore[arg-type]

    assert problem() == ""
    assert "no clip in common" in problem(clips=["x", "y"])
    changed = write_run(tmp_path / "c", scores)
    manifest = json.loads((changed / "manifest.json").read_text())
    manifest["clips"]["clip001"]["sha256"] = "other"
    (changed / "manifest.json").write_text(json.dumps(manifest))
    assert (
        "clip 'clip001' is not the same audio" in pair(first, read_run(changed), "pesq_wb").problem
    )
    other = {"pesq_wb": "pesq_wb;v=2;mode=x"}
    assert "v=1 against v=2; mode=x" in problem(fingerprints=other)
    faster = HARDWARE | {"cpu": "Other CPU"}
    assert problem(hardware=faster) == ""
    speeds = problem("encode_real_time_factor", hardware=faster)
    assert "cpu Test CPU against Other CPU" in speeds
    assert problem("encode_real_time_factor", hardware=HARDWARE | {"system": "newer"}) == ""
    assert problem("codebook_usage") == "no value per clip"
    assert problem("stoi") == "not measured in a"


def test_no_clip_scored_in_both(tmp_path: Path) -> None:
    first = read_run(write_run(tmp_path / "a", {"pesq_wb": [1.0, "error: broke"]}))
    second = read_run(write_run(tmp_path / "b", {"pesq_wb": ["error: broke", 2.0]}))
    pairs = pair(first, second, "pesq_wb")
    assert pairs.problem == "no clip was scored in both"
    assert pairs.left_out == {"error in a": 1, "error in b": 1}


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("manifest.json", b"{", "not valid JSON"),
        ("manifest.json", b"[]", "no JSON object"),
        ("manifest.json", b"{}", "not a manifest"),
        ("scores.parquet", b"PAR1 nonsense", "not a readable Parquet file"),
    ],
)
def test_broken_files_are_named(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    folder = write_run(tmp_path / "a", {"pesq_wb": [1.0]})
    (folder / name).write_bytes(content)
    with pytest.raises(StoreError, match=message) as caught:
        read_run(folder)
    assert name in str(caught.value)


def test_missing_files_and_columns_are_named(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no such run folder"):
        read_run(tmp_path / "nowhere")
    folder = write_run(tmp_path / "a", {"pesq_wb": [1.0, 2.0]}, clips=["same", "same"])
    with pytest.raises(StoreError, match="scores a clip twice"):
        read_run(folder)
    (folder / "scores.parquet").unlink()
    with pytest.raises(StoreError, match=r"scores\.parquet: no such file"):
        read_run(folder)
    (folder / "manifest.json").unlink()
    with pytest.raises(StoreError, match=r"holds no run \(no manifest\.json\)"):
        read_run(folder)


def test_unknown_metric_names_get_a_suggestion(tmp_path: Path) -> None:
    run = read_run(write_run(tmp_path / "a", {"pesq_wb": [1.0]}))
    with pytest.raises(UsageError, match="did you mean 'pesq_wb'"):
        check_names(("pesq_wx",), run)
