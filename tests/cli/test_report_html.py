"""report.html of real runs: what it holds, what it says where audio is gone, and its size."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from snac_eval.cli import main
from snac_eval.reports import html, plots
from snac_eval.reports.sound import ReportClip, fit
from snac_eval.types import Waveform
from tests.cli.hostile import CARD_TEXT, CLIP_ID, run_hostile
from tests.conftest import tone


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two runs with hostile texts in clip ids and in the card."""
    return run_hostile(tmp_path_factory.mktemp("hostile"))


def _page(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def test_a_run_ends_with_a_page_that_can_be_heard(runs: list[Path]) -> None:
    page = _page(runs[0] / "report.html")
    assert page.count('src="data:audio/flac;base64,') == 6
    assert page.count('src="data:image/webp;base64,') == 9
    for section in ("scores", "spread", "groups", "missing", "clips", "manifest"):
        assert f'<section id="{section}"' in page
    assert "Nothing to play" not in page


def test_nothing_that_a_card_or_a_clip_says_becomes_markup(runs: list[Path]) -> None:
    page = _page(runs[0] / "report.html")
    assert CLIP_ID not in page
    assert CARD_TEXT not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert page.count("<script>") == 1
    scripts = re.search(r"script-src '([^']+)'", page)
    assert scripts is not None
    assert scripts[1].startswith("sha256-")
    assert "default-src 'none'" in page
    outside = re.findall(r'(?:src|href)="(?!data:|#)([^"]*)"', page)
    assert outside == []


def test_several_runs_stand_side_by_side(
    runs: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "both.html"
    arguments = ["report", *map(str, runs), "--html", "--report-clips", "1", "-o", str(output)]
    assert main(arguments) == 0
    assert str(output) in capsys.readouterr().out
    page = _page(output)
    assert page.count('src="data:audio/flac;base64,') == 3
    assert '<section id="compare"' in page
    assert "Pareto frontier" in page


def test_where_audio_is_gone_the_page_says_so(
    runs: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "run"
    shutil.copytree(runs[0], folder)
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["config"]["dataset"] = f"folder:{tmp_path}/gone"
    (folder / "manifest.json").write_text(json.dumps(manifest))
    assert main(["report", str(folder), "--html"]) == 0
    page = _page(folder / "report.html")
    assert "nothing to hear" in page
    assert "data:audio" not in page
    (folder / "manifest.json").unlink()
    assert main(["report", str(folder), "--html"]) == 0
    assert "manifest.json is missing" in _page(folder / "report.html")
    assert main(["report", str(tmp_path / "nowhere"), "--html"]) == 2
    assert main(["report", *map(str, runs)]) == 2
    assert main(["report", str(folder), "--html", "--report-clips", "-1"]) == 2
    assert "Traceback" not in capsys.readouterr().err


def _clip(name: str, duration_s: float) -> ReportClip:
    sound = Waveform(tone(duration_s, 48000)[None], 48000)
    return ReportClip(name, duration_s, sound, {"codec": sound})


def test_excerpts_shrink_before_clips_are_left_out() -> None:
    clips = [_clip(str(index), 9.0) for index in range(3)]
    whole = fit(clips, 20_000_000)
    assert [round(clip.length_s) for clip in whole] == [9, 9, 9]
    total = sum(clip.num_bytes for clip in whole)
    shorter = fit(clips, int(0.95 * total))
    assert [round(clip.length_s) for clip in shorter] == [8, 8, 8]
    few = fit(clips, int(0.3 * total))
    assert [round(clip.length_s) for clip in few] == [4] * len(few)
    assert 0 < len(few) < 3
    assert sum(clip.num_bytes for clip in few) <= 0.3 * total


def test_frontier_holds_what_nothing_beats() -> None:
    def point(x: float, y: float) -> plots.Point:
        return plots.Point("B", 0, "", x, y)

    cheap, good, worse, same = point(1, 2), point(3, 4), point(3, 3), point(1, 2)
    assert html.pareto([cheap, good, worse], higher_is_better=True) == [cheap, good]
    assert html.pareto([cheap, good, worse], higher_is_better=False) == [cheap]
    assert html.pareto([cheap, same], higher_is_better=True) == [cheap, same]


def test_letters_go_on_after_z() -> None:
    assert [html.letter(index) for index in (0, 25, 26, 27, 51, 52)] == [
        *"AZ",
        "AA",
        "AB",
        "AZ",
        "BA",
    ]


def test_a_run_may_do_without(tmp_path: Path) -> None:
    data = tmp_path / "audio"
    data.mkdir()
    import soundfile

    soundfile.write(data / "a.wav", tone(0.5), 16000)
    arguments = ["--dataset", f"folder:{data}", "--metrics", "si_sdr", "--quiet", "--workers", "0"]
    output = tmp_path / "run"
    assert (
        main(["run", "--model", "pcm_8bit", *arguments, "--output", str(output), "--no-html"]) == 0
    )
    assert not (output / "report.html").exists()
    assert (
        main(
            [
                "run",
                "--model",
                "pcm_8bit",
                *arguments,
                "--output",
                str(output),
                "--report-clips",
                "0",
            ]
        )
        == 0
    )
    assert "No clip is embedded" in _page(output / "report.html")
