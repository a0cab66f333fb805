"""Whatever a reader, a codec or a metric does to its process, it costs its clip and no more."""

from __future__ import annotations

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
        *("--max-error-rate", "1", "--no-html", "--clip-timeout", "2s", *more),
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


@pytest.mark.parametrize(
    ("where", "faults"),
    [
        ("read", ("hang", "kill", "leave")),
        ("decode", ("kill", "eat")),
        ("encode", ("exit",)),  # So few that the codec has a process to itself.
    ],
)
def test_what_ends_or_stops_the_codecs_process_costs_its_clip(
    where: str, faults: tuple[str, ...], tmp_path: Path
) -> None:
    done = _run(tmp_path, where, faults=faults)
    assert (done.returncode, done.stderr) == (0, "")
    for metric in ("bitrate", "si_sdr"):
        _check(tmp_path, metric, faults)
    if "hang" in faults:
        reason = _rows(tmp_path, "bitrate").loc["hang", "reason"]
        doing = "reading" if where == "read" else "coding"
        assert reason.startswith(f"{doing} this clip took longer than ")


def test_in_a_batch_each_clip_pays_for_itself(tmp_path: Path) -> None:
    faults = ("kill", "raise", "leave")
    done = _run(tmp_path, "batch", "bitrate", "--batch-size", "20", faults=faults)
    assert (done.returncode, done.stderr) == (0, "")
    _check(tmp_path, "bitrate", faults)


@pytest.mark.parametrize("faults", [FAULTS])
def test_a_metric_costs_its_own_score_only(faults: tuple[str, ...], tmp_path: Path) -> None:
    names = "faulty_codes,bitrate,si_sdr,faulty_audio,delay"
    done = _run(tmp_path, "", names, faults=faults)
    assert (done.returncode, done.stderr) == (0, "")
    for metric in ("faulty_codes", "faulty_audio"):
        _check(tmp_path, metric, faults)
        assert metric in _rows(tmp_path, metric).loc["kill", "reason"]
    for metric in ("bitrate", "si_sdr", "delay"):
        assert set(_rows(tmp_path, metric)["status"]) == {"ok"}


def test_without_processes_what_a_plugin_raises_is_still_its_clips_reason(tmp_path: Path) -> None:
    faults = ("raise", "leave", "interrupt", "eat")
    done = _run(tmp_path, "encode", "bitrate,faulty_audio", faults=faults, workers="0")
    assert (done.returncode, done.stderr) == (0, "")
    for metric in ("bitrate", "faulty_audio"):
        _check(tmp_path, metric, faults)


@pytest.mark.parametrize(("fault", "workers"), [("leave", "1"), ("interrupt", "0")])
def test_codec_that_cannot_be_prepared_is_one_line(
    fault: str, workers: str, tmp_path: Path
) -> None:
    done = _run(tmp_path, f"prepare:{fault}", faults=(), workers=workers)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"snac-eval: codec 'faulty' cannot be loaded: {_rest(done.stderr)}"
    assert REASONS[fault] in done.stderr
    assert not (tmp_path / "run" / "manifest.json").exists()


def _rest(text: str) -> str:
    return text.partition("cannot be loaded: ")[2]


def test_codec_that_kills_its_process_while_it_loads_is_one_line(tmp_path: Path) -> None:
    done = _run(tmp_path, "prepare:kill", faults=())
    assert done.returncode == 2
    said = "the codec's process was killed by SIGKILL (out of memory?) while the codec loaded"
    assert done.stderr == f"snac-eval: {said}\n"
