"""Names that are no text, and equal files, get through a run and into everything it writes."""

from __future__ import annotations

import json
import os
from collections import Counter
from pathlib import Path

import pytest
import soundfile

from snac_eval.cli.main import main
from tests.cli.helpers import scores
from tests.conftest import tone

NAMES = (b"mod\xe0", b"\x83e\x83X", b"new\nline", b"esc\x1b[31m", "e\u0301 日本".encode(), b"=1+1")
IDS = ("mod\\xe0", "\\x83e\\x83X", "new\\nline", "esc\\x1b[31m", "é 日本", "=1+1")


@pytest.fixture
def odd(tmp_path: Path) -> Path:
    """Speech in files of these names, in a folder whose name is no UTF-8 either."""
    folder = tmp_path / "in" / os.fsdecode(b"speech") / os.fsdecode(b"\xe0")
    folder.mkdir(parents=True)
    for seed, name in enumerate(NAMES):
        soundfile.write(tmp_path / "new.wav", tone(1.0, seed=seed), 16000)
        (tmp_path / "new.wav").rename(folder / (os.fsdecode(name) + ".wav"))
    return tmp_path / "in"


def test_names_that_are_no_text_survive_every_file(odd: Path, tmp_path: Path) -> None:
    output = tmp_path / "run"
    run = ["run", "--dataset", f"folder:{odd}", "--metrics", "si_sdr", "--workers", "0"]
    assert main([*run, "--model", "pcm_8bit", "--output", str(output), "--report-clips", "2"]) == 0
    expected = {f"speech/\\xe0/{name}" for name in IDS}
    table = scores(output)
    assert set(table["clip_id"]) == expected
    assert set(table["status"]) == {"ok"}
    assert set(json.loads((output / "manifest.json").read_text())["clips"]) == expected
    assert "esc\\x1b[31m" in (output / "report.html").read_text(encoding="utf-8")
    for name in ("summary.md", "summary.csv", "summary.tex"):
        assert (output / name).read_text(encoding="utf-8")
    again = [*run, "--model", f"files:{odd}", "--output", str(tmp_path / "files"), "--no-html"]
    assert main(again) == 0
    assert set(scores(tmp_path / "files")["clip_id"]) == expected


def test_unreadable_files_with_such_names_are_error_rows(odd: Path, tmp_path: Path) -> None:
    for path in (odd / "speech").rglob("*.wav"):
        path.write_bytes(b"no audio")
    run = ["run", "--dataset", f"folder:{odd}", "--model", "pcm_8bit", "--metrics", "si_sdr"]
    run += ["--workers", "0", "--no-html", "--max-error-rate", "1"]
    assert main([*run, "--output", str(tmp_path / "run")]) == 0
    table = scores(tmp_path / "run")
    assert len(table) == len(NAMES)
    assert set(table["status"]) == {"error"}
    assert table["reason"].str.contains("cannot be read as audio").all()


def test_equal_files_count_as_clips_of_their_speakers(tmp_path: Path) -> None:
    rows = ["path,speaker,domain"]
    for speaker in ("spk1", "spk2"):
        for seed, name in enumerate(("000", "001")):
            path = tmp_path / speaker / f"{name}.wav"
            path.parent.mkdir(exist_ok=True)
            soundfile.write(path, tone(1.0, seed=min(seed, 0 if speaker == "spk1" else 1)), 16000)
            rows.append(f"{path},{speaker},speech")
    (tmp_path / "m.csv").write_text("\n".join(rows))
    for workers in ("0", "1"):
        run = ["run", "--dataset", f"manifest:{tmp_path / 'm.csv'}", "--model", "pcm_8bit"]
        run += ["--metrics", "si_sdr,bitrate", "--quiet", "--no-html", "--workers", workers]
        assert main([*run, "--output", str(tmp_path / f"run{workers}")]) == 0
        table = scores(tmp_path / f"run{workers}")
        values = table[table["metric"] == "si_sdr"]
        assert Counter(values["speaker"]) == {"spk1": 2, "spk2": 2}
        assert values["clip_id"].is_unique
        by_id = dict(zip(values["clip_id"], values["value"], strict=True))
        assert by_id["spk1/000"] == by_id["spk1/001"] == by_id["spk2/000"] != by_id["spk2/001"]
        notes = json.loads((tmp_path / f"run{workers}" / "manifest.json").read_text())["notes"]
        assert any(note.startswith("2 of 4 clips are the same audio as another") for note in notes)
