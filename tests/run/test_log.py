"""Tracebacks of what a codec or a metric raises: in the run's log, once each, and on the screen."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
import soundfile

from snac_eval.cli.main import main
from snac_eval.errors import CodecError, keep_trace, kept_traces, place, portable, trace_of
from snac_eval.run.log import LOG_FILE, RunLog
from snac_eval.run.sealed import read_manifest
from tests.conftest import tone

MODULE = """
import numpy as np

class Fails:
    sample_rate, codebook_size, channels = 16000, 256, 1
    def __init__(self, when: str = "long", seconds: float = 2.0, lacks: int = 0):
        self.when, self.longest, self.lacks = when, seconds * 16000, lacks
    def encode(self, audio):
        if self.when == "always":
            self.deep(audio)
        if self.when == "long" and audio.shape[-1] > self.longest:
            self.deep(audio)
        return np.clip(audio[0] * 100 + 128, 0, 255).astype(np.uint8)
    def deep(self, audio):
        raise ArithmeticError(f"no {audio.shape[-1]} samples")
    def decode(self, codes):
        whole = (codes.astype(np.float32) - 128) / 100
        return whole[:, : whole.shape[-1] - self.lacks]
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder: a codec, and four clips of which two are too long for it."""
    (tmp_path / "own_fails.py").write_text(MODULE)
    (tmp_path / "clips").mkdir()
    for index, seconds in enumerate((1.5, 1.6, 2.1, 2.2)):
        soundfile.write(tmp_path / "clips" / f"{index}.wav", tone(seconds, seed=index), 16000)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    sys.modules.pop("own_fails", None)
    return tmp_path


def run(*flags: str, workers: str = "0") -> int:
    """Of the codec over the clips."""
    what = ["--model", "own_fails:Fails", "--dataset", "folder:clips", "--metrics", "si_sdr"]
    return main(
        ["run", *what, "--output", "r", "--quiet", "--no-html", "--workers", workers, *flags]
    )


@pytest.mark.parametrize("workers", ["0", "1"])
def test_each_traceback_is_there_once_with_its_clips(
    here: Path, workers: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("--max-error-rate", "1", workers=workers) == 0
    text = (here / "r" / LOG_FILE).read_text()
    assert text.count("Traceback (most recent call last)") == 1
    assert "in deep\n    raise ArithmeticError" in text
    assert "snac_eval/run" not in text
    assert "clip 3\n" in text  # The longest comes first.
    assert "#1 again: clip 2\n" in text
    said = capsys.readouterr()
    assert f"note: tracebacks of what failed are in {Path('r') / LOG_FILE}" in said.out
    assert "Traceback" not in said.err


def test_they_are_shown_when_asked_for(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SNAC_EVAL_DEBUG", "1")
    assert run() == 4
    error = capsys.readouterr().err
    assert error.count("ArithmeticError: no 35200 samples") == 1
    assert error.splitlines()[-1].startswith("snac-eval: 2 of 4 clips failed")
    assert error.rstrip().endswith(f"tracebacks: {Path('r') / LOG_FILE}")


def test_what_fails_at_once_is_in_the_log_as_well(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("--model-args", "when=always") == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "ArithmeticError: no 64000 samples (own_fails.py, line 15)" in error
    assert str(Path("r") / LOG_FILE) in error
    assert "in deep\n" in (here / "r" / LOG_FILE).read_text()


def test_lengths_are_said_of_all_clips_and_known_later(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = ("--model-args", "when=never", "--model-args", "lacks=7")
    note = "4 of 4 clips came back shorter by up to 7 samples (filled up with silence)"
    for more in ((), (), ("--metrics", "si_sdr,stoi")):
        assert run(*flags, *more) == 0
        assert f"note: {note}\n" in capsys.readouterr().out
        manifest = read_manifest(here / "r")
        assert note in manifest["notes"]
        assert manifest["lengths"] == dict.fromkeys("0123", -7)
    assert not (here / "r" / LOG_FILE).exists()


def test_the_log_is_bounded_and_begins_anew(tmp_path: Path) -> None:
    said: list[str] = []
    log = RunLog(tmp_path, said.append)
    for index in range(200):
        log.add(f"clip {index}", ["same 5"])
        log.flush()
    log.close()
    text = log.path.read_text()
    assert "#1 again: clip 49\n" in text
    assert "clip 50" not in text
    assert text.endswith("#1: 200 clips in all\n")
    assert said == ["clip 0\nsame 5"]
    for index in range(300):
        log.add("clip", [f"{chr(97 + index % 26) * (index + 1)} {'x' * 50_000}"])
    assert os.path.getsize(log.path) <= 1 << 20
    assert log.notes == (f"{log.path} is full; remove it to have further tracebacks",)
    log.clear()
    assert not log.path.exists()
    unwritable = RunLog(tmp_path / "nowhere")
    unwritable.add("clip\n\x1b[2J", ["text"])
    assert "cannot be written" in unwritable.notes[0]


def test_a_traceback_begins_with_other_peoples_code() -> None:
    def fail() -> None:
        raise ValueError("https://me:word@host/x")

    with pytest.raises(ValueError, match="host") as caught:
        fail()
    error = caught.value
    keep_trace(error)
    (text,) = kept_traces()
    assert kept_traces() == ()
    assert "https://***@host/x" in text
    assert place(error).startswith(" (test_log.py, line ")
    ours = CodecError("one line")
    assert trace_of(ours) == ""
    ours.__cause__ = error
    assert trace_of(portable(ours)) == text
