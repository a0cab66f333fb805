"""Published figures: what ships is sound, and what is wrong with a file is one line."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from snac_eval.errors import UsageError
from snac_eval.registry import plugins
from snac_eval.registry.cards import data_dir
from snac_eval.reports.grid import NONE
from snac_eval.reports.published import COLUMNS, load_published, published_cells

LINE = {
    "codec": "Codec",
    "card": "",
    "sample_rate": "24000",
    "nominal_bps": "6000",
    "exact_bps": "",
    "data": "some",
    "metric": "pesq_wb",
    "value": "3.1",
    "definition": "unknown",
    "why": "not said",
    "citation": "Somebody",
    "url": "https://example.org/paper",
}


def _write(path: Path, *lines: dict[str, str], columns: tuple[str, ...] = COLUMNS) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(lines)
    return path


def test_every_shipped_figure_has_a_source_and_agrees_with_our_cards() -> None:
    published = load_published()
    lines = (data_dir("reports") / "published.csv").read_text(encoding="utf-8").splitlines()
    assert sum(len(row.figures) for row in published.rows) == len(lines) - 1
    for row in published.rows:
        if row.card:
            card = plugins.codec_card(row.card)
            assert row.sample_rate == card.sample_rate
            assert row.exact_bps == pytest.approx(card.nominal_bitrate_bps)
            assert row.nominal_bps == pytest.approx(row.exact_bps, rel=0.04)


def test_figures_are_shown_by_metric_with_their_sign_and_source(tmp_path: Path) -> None:
    stoi = {**LINE, "citation": "Other", "metric": "stoi", "definition": "same", "value": "0.9"}
    published = load_published(_write(tmp_path / "p.csv", LINE, {**LINE, **stoi}))
    assert [published.label(row) for row in published.rows] == [
        "Codec, 6 kbps [1]",
        "Codec, 6 kbps [2]",
    ]
    shown = published.of(["bitrate", "stoi"])
    assert [shown.label(row) for row in shown.rows] == ["Codec, 6 kbps [1]"]
    nothing, figure = published_cells(shown.rows[0], ["bitrate", "stoi"], "its_")
    assert nothing == NONE
    assert (figure.text, figure.key) == ("0.9 =", 0.9)
    assert figure.values == {"its_stoi": "0.9", "its_stoi_definition": "same"}
    notes = list(shown.notes())
    assert len(notes) == 2
    assert notes[1].startswith("[1] Other, https://example.org/paper; data: some;")
    assert "stoi: same (not said)" in notes[1]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"metric": "pesk"}, "unknown metric 'pesk'"),
        ({"value": "good"}, "value is 'good', which is no number"),
        ({"value": ""}, "'value' is empty"),
        ({"value": "nan"}, "no number"),
        ({"definition": "similar"}, "use one of same, other, unknown"),
        ({"why": ""}, "'why' is empty"),
        ({"citation": ""}, "'citation' is empty"),
        ({"url": "javascript:alert(1)"}, "give the https:// address"),
        ({"card": "snac_25khz"}, "unknown codec 'snac_25khz'"),
        ({"nominal_bps": "-1"}, "nominal_bps is -1; give a number above 0"),
        ({"exact_bps": "fast"}, "exact_bps is 'fast'"),
    ],
)
def test_what_is_wrong_is_said_with_file_and_line(
    tmp_path: Path, change: dict[str, str], message: str
) -> None:
    path = _write(tmp_path / "p.csv", {**LINE, "codec": "First"}, {**LINE, **change})
    with pytest.raises(UsageError) as caught:
        load_published(path)
    assert f"{path}:3: " in str(caught.value)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_files_that_are_no_such_table(tmp_path: Path) -> None:
    cases = {
        "the columns must be": _write(tmp_path / "a.csv", LINE, columns=COLUMNS[1:]),
        "gives pesq_wb of Codec twice": _write(tmp_path / "b.csv", LINE, LINE),
        "cannot be read": tmp_path / "none.csv",
    }
    short = tmp_path / "c.csv"
    short.write_text(",".join(COLUMNS) + "\na,b\n")
    cases["the number of fields is not that of the columns"] = short
    for message, path in cases.items():
        with pytest.raises(UsageError, match=message):
            load_published(path)
