"""The paper table: who is marked and why, what it says, and that no name breaks its formats."""

from __future__ import annotations

import io
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd
import pytest
from markdown_it import MarkdownIt

from snac_eval.errors import UsageError
from snac_eval.reports.grid import Grid, GridFormat, render
from snac_eval.reports.paper import paper_grid
from snac_eval.reports.published import Published, load_published
from snac_eval.results.record import read_run
from tests.reports.hostile import HOSTILE
from tests.runs import Column, noisy, shifted, write_run

PESQ = noisy(2.5, 0.4)
MEL = noisy(1.0, 0.1, seed=5)


def _table(tmp_path: Path, *runs: Mapping[str, Column], metrics: Sequence[str] = ()) -> Grid:
    folders = [
        write_run(tmp_path / f"r{index}", scores, codec=f"codec{index}")
        for index, scores in enumerate(runs)
    ]
    return paper_grid([read_run(folder) for folder in folders], metrics)


def _marks(table: Grid, metric: str) -> list[str]:
    column = [one.name for one in table.columns].index(metric)
    return [row[column].mark for row in table.blocks[0].rows]


def test_ties_are_decided_by_the_test_and_not_by_the_mean(tmp_path: Path) -> None:
    columns = [PESQ, shifted(PESQ, 0.001, 0.2), shifted(PESQ, -0.5, 0.1), shifted(PESQ, -1, 0.1)]
    table = _table(tmp_path, *({"pesq_wb": one} for one in columns))
    assert _marks(table, "pesq_wb") == ["best", "best", "second", ""]
    assert "3 tests" in table.caption
    sure = [PESQ, shifted(PESQ, 0.001, 0.0001)]
    table = _table(tmp_path / "sure", *({"pesq_wb": one} for one in sure))
    assert _marks(table, "pesq_wb") == ["second", "best"]


def test_the_lower_distance_is_best_and_rates_and_speeds_are_not_ranked(tmp_path: Path) -> None:
    speed = "encode_real_time_factor"
    first = {speed: noisy(0.1, 0.01), "mel_dac_paper": MEL, "bitrate": [6.0] * 40}
    second = {
        speed: noisy(0.5, 0.01),
        "mel_dac_paper": shifted(MEL, 0.3, 0.02),
        "bitrate": [12.0] * 40,
    }
    table = _table(tmp_path, first, second)
    assert [one.name for one in table.columns[2:]] == ["bitrate", "mel_dac_paper", speed]
    assert _marks(table, "mel_dac_paper") == ["best", "second"]
    assert _marks(table, "bitrate") == _marks(table, speed) == ["", ""]


def test_raw_si_sdr_is_shown_and_ranked_only_when_it_is_asked_for(tmp_path: Path) -> None:
    low = noisy(3.0, 1.0, 20)
    runs = [{"si_sdr": low, "stoi": low}, {"si_sdr": shifted(low, 5.0, 0.5), "stoi": low}]
    assert _marks(_table(tmp_path / "all", *runs), "si_sdr") == ["", ""]
    asked = _table(tmp_path / "asked", *runs, metrics=("si_sdr",))
    assert _marks(asked, "si_sdr") == ["second", "best"]


def test_holm_counts_every_test_of_the_table(tmp_path: Path) -> None:
    close = shifted(PESQ, -0.13, 0.35)
    alone = _table(tmp_path / "one", {"pesq_wb": PESQ}, {"pesq_wb": close})
    assert _marks(alone, "pesq_wb") == ["best", "second"]
    noise = {name: noisy(1.0, 0.1, seed=seed) for seed, name in enumerate(("stoi", "estoi"), 20)}
    other = {name: noisy(1.0, 0.1, seed=seed) for seed, name in enumerate(("stoi", "estoi"), 30)}
    several = _table(tmp_path / "two", {"pesq_wb": PESQ, **noise}, {"pesq_wb": close, **other})
    assert _marks(several, "pesq_wb") == ["best", "best"]


def test_too_few_clips_are_not_ranked(tmp_path: Path) -> None:
    worse = shifted(PESQ[:3], -1, 0.01)
    table = _table(tmp_path / "three", {"pesq_wb": PESQ[:3]}, {"pesq_wb": worse})
    assert _marks(table, "pesq_wb") == ["", ""]
    assert "too few to rank: pesq_wb" in table.notes[0]
    assert "Nothing is ranked." in table.caption
    worse = shifted(PESQ[:4], -1, 0.01)
    table = _table(tmp_path / "four", {"pesq_wb": PESQ[:4]}, {"pesq_wb": worse})
    assert _marks(table, "pesq_wb") == ["best", "second"]


@pytest.mark.parametrize("form", ["md", "latex", "txt"])
def test_few_speakers_are_said_in_the_caption_and_nothing_is_marked(
    tmp_path: Path, form: GridFormat
) -> None:
    def table(speakers: int) -> Grid:
        names = [f"s{index % speakers}" for index in range(40)]
        columns = {"a": PESQ, "b": shifted(PESQ, -1, 0.02)}
        paths = [
            write_run(tmp_path / f"{speakers}{key}", {"pesq_wb": one}, codec=key, speakers=names)
            for key, one in columns.items()
        ]
        return paper_grid([read_run(path) for path in paths])

    one, three, four = table(1), table(3), table(4)
    alone = "All clips are of one speaker, and what is shown holds for that speaker alone."
    assert alone in render(one, form)
    assert "Too few for any verdict: 3 speakers, of at least 4." in render(three, form)
    assert _marks(one, "pesq_wb") == _marks(three, "pesq_wb") == ["", ""]
    assert _marks(four, "pesq_wb") == ["best", "second"]
    assert "Too few" not in render(four, form)
    frame = pd.read_csv(io.StringIO(render(three, "csv")))
    assert list(frame["pesq_wb_ci_claim"]) == ["too few", "too few"]
    assert list(frame["pesq_wb_ci_units"]) == [3, 3]


def test_means_and_ranks_are_of_the_clips_that_all_scored(tmp_path: Path) -> None:
    gaps: list[float | str] = list(shifted(PESQ, -0.5, 0.1))
    gaps[0], gaps[1] = "undefined: silence", "error: broken"
    table = _table(tmp_path, {"pesq_wb": PESQ, "stoi": PESQ}, {"pesq_wb": gaps, "stoi": PESQ})
    first, second = (row[2].values for row in table.rows)
    assert first is not None
    assert second is not None
    assert first["pesq_wb"] == pytest.approx(sum(PESQ[2:]) / 38)
    assert (first["pesq_wb_n"], first["pesq_wb_undefined"], first["pesq_wb_failed"]) == (38, 0, 0)
    assert (second["pesq_wb_n"], second["pesq_wb_undefined"]) == (38, 1)
    assert second["pesq_wb_failed"] == 1
    assert table.notes == (
        "data: codec1 lost 2 of 40 clips (undefined: silence): no verdict on pesq_wb.",
        "data: over the 38 clips that all rows scored: pesq_wb.",
        "codec1 on data: 1 failed, 1 undefined: pesq_wb.",
    )


def test_what_is_not_comparable_is_not_ranked(tmp_path: Path) -> None:
    first = write_run(tmp_path / "a", {"pesq_wb": PESQ, "stoi": PESQ})
    worse = {"pesq_wb": shifted(PESQ, -1, 0.1), "stoi": shifted(PESQ, -1, 0.1)}
    second = write_run(tmp_path / "b", worse, fingerprints={"stoi": "stoi;v=2"})
    table = paper_grid([read_run(first), read_run(second)])
    assert _marks(table, "stoi") == ["", ""]
    assert _marks(table, "pesq_wb") == ["best", "second"]
    assert table.notes == (
        "data: not comparable across rows"
        " (codec (a) and codec (b): measured in two ways: v=1 against v=2): stoi.",
    )
    other = write_run(tmp_path / "c", worse, clips=[f"other{index}" for index in range(40)])
    table = paper_grid([read_run(first), read_run(other)])
    assert "no clip in common" in table.notes[0]
    assert _marks(table, "pesq_wb") == ["", ""]


def test_runs_are_grouped_by_dataset_and_told_apart(tmp_path: Path) -> None:
    names = {"a": "one", "b": "two", "c": "one"}
    runs = [
        write_run(tmp_path / run, {"pesq_wb": PESQ}, dataset={"name": data}, speakers=["s"] * 40)
        for run, data in names.items()
    ]
    table = paper_grid([read_run(run) for run in runs])
    labels = [[row[0].text for row in block.rows] for block in table.blocks]
    assert labels == [["codec (a)", "codec (c)"], ["codec"]]
    assert [block.title for block in table.blocks] == ["one (40 clips)", "two (40 clips)"]
    assert "one, 40 clips of 1 speakers; two, 40 clips of 1 speakers" in table.caption


def test_the_caption_says_data_rule_rate_and_versions(tmp_path: Path) -> None:
    scoring = {"reference_rate": "codec"}
    run = write_run(tmp_path / "a", {"pesq_wb": PESQ}, scoring=scoring, state="running")
    table = paper_grid([read_run(run)])
    assert "Scored at the sample rate of the codec." in table.caption
    assert "Versions: snac-eval 0.1.0, python 3.11." in table.caption
    assert table.notes == ("codec on data: the run was not finished.",)


def test_a_metric_of_all_clips_together_has_its_one_value(tmp_path: Path) -> None:
    run = write_run(tmp_path / "a", {"pesq_wb": PESQ}, corpus={"codebook_usage": 0.875})
    table = paper_grid([read_run(run)], ["codebook_usage"])
    assert "0.875" in render(table, "md")


def test_decimals_follow_the_interval(tmp_path: Path) -> None:
    table = _table(tmp_path, {"pesq_wb": PESQ, "bitrate": [6.0] * 40, "si_sdr": [-4.0, -5.0] * 20})
    row = next(line for line in render(table, "md").splitlines() if "codec0" in line)
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert cells[2] == "6.000"
    mean, half = cells[3].split(" ± ")
    assert len(mean.partition(".")[2]) == len(half.partition(".")[2])
    assert half.strip("0.")[0] != "0"
    assert r"$-$4.50 $\pm$ 0.1" in render(table, "latex")


def test_one_rate_that_hardly_varies_gives_no_other_more_digits(tmp_path: Path) -> None:
    steady, other = [12.65, 12.6500001] * 20, [3.2, 3.3] * 20
    table = _table(tmp_path, {"bitrate": steady}, {"bitrate": other})
    assert "12.650 ± 0.000" in render(table, "txt")
    assert "3.250 ± 0.016" in render(table, "txt")


def test_no_runs_and_unknown_metrics_are_one_line(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="name at least one"):
        paper_grid([])
    with pytest.raises(UsageError, match="unknown metric of these runs 'stoi'"):
        _table(tmp_path, {"pesq_wb": PESQ}, metrics=["stoi"])


def test_csv_has_plain_numbers(tmp_path: Path) -> None:
    _table(tmp_path, {"pesq_wb": PESQ}, {"pesq_wb": shifted(PESQ, -0.5, 0.1)})
    runs = [read_run(tmp_path / name) for name in ("r0", "r1")]
    with_published = paper_grid(runs, published=load_published())
    frame = pd.read_csv(io.StringIO(render(with_published, "csv")))
    assert frame["pesq_wb"][0] == pytest.approx(sum(PESQ) / 40)
    assert list(frame["pesq_wb_mark"][:2]) == ["best", "second"]
    assert set(frame["pesq_wb_definition"][2:]) == {"other", "unknown"}


def _hostile(tmp_path: Path, published: Published | None = None) -> Grid:
    runs = [
        read_run(
            write_run(
                tmp_path / f"h{index}",
                {"pesq_wb": shifted(PESQ, -index, 0.1), name: MEL},
                codec=name,
                dataset={"name": HOSTILE[index % 2]},
                versions={"python": name},
            )
        )
        for index, name in enumerate(HOSTILE)
    ]
    return paper_grid(runs, ["pesq_wb", *HOSTILE], published)


def test_hostile_names_do_nothing_in_markdown_and_on_a_terminal(tmp_path: Path) -> None:
    table = _hostile(tmp_path)
    markdown = render(table, "md")
    page = MarkdownIt("commonmark").enable("table").render(markdown)
    assert page.count("<table>") == 2
    assert page.count("<tr>") == len(HOSTILE) + 2
    assert "<script" not in page
    assert "<a " not in page
    assert "\x1b" not in render(table, "txt")


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="needs pdflatex with booktabs")
def test_latex_compiles_whatever_the_names_are(tmp_path: Path) -> None:
    text = render(_hostile(tmp_path, load_published()), "latex")
    document = (
        "\\documentclass{article}\n\\usepackage{booktabs,graphicx}\n"
        f"\\begin{{document}}\n{text}\\end{{document}}\n"
    )
    (tmp_path / "paper.tex").write_text(document, encoding="utf-8")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "paper.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:]
    log = (tmp_path / "paper.log").read_text(encoding="latin-1")
    assert "Overfull \\hbox" not in log
    assert "Float too large" not in log
    assert "Missing character" not in log
