"""Whatever a reader, a codec or a metric does to its process, the run ends well without that clip."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pandas as pd
import pytest

from tests.cli.faulty import FAULTS, REASONS, install, write_clips
from tests.cli.helpers import run_process, scores

ROOT = Path(__file__).parents[2]
ENDING = ("hang", "exit", "kill")


def _run(
    folder: Path,
    where: str,
    metrics: str = "bitrate,si_sdr",
    *more: str,
    faults: tuple[str, ...] = FAULTS,
    workers: str = "1",
) -> subprocess.CompletedProcess[str]:
    clips = folder / "clips"
    if not clips.exists():
        write_clips(clips, faults)
        install(folder / "site")
    return run_process(
        *("run", "--model", "tests.cli.faulty:codec", "--dataset", f"folder:{clips}"),
        *("--metrics", metrics, "--output", folder / "run", "--workers", workers, "--quiet"),
        *("--max-error-rate", "1", "--no-html", "--clip-timeout", "1s", *more),
        FAULTY=where,
        PYTHONPATH=f"{ROOT}:{folder / 'site'}",
    )


def _rows(folder: Path, metric: str) -> pd.DataFrame:
    frame = scores(folder / "run")
    return frame[frame["metric"] == metric].set_index("clip_id")


def _check(folder: Path, metric: str, faults: tuple[str, ...] = FAULTS) -> None:
    rows = _rows(folder, metric)
    assert dict(rows.loc[["ok_1", "ok_2"], "status"]) == {"ok_1": "ok", "ok_2": "ok"}
    for fault in faults:
        assert rows.loc[fault, "status"] == "error"
        assert REASONS[fault] in rows.loc[fault, "reason"]


@pytest.mark.parametrize("where", ["read", "pad", "encode", "decode"])
def test_what_ends_or_stops_the_codecs_process_costs_its_clip(where: str, tmp_path: Path) -> None:
    done = _run(tmp_path, where)
    assert (done.returncode, done.stderr) == (0, "")
    for metric in ("bitrate", "si_sdr"):
        _check(tmp_path, metric)
    reason = _rows(tmp_path, "bitrate").loc["hang", "reason"]
    doing = "reading" if where == "read" else "coding"
    assert reason.startswith(f"{doing} this clip took longer than ")


def test_in_a_batch_each_clip_pays_for_itself(tmp_path: Path) -> None:
    done = _run(tmp_path, "batch", "bitrate", "--batch-size", "20")
    assert (done.returncode, done.stderr) == (0, "")
    _check(tmp_path, "bitrate")


def test_a_metric_costs_its_own_score_only(tmp_path: Path) -> None:
    names = "faulty_codes,bitrate,si_sdr,faulty_audio,delay"
    done = _run(tmp_path, "", names)
    assert (done.returncode, done.stderr) == (0, "")
    for metric in ("faulty_codes", "faulty_audio"):
        _check(tmp_path, metric)
        assert metric in _rows(tmp_path, metric).loc["hang", "reason"]
    for metric in ("bitrate", "si_sdr", "delay"):
        assert set(_rows(tmp_path, metric)["status"]) == {"ok"}
