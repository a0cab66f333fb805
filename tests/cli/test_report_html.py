"""The HTML report, as the command line writes it."""

from __future__ import annotations

import csv
import re
import shutil
from pathlib import Path

import pytest
import soundfile

from snac_eval import audio
from snac_eval.cli.main import main
from snac_eval.codecs.abilities import OpenCodec
from snac_eval.reports.html.page import write_page
from snac_eval.results.record import read_run
from snac_eval.run.sealed import read_manifest
from tests.conftest import tone
from tests.runs import edit_manifest

HOSTILE = "<script>alert(1)</script>"
HOSTILE_TEXT = "</pre></script><script>alert(2)</script><img src=x onerror=alert(3)> {{ 7 * 7 }}"
CARD = f"""
name = "evil_pcm"
family = "pcm"
sample_rate = 0
description = "{HOSTILE_TEXT}"
channels = 1
licence = "{HOSTILE_TEXT}"
citation = "{HOSTILE_TEXT}"
[options]
bits = 8
"""
METRICS = "bitrate,mel_dac_paper,si_sdr,stoi,encode_real_time_factor,decode_real_time_factor"


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two runs over the same clips, one of them with a hostile name, by a hostile card and Opus."""
    root = tmp_path_factory.mktemp("html")
    (root / "cards" / "codecs").mkdir(parents=True)
    (root / "cards" / "codecs" / "evil_pcm.toml").write_text(CARD)
    ids = [HOSTILE, "bravo", "charlie"]
    with (root / "list.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["path", "id", "speaker", "domain", "transcript"])
        for index, name in enumerate(ids):
            soundfile.write(root / f"{index}.wav", tone(2.0 + 0.1 * index, seed=index), 16000)
            said = f"words {index} {HOSTILE}"
            rows.writerow([f"{index}.wav", name, f"speaker {index % 2} {HOSTILE}", "speech", said])
    for model in ("evil_pcm", "opus_6kbps"):
        run = ["run", "--model", model, "--dataset", f"manifest:{root / 'list.csv'}", "--quiet"]
        how = ["--cards", str(root / "cards"), "--workers", "0", "--metrics", METRICS]
        assert main([*run, *how, "--output", str(root / model)]) == 0
    return [root / "evil_pcm", root / "opus_6kbps"]


@pytest.fixture(scope="module")
def comparison(runs: list[Path]) -> Path:
    """The page of both runs."""
    page = runs[0].parent / "both.html"
    assert main(["report", *map(str, runs), "--html", "--output", str(page)]) == 0
    return page


def test_run_writes_a_page_that_carries_everything(runs: list[Path]) -> None:
    html = (runs[1] / "report.html").read_text()
    assert len(html) < 15e6
    assert html.count('src="data:audio/flac;base64,') == 3 * 2
    assert html.count('src="data:image/webp;base64,') == 3 * 3
    for section in ("Figures", "Every metric", "Breakdown", "Clips to hear", "Manifest"):
        assert f">{section}" in html
    assert not re.search(r'(src|href)="(?!data:|#)', html)
    assert html.count("<blockquote") == 3


def test_a_transcript_that_is_another_now_is_not_passed_off_as_the_runs(
    runs: list[Path], tmp_path: Path
) -> None:
    listed = runs[0].parent / "list.csv"
    was = listed.read_text()
    listed.write_text(was.replace("words 0", "other words"))
    try:
        page = tmp_path / "page.html"
        assert main(["report", str(runs[1]), "--html", "--output", str(page)]) == 0
    finally:
        listed.write_text(was)
    html = page.read_text()
    assert html.count("<blockquote") == 2
    assert "other words" not in html


def test_a_study_is_grouped_by_dataset_and_loads_each_codec_once(
    runs: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "more").mkdir()
    soundfile.write(tmp_path / "more" / "long.wav", tone(1.0, seed=7), 16000)
    soundfile.write(tmp_path / "more" / "short.wav", tone(0.7, seed=8), 16000)
    run = ["run", "--model", "evil_pcm", "--dataset", f"folder:{tmp_path / 'more'}", "--quiet"]
    how = ["--cards", str(runs[0].parent / "cards"), "--workers", "0", "--metrics", "si_sdr"]
    assert main([*run, *how, "--no-html", "--output", str(tmp_path / "r")]) == 0
    prepared, inspected = [], []
    prepare, inspect = OpenCodec.prepare, audio.inspect
    monkeypatch.setattr(OpenCodec, "prepare", lambda one: prepared.append(one) or prepare(one))
    monkeypatch.setattr(
        audio, "inspect", lambda clip, *most: inspected.append(clip.id) or inspect(clip, *most)
    )
    both = [read_run(folder) for folder in (runs[0], tmp_path / "r")]
    write_page(both, tmp_path / "page.html", 2)
    html = (tmp_path / "page.html").read_text()
    assert html.count('<section class="dataset"') == 2
    assert html.count("<audio") == 2 * 2
    assert len(prepared) == 2
    assert len({id(one.adapter) for one in prepared}) == 1
    assert len(inspected) == 2


def test_hostile_text_is_only_text(comparison: Path) -> None:
    html = comparison.read_text()
    assert html.count("<script>") == 1
    assert len(re.findall("<script|</script", html)) == 4
    assert "<img src=x" not in html
    assert "&lt;script&gt;alert(1)" in html
    assert "{{ 7 * 7 }}" in html


def test_no_html_and_no_clips(runs: list[Path], capsys: pytest.CaptureFixture[str]) -> None:
    page = runs[0] / "quiet.html"
    given = ["report", str(runs[0]), "--html", "--output", str(page)]
    assert main([*given, "--report-clips", "0"]) == 0
    assert str(page) in capsys.readouterr().out
    assert "<audio" not in page.read_text()
    assert main([*given, "--report-clips", "-1"]) == 2
    assert main(["report", str(runs[0]), "--output", str(page)]) == 2
    assert "give --html" in capsys.readouterr().err


def test_run_can_leave_the_page_out(audio_dir: Path, tmp_path: Path) -> None:
    base = ["run", "--model", "pcm_8bit", "--dataset", f"folder:{audio_dir}", "--quiet"]
    more = ["--metrics", "bitrate", "--workers", "0", "--output", str(tmp_path / "r")]
    assert main([*base, *more, "--report-clips", "-3"]) == 2
    assert not (tmp_path / "r").exists()
    assert main([*base, *more, "--no-html"]) == 0
    assert not (tmp_path / "r" / "report.html").exists()


def test_a_codec_that_cannot_be_opened_leaves_its_players_out(
    runs: list[Path], tmp_path: Path
) -> None:
    moved = tmp_path / "moved"
    shutil.copytree(runs[1], moved)
    config = read_manifest(moved)["config"]
    edit_manifest(moved, config=config | {"model": "no_such_codec"})
    assert main(["report", str(moved), str(runs[0]), "--html", "--output", str(moved / "x")]) == 0
    html = (moved / "x").read_text()
    assert "Nothing to play of Opus, 6 kbps: its codec or data cannot be opened here" in html
    assert html.count("<audio") == 3 * 2
    (moved / "store.sqlite").unlink()
    assert main(["report", str(moved), "--html"]) == 0
    html = (moved / "report.html").read_text()
    assert "no store.sqlite" in html
    assert "<audio" not in html
    (moved / "manifest.json").unlink()
    assert main(["report", str(moved), "--html"]) == 2


def test_changed_weights_or_clips_are_not_passed_off_as_the_runs(
    runs: list[Path], tmp_path: Path
) -> None:
    other = tmp_path / "other"
    shutil.copytree(runs[1], other)
    config = read_manifest(other)["config"]
    edit_manifest(other, config=config | {"model": "opus_12kbps"})
    assert main(["report", str(other), "--html"]) == 0
    html = (other / "report.html").read_text()
    assert "the codec is no longer the one that made these codes" in html
    assert "<audio" not in html


def test_files_are_played_as_long_as_they_are_what_was_scored(
    audio_dir: Path, tmp_path: Path
) -> None:
    made = tmp_path / "made"
    shutil.copytree(audio_dir, made)
    run = ["run", "--model", f"files:{made}", "--dataset", f"folder:{audio_dir}", "--quiet"]
    more = ["--metrics", "mel_dac_paper", "--workers", "0", "--output", str(tmp_path / "r")]
    assert main([*run, *more]) == 0
    page = tmp_path / "r" / "report.html"
    assert page.read_text().count("<audio") == 3 * 2
    soundfile.write(made / "speech" / "a.wav", tone(0.5, seed=9), 16000)
    assert main(["report", str(tmp_path / "r"), "--html"]) == 0
    assert page.read_text().count("<audio") == 2 * 2
    assert "no longer the file that was scored" in page.read_text()
