"""``snac-eval run``: what it writes, what it repeats, and how it stops and goes on."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import time
from contextlib import closing
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile

from snac_eval.cli.main import main
from snac_eval.codecs.pyav import PyavCodec
from snac_eval.results.frames import SUMMARY_COLUMNS
from snac_eval.run.sealed import SCORE_COLUMNS
from tests.cli.helpers import command, run_process, scores
from tests.conftest import tone

FAST = "bitrate,mel_dac_paper,si_sdr"


def _run(
    data: Path, output: Path, *more: str, metrics: str = FAST, model: str = "opus_12kbps"
) -> int:
    base = ["run", "--model", model, "--dataset", f"folder:{data}"]
    where = ["--output", str(output), "--metrics", metrics, "--workers", "0"]
    return main([*base, *where, *more])


def test_writes_every_report(
    audio_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _run(audio_dir, tmp_path / "run") == 0
    printed = capsys.readouterr().out
    assert "Mel distance (DAC)" in printed
    assert "3 clips computed now" in printed
    frame = scores(tmp_path / "run")
    assert list(frame.columns) == list(SCORE_COLUMNS)
    assert len(frame) == 3 * 3
    assert set(frame["status"]) == {"ok"}
    summary = pd.read_csv(tmp_path / "run" / "summary.csv")
    assert list(summary.columns) == SUMMARY_COLUMNS
    mel = frame.loc[frame["metric"] == "mel_dac_paper", "value"]
    row = summary.set_index("metric").loc["mel_dac_paper"]
    assert row["mean"] == pytest.approx(mel.mean())
    assert row["ci_low"] <= row["mean"] <= row["ci_high"]
    assert (row["n_ok"], row["n_undefined"], row["n_error"]) == (3, 0, 0)
    assert "\\toprule" in (tmp_path / "run" / "summary.tex").read_text()
    manifest = json.loads((tmp_path / "run" / "manifest.json").read_text())
    assert manifest["state"] == "finished"
    said = manifest["metrics"]["mel_dac_paper"]
    assert ";".join(said["fingerprint"]) == frame.loc[1, "fingerprint"]
    assert (said["kind"], said["higher_is_better"]) == ("audio", False)
    assert set(manifest["clips"]) == set(frame["clip_id"])


def test_second_run_computes_nothing(
    audio_dir: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _run(audio_dir, tmp_path / "run")
    before = scores(tmp_path / "run")
    monkeypatch.setattr(PyavCodec, "encode", _must_not_run)
    monkeypatch.setattr(PyavCodec, "decode", _must_not_run)
    capsys.readouterr()
    assert _run(audio_dir, tmp_path / "run") == 0
    assert "0 clips computed now" in capsys.readouterr().out
    pd.testing.assert_frame_equal(scores(tmp_path / "run"), before)


def test_one_metric_more_encodes_nothing(
    audio_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _run(audio_dir, tmp_path / "run")
    monkeypatch.setattr(PyavCodec, "encode", _must_not_run)
    assert _run(audio_dir, tmp_path / "run", metrics=f"{FAST},stft_distance") == 0
    more = scores(tmp_path / "run")
    monkeypatch.undo()
    _run(audio_dir, tmp_path / "fresh", metrics=f"{FAST},stft_distance")
    pd.testing.assert_frame_equal(more, scores(tmp_path / "fresh"))


def test_overwrite_starts_anew(
    audio_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _run(audio_dir, tmp_path / "run")
    capsys.readouterr()
    _run(audio_dir, tmp_path / "run", "--overwrite")
    assert "3 clips computed now" in capsys.readouterr().out


def test_other_codec_in_the_same_folder_is_refused(
    audio_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _run(audio_dir, tmp_path / "run")
    assert _run(audio_dir, tmp_path / "run", model="pcm_8bit") == 2
    assert "holds a run of codec 'opus_12kbps'" in capsys.readouterr().err


def test_limit_is_stable_and_nested(audio_dir: Path, tmp_path: Path) -> None:
    _run(audio_dir, tmp_path / "one", "--limit", "1")
    _run(audio_dir, tmp_path / "two", "--limit", "2")
    one, two = (set(scores(tmp_path / name)["clip_id"]) for name in ("one", "two"))
    assert len(one) == 1
    assert len(two) == 2
    assert one < two


def test_reference_rate_is_part_of_the_fingerprint(audio_dir: Path, tmp_path: Path) -> None:
    _run(audio_dir, tmp_path / "run")
    _run(audio_dir, tmp_path / "codec", "--reference-rate", "codec")
    at_clip, at_codec = scores(tmp_path / "run"), scores(tmp_path / "codec")
    assert set(at_clip["fingerprint"]).isdisjoint(at_codec["fingerprint"])
    mel = at_clip["metric"] == "mel_dac_paper"
    assert not np.allclose(at_clip.loc[mel, "value"], at_codec.loc[mel, "value"])


def test_default_metrics_fit_the_domain(audio_dir: Path, tmp_path: Path) -> None:
    _run(audio_dir, tmp_path / "run", metrics="default")
    frame = scores(tmp_path / "run")
    by_domain = frame.groupby("domain")["metric"].agg(set)
    assert "pesq_wb" in by_domain["speech"]
    assert "pesq_wb" not in by_domain["music"]
    assert "visqol_audio" in by_domain["music"]


def test_metric_outside_its_domain_is_undefined_when_asked_for(
    audio_dir: Path, tmp_path: Path
) -> None:
    _run(audio_dir, tmp_path / "run", metrics="stoi")
    music = scores(tmp_path / "run").set_index("domain").loc["music"]
    assert (music["status"], np.isnan(music["value"])) == ("undefined", True)
    assert "speech" in music["reason"]


_MANY = 40


def _many_clips(root: Path, count: int) -> Path:
    root.mkdir()
    for index in range(count):
        soundfile.write(root / f"{index:03}.wav", tone(1.0, seed=index), 16000)
    return root


def _wait_for_scores(store: Path, count: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and process.poll() is None:
        if store.exists() and _num_scored(store) >= count:
            return
        time.sleep(0.02)
    process.kill()
    raise AssertionError(f"no {count} clips were scored in time")


def _num_scored(store: Path) -> int:
    with closing(sqlite3.connect(f"file:{store}?mode=ro", uri=True)) as db:
        if not db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
            return 0
        query = (
            "SELECT count(DISTINCT reconstruction) FROM scores, metrics"
            " WHERE scores.metric = metrics.number AND key LIKE 'stoi%'"
        )
        return int(db.execute(query).fetchone()[0])


def _start_and_stop(
    data: Path, output: Path, how: signal.Signals, metrics: str = "bitrate,stoi,mel_dac_paper"
) -> int:
    arguments = ("run", "--model", "opus_12kbps", "--dataset", f"folder:{data}", "--output", output)
    process = subprocess.Popen(
        command(*arguments, "--metrics", metrics, "--workers", "1"),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        # A shell that runs the tests in the background has its children ignore Ctrl-C.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    _wait_for_scores(output / "store.sqlite", 3, process)
    os.killpg(process.pid, how)
    return process.wait(timeout=60)


@pytest.mark.parametrize(("how", "code"), [(signal.SIGINT, 130)])
def test_interrupted_run_is_valid_and_its_exit_code_says_by_what(
    how: signal.Signals, code: int, tmp_path: Path
) -> None:
    data = _many_clips(tmp_path / "data", _MANY)
    # Slow, so that much is left to do whenever a busy machine delivers the signal.
    slow = "stoi,visqol_audio"
    assert _start_and_stop(data, tmp_path / "run", how, slow) == code
    manifest = json.loads((tmp_path / "run" / "manifest.json").read_text())
    assert manifest["state"] == "interrupted"
    assert 3 <= scores(tmp_path / "run")["clip_id"].nunique() < _MANY
    assert (tmp_path / "run" / "summary.md").exists()


def test_python_api_returns_the_frames(audio_dir: Path) -> None:
    import snac_eval

    result = snac_eval.evaluate(
        model="pcm_16bit", dataset=f"folder:{audio_dir}", metrics=["si_sdr"], limit=2, workers=0
    )
    assert result.run_dir is None
    assert (result.scores["value"] > 60).all()
    assert result.summary.loc[0, "n_ok"] == 2
    reference = tone(1.0)
    score = snac_eval.load_metric("stoi").score_pair(reference, reference, 16000)
    assert score.value == pytest.approx(1.0, abs=1e-6)
    codec = snac_eval.load_codec("pcm_8bit")
    assert codec.card.name == "pcm_8bit"
    assert len(snac_eval.load_dataset(f"folder:{audio_dir}").clips) == 3
    with pytest.raises(AttributeError):
        _ = snac_eval.nothing


def test_table_and_report(
    audio_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _run(audio_dir, tmp_path / "a")
    _run(audio_dir, tmp_path / "b", model="pcm_8bit")
    (tmp_path / "a" / "summary.md").unlink()
    assert main(["report", str(tmp_path / "a")]) == 0
    assert (tmp_path / "a" / "summary.md").exists()
    capsys.readouterr()
    runs = [str(tmp_path / name) for name in "ab"]
    assert main(["table", *runs]) == 0
    markdown = capsys.readouterr().out
    assert markdown.count("| Opus, 12 kbps") == markdown.count("| PCM, 8 bits") == 1
    assert main(["table", *runs, "--metrics", "si_sdr,bitrate"]) == 0
    header = next(line for line in capsys.readouterr().out.splitlines() if "codec" in line)
    assert header.index("si_sdr") < header.index("bitrate")
    assert "mel_dac_paper" not in header
    assert main(["table", *runs, "--metrics", "stoi"]) == 2
    assert "unknown metric of these runs 'stoi'" in capsys.readouterr().err
    assert main(["table", *runs, "--format", "latex", "-o", str(tmp_path / "t.tex")]) == 0
    assert "$\\uparrow$" in (tmp_path / "t.tex").read_text()
    assert main(["table", *runs, "--format", "csv"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    assert "si_sdr_ci_low" in lines[0]


def test_table_says_what_cannot_be_compared(
    audio_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _run(audio_dir, tmp_path / "a")
    _run(audio_dir, tmp_path / "b", "--reference-rate", "codec", "--limit", "2")
    capsys.readouterr()
    main(["table", str(tmp_path / "a"), str(tmp_path / "b")])
    printed = capsys.readouterr().out
    assert (
        "not comparable across rows (Opus, 12 kbps (opus_12kbps (a)) and Opus, 12 kbps"
        " (opus_12kbps (b)): measured in two ways" in printed
    )
    assert "(2 to 3 clips)" in printed
    assert "of the clip or of the codec" in printed


@pytest.mark.parametrize("kind", ["codecs", "datasets", "metrics"])
def test_list(kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", kind]) == 0
    expected = {"codecs": "snac_24khz", "datasets": "librispeech", "metrics": "visqol_audio"}
    assert expected[kind] in capsys.readouterr().out


def test_help_and_version_import_nothing_heavy() -> None:
    code = (
        "import sys, contextlib\n"
        "from snac_eval.cli.main import main\n"
        "for flag in ('--help', '--version'):\n"
        "    with contextlib.suppress(SystemExit):\n"
        "        main([flag])\n"
        "heavy = {'torch', 'pandas', 'scipy', 'matplotlib', 'numba', 'av', 'soundfile'}\n"
        "print('HEAVY', sorted(heavy & set(sys.modules)))\n"
    )
    done = subprocess.run([*command()[:1], "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.endswith("HEAVY []\n")
    assert run_process("--help").stdout.startswith("usage: snac-eval")


def _must_not_run(*_: object, **__: object) -> None:
    raise AssertionError("the codec must not run again")
