"""A site out of folders: what is found, what is written, and what is left alone."""

from __future__ import annotations

import csv
import json
import re
import shutil
from pathlib import Path

import pytest

from snac_eval.cli.main import main
from snac_eval.errors import StoreError, SubmissionRefused, UsageError
from snac_eval.results.study import StudyRun, write_study
from snac_eval.site.building import MARKER, build_site, find_runs
from snac_eval.site.data import CSV_FILE, JSON_FILE
from snac_eval.site.pages import HOME
from tests.runs import edit_manifest
from tests.site.many import scored

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three runs in a study and one beside it."""
    folder = tmp_path_factory.mktemp("runs")
    for place, name in enumerate("abc"):
        scored(folder / "study" / name, name, 2.0 + place, 3.0, place)
    pairs = [StudyRun(name, "data", name) for name in "abc"]
    write_study(folder / "study", [*pairs, StudyRun("d", "data", "d", "it failed")])
    scored(folder / "deep" / "down" / "one", "=HYPERLINK(1)", 3.0, 6.0)
    return folder


@pytest.fixture(scope="module")
def site(runs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site of these runs."""
    output = tmp_path_factory.mktemp("out") / "site"
    build_site([runs], output)
    return output


def _files(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_same_runs_in_another_order_give_the_same_bytes(
    runs: Path, site: Path, tmp_path: Path
) -> None:
    build_site([runs / "deep", runs / "study" / "c", runs / "study"], tmp_path / "again")
    assert _files(tmp_path / "again") == _files(site)


def test_every_link_leads_somewhere_on_the_site_or_is_of_the_web(site: Path) -> None:
    pages = {path.resolve(): path.read_text(encoding="utf-8") for path in site.rglob("*.html")}
    assert len(pages) > 6
    for page, text in pages.items():
        for target, part in re.findall(r'(?:href|src)="([^"#]*)(?:#([^"]*))?"', text):
            if target.startswith(("https://", "http://", "data:")):
                continue
            found = (page.parent / target).resolve() if target else page
            assert found.is_file(), (page, target)
            assert not part or f'id="{part}"' in pages[found], (page, part)


def test_runs_are_found_once_however_they_are_given(runs: Path) -> None:
    found = find_runs([runs / "study" / "a", runs, runs / "study"])
    assert [folder.name for folder in found] == ["a", "one", "b", "c"]
    with pytest.raises(UsageError, match="holds no run"):
        find_runs([ROOT / "codecs"])


def test_what_is_no_site_is_left_alone_and_a_site_is_replaced(runs: Path, tmp_path: Path) -> None:
    output = tmp_path / "site"
    output.mkdir()
    (output / "thesis.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(UsageError, match="something else than a site"):
        build_site([runs], output)
    (output / "thesis.txt").unlink()
    build_site([runs / "study" / "a"], output)
    stale = _files(output).keys()
    build_site([runs / "deep"], output)
    assert not any("codecs/a-" in name for name in _files(output))
    assert any("codecs/a-" in name for name in stale)
    assert [path.name for path in tmp_path.iterdir()] == ["site"]


def test_broken_run_is_named_and_the_old_site_stays(runs: Path, tmp_path: Path) -> None:
    output, broken = tmp_path / "site", tmp_path / "runs" / "broken"
    build_site([runs / "deep"], output)
    before = _files(output)
    scored(broken, "broken", 3.0, 3.0)
    edit_manifest(broken, metrics={})
    with pytest.raises(StoreError, match="broken"):
        build_site([runs, tmp_path / "runs"], output)
    assert _files(output) == before


def test_a_bench_has_no_row_and_a_result_given_twice_is_shown_once(
    runs: Path, tmp_path: Path
) -> None:
    scored(tmp_path / "bench", "bench", 3.0, 3.0, kind="bench")
    scored(tmp_path / "copy", "a", 2.0, 3.0, 0)
    built = build_site(
        [runs / "study" / "a", tmp_path / "bench", tmp_path / "copy"], tmp_path / "s"
    )
    assert (built.num_runs, built.num_boards) == (1, 1)
    assert [note.rpartition("; ")[2] for note in built.notes] == ["left out", "shown once"]


def test_submission_that_was_changed_is_refused_with_its_folder_and_the_reason(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = tmp_path / "opus_6kbps"
    shutil.copytree(ROOT / "reports" / "results" / "demo" / "opus_6kbps", place)
    scores = place / "scores.csv"
    text = scores.read_text(encoding="utf-8")
    scores.write_text(text.replace("speech_de,", "speech_de,9", 1), encoding="utf-8")
    with pytest.raises(SubmissionRefused, match="'speech_de'") as refused:
        build_site([tmp_path], tmp_path / "site")
    assert str(refused.value).startswith(f"{place}: refused: scores.csv")
    assert not (tmp_path / "site").exists()
    assert main(["site", str(tmp_path), "-o", str(tmp_path / "site"), "--quiet"]) == 1


def test_data_say_everything_and_every_key_is_documented(site: Path) -> None:
    content = json.loads((site / JSON_FILE).read_text(encoding="utf-8"))
    (board,) = content["boards"]
    assert (content["schema_version"], board["main_metric"]) == (1, "pesq_wb")
    best = board["rows"][0]
    assert (best["name"], best["band"], best["scores"]["pesq_wb"]["rank_high"]) == ("c", "2-4", 1)
    measure = board["metrics"]["pesq_wb"]["measures"][0]
    assert (measure["fingerprint"], measure["num_clips"]) == ("pesq_wb;v=1", 12)
    with (site / CSV_FILE).open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 4 * 3
    assert {row["name"] for row in rows} == {"a", "b", "c", "'=HYPERLINK(1)"}
    text = (ROOT / "docs" / "leaderboard.md").read_text(encoding="utf-8")
    keys = {*content, *board, *board["metrics"]["pesq_wb"], *measure, *best, *rows[0]}
    assert [key for key in keys if f"`{key}`" not in text] == []


def test_command_line_says_what_it_wrote(
    runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["site", str(runs / "deep"), "-o", str(tmp_path / "s"), "--quiet"]) == 0
    assert capsys.readouterr().out.startswith(f"{tmp_path / 's' / HOME}: 1 boards of 1 runs")
    assert json.loads((tmp_path / "s" / MARKER).read_text(encoding="utf-8"))["site"]
    assert main(["site", str(tmp_path / "none"), "-o", str(tmp_path / "t")]) == 2
    assert "none: holds no run" in capsys.readouterr().err
