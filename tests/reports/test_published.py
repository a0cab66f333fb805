"""Published figures: what ships is sound, and what is wrong with a file is one line."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from snac_eval.errors import UsageError
from snac_eval.registry import plugins
from snac_eval.registry.cards import data_dir
from snac_eval.reports.grid import NONE
from snac_eval.reports.published import (
    COLUMNS,
    listener_values,
    load_published,
    published_cells,
)

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
    "read": "first-hand",
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


def test_what_was_only_quoted_says_so_in_row_notes_and_csv(tmp_path: Path) -> None:
    quoted = {**LINE, "citation": "Quoted", "read": "second-hand"}
    rated = {**quoted, "metric": "mushra", "value": "64.4"}
    published = load_published(_write(tmp_path / "p.csv", LINE, quoted, rated)).of(["pesq_wb"])
    assert [published.label(row) for row in published.rows] == [
        "Codec, 6 kbps [1]",
        "Codec, 6 kbps [2] second-hand",
    ]
    signs, first, second = published.notes()
    assert "second-hand: as others quote the source, which was not read" in signs
    assert "second-hand" not in first
    assert "https://example.org/paper (second-hand); data: some" in second
    assert second.endswith(
        "MUSHRA of its listeners (?), which no metric here measures: Codec at 6 kbps 64.4."
    )
    assert listener_values(published.rows[1]) == {"mushra": "64.4", "mushra_definition": "unknown"}
    assert listener_values(published.rows[0]) == {}
    assert published.of(["stoi"]).rows == ()


SNAC_PAPER = {
    "MUSDB18-HQ": "EnCodec 2.2 kbps 3.66 64.4; DAC 7.74 kbps 4.19 90.4; DAC 2.5 kbps 3.91 54.0;"
    " SNAC 32 kHz 1.9 kbps 3.79 77.9; SNAC 44 kHz 2.6 kbps 4.04 76.8",
    "DAPS": "SNAC 24 kHz 0.98 kbps 4.14 0.82 1.50 1.78 88.4;"
    " DAC 0.8 kbps 3.49 -0.16 2.03 1.96 33.0;"
    " DAC 2.5 kbps 4.28 6.43 1.37 1.65 85.0; EnCodec 1.5 kbps 3.75 0.85 2.05 2.07 39.1;"
    " EnCodec 6 kbps 4.36 6.83 1.60 1.81 75.9; Opus 6 kbps 3.84 2.28 4.99 4.01 39.3",
}
SNAC_METRICS = {
    "MUSDB18-HQ": ["visqol_audio", "mushra"],
    "DAPS": ["visqol_speech", "si_sdr", "mel_dac_paper", "stft_distance", "mushra"],
}


@pytest.mark.parametrize("data", SNAC_PAPER)
def test_shipped_figures_of_the_snac_paper_are_second_hand_and_of_unknown_definition(
    data: str,
) -> None:
    rows = [
        row
        for row in load_published().rows
        if row.source[1].endswith("2410.14411") and row.data == data
    ]
    assert {row.read for row in rows} == {"second-hand"}
    assert {one.definition for row in rows for one in row.figures.values()} == {"unknown"}
    assert {tuple(row.figures) for row in rows} == {tuple(SNAC_METRICS[data])}
    lines = (
        " ".join(
            [row.codec, f"{row.nominal_bps / 1000:g} kbps"]
            + [one.value for one in row.figures.values()]
        )
        for row in rows
    )
    assert "; ".join(lines) == SNAC_PAPER[data]


def test_shipped_figures_of_stable_codec_are_of_its_base_model() -> None:
    (row,) = (row for row in load_published().rows if row.codec.startswith("Stable Codec"))
    assert row.codec == "Stable Codec speech 16k base"
    assert row.sample_rate == 16000
    assert len(row.figures) == 5


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
        ({"read": "heard"}, "read is 'heard'; use one of first-hand, second-hand"),
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
