"""Figures: names as text, fonts embedded, the same file twice, marks that differ in grey."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from matplotlib.figure import Figure

from snac_eval.errors import UsageError
from snac_eval.reports import figures
from snac_eval.reports.figures import drawing, style
from snac_eval.reports.figures.style import inches_of, mark, shortened, shown, wrapped
from snac_eval.results.record import Run, read_run
from tests.reports.hostile import HOSTILE
from tests.runs import Column, noisy, write_run

SVG = "{http://www.w3.org/2000/svg}"
LONG = "a codec whose name has no end " * 12
DEAD = "error: the codec answered an audible clip with silence"


def _run(folder: Path, codec: str, kbps: float = 6.0, **facts: Any) -> Run:  # noqa: ANN401
    scores: Column = facts.pop("scores", noisy(2.0 + kbps / 20, 0.3, 12))
    columns = {"bitrate": [kbps] * len(scores), "pesq_wb": scores, "stoi": scores}
    return read_run(write_run(folder / f"{len(codec)}{kbps}", columns, codec=codec, **facts))


@pytest.fixture
def rates(tmp_path: Path) -> list[Run]:
    """Three rates of one codec, and another codec."""
    opus = [_run(tmp_path, f"opus_{rate}kbps", rate) for rate in (6, 12, 24)]
    return [*opus, _run(tmp_path, "snac", 1.0)]


def _svg_texts(figure: Figure, path: Path) -> list[str]:
    figures.save(figure, path)
    root = ElementTree.parse(path).getroot()
    assert not root.findall(f".//{SVG}script")
    return ["".join(text.itertext()) for text in root.iter(f"{SVG}text")]


@pytest.mark.parametrize("kind", figures.KINDS)
def test_every_name_is_shown_as_text(kind: figures.Kind, tmp_path: Path) -> None:
    runs = [_run(tmp_path, name, 1.0 + i) for i, name in enumerate([*HOSTILE, LONG])]
    texts = _svg_texts(figures.plot(runs, y=["pesq_wb"], kind=kind, width=30), tmp_path / "f.svg")
    said = " ".join(texts)
    for name in HOSTILE:
        # A box's name may be broken in two lines.
        assert all(word in said for word in shown(name).split())
    assert "\x1b" not in said
    assert "…" in said


def test_a_pdf_embeds_its_fonts_and_repeats_to_the_byte(rates: list[Run], tmp_path: Path) -> None:
    for suffix in figures.SUFFIXES:
        for name in ("a", "b"):
            figures.save(figures.plot(rates[:1], y=["pesq_wb"]), tmp_path / f"{name}{suffix}")
        first, second = ((tmp_path / f"{name}{suffix}").read_bytes() for name in ("a", "b"))
        assert first == second
    pdf = (tmp_path / "a.pdf").read_bytes()
    assert b"/FontFile2" in pdf  # the font's own file, TrueType
    assert b"/Type3" not in pdf
    assert b"CreationDate" not in pdf
    assert figures.plot(rates[:1])._repr_png_().startswith(b"\x89PNG")  # in a notebook


def test_a_family_is_one_line_and_every_point_has_its_interval(rates: list[Run]) -> None:
    figure = figures.plot(rates, y=["pesq_wb"], labels={"opus": "Opus", "pesq_wb": "PESQ"})
    (axes,) = figure.axes
    joined = [line for line in axes.get_lines() if len(line.get_xdata()) == 3]
    assert len([line for line in joined if line.get_linestyle() != "None"]) == 1
    bars = [one for one in axes.containers if type(one).__name__ == "ErrorbarContainer"]
    assert len(bars) == 4
    assert axes.get_ylabel() == "PESQ [MOS] ↑"
    assert axes.get_xlabel() == "Bitrate [kbps]"
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["Opus", "snac"]


@pytest.mark.parametrize(("width", "inches"), [("single", 3.35), ("double", 6.89), (12.7, 5.0)])
def test_the_legend_covers_no_panel_and_letters_are_legible(
    rates: list[Run], width: str | float, inches: float
) -> None:
    figure = figures.plot(rates, y=["pesq_wb", "stoi"], width=width)
    assert figure.get_figwidth() == pytest.approx(inches, abs=0.01)
    figure.draw_without_rendering()
    legend = figure.legends[0].get_window_extent()
    assert legend.x0 >= 0
    assert legend.x1 <= figure.bbox.width
    for axes in figure.axes:
        assert not axes.get_tightbbox().overlaps(legend)
        labels = [*axes.get_xticklabels(), *axes.get_yticklabels(), axes.xaxis.label]
        assert [label.get_fontsize() for label in labels] == [7] * (len(labels) - 1) + [8]


def test_a_run_that_lost_clips_is_hollow_and_the_caption_says_so(tmp_path: Path) -> None:
    scores = noisy(2.5, 0.3, 12)
    speakers = ["x", "y"] * 6
    runs = [
        _run(tmp_path, "whole", scores=scores, speakers=speakers),
        _run(tmp_path, "holed", 12.0, scores=[DEAD, *scores[1:]], speakers=speakers),
        _run(tmp_path, "mute", 3.0, scores=[DEAD] * 12, speakers=speakers),
    ]
    made = figures.content(runs, y=["pesq_wb"])
    figure = figures.draw(made)
    (axes,) = figure.axes
    hollow = [line.get_markerfacecolor() == "white" for line in axes.get_lines()]
    assert hollow == [False, True]
    assert not axes.containers  # two speakers: an interval would say nothing
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["whole", "holed †"]
    said = "\n".join(figures.caption(made))
    assert "data: over the 11 clips that every run drawn has a score of." in said
    assert "Too few for any verdict: 2 speakers, of at least 4." in said
    assert "No interval is drawn of so few." in said
    assert "† data: holed lost 1 of 12 clips" in said
    assert "\ndata: mute lost 12 of 12 clips" in said
    assert "Not in the panel of data, pesq_wb: mute: no pesq_wb" in said


def test_a_dataset_is_a_row_and_boxes_share_their_names(tmp_path: Path) -> None:
    def of(dataset: str, codec: str, **scores: Column) -> Run:
        folder = tmp_path / dataset / codec
        return read_run(write_run(folder, scores, codec=codec, dataset={"name": dataset}))

    good, poor = noisy(4.0, 0.2, 120), noisy(2.0, 0.2, 120)
    runs = [
        of("speech", "a", pesq_wb=good, stoi=good),
        of("speech", "b", pesq_wb=poor, stoi=poor),
        of("music", "a", stoi=good),
    ]
    made = figures.content(runs, y=["pesq_wb", "stoi"], kind="box", labels={"music": "Musik"})
    figure = figures.draw(made, "double")
    shape = [(axes.get_title(), axes.get_xlabel(), axes.axison) for axes in figure.axes]
    assert shape == [
        ("speech", "PESQ-WB [MOS] ↑", True),
        ("speech", "STOI ↑", True),
        ("Musik", "STOI ↑", True),
        ("", "", False),
    ]
    first, second = figure.axes[:2]
    assert [label.get_text() for label in first.get_yticklabels()] == ["a", "b"]
    assert not second.yaxis.get_tick_params()["labelleft"]
    medians = [line.get_xdata()[0] for line in first.get_lines() if line.get_color() == "black"]
    assert medians == pytest.approx([np.median(good), np.median(poor)])
    assert "music: no panel of pesq_wb" in figures.caption(made)[-1]


def test_marks_of_many_lines_differ_in_grey_too() -> None:
    assert len({str(mark(index)) for index in range(300)}) == 300
    in_grey = {f"{mark(index)['marker']} {mark(index)['linestyle']}" for index in range(45)}
    assert len(in_grey) == 45


def test_names_are_shortened_in_their_middle_and_broken_in_two() -> None:
    short = shortened("snac_24khz_of_a_long_name@k=2", 0.9)
    assert short.startswith("snac")
    assert short.endswith("k=2")
    assert inches_of(short) <= 0.9
    assert wrapped("SNAC 16 kHz mini, 2 of 5 streams", 1.1) == "SNAC 16 kHz mini,\n2 of 5 streams"
    assert shortened("x", 0.0) == "…"
    assert shown("a\nb\x1b[31m\udc80") == "a b [31m "
    known = set().union(*map(style._letters, style._files().values()))
    strange = next(one for one in range(0x4E00, 0x2FFFF) if one not in known)
    assert shown(f"a{chr(strange)}b") == "a?b"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"kind": "bx"}, "unknown kind of figure 'bx': did you mean 'box'"),
        ({"kind": "box", "x": "speed"}, "boxes have no x; leave out speed"),
        ({"width": "wide"}, "width wide: give single, double or 5 to 100 centimetres"),
        ({"width": math.nan}, "width nan"),
        ({"width": 2}, "width 2"),
        ({"labels": {"opsu": "Opus"}}, "unknown name to label 'opsu': did you mean 'opus'"),
        ({"labels": {"opus_6kbps": "O"}}, "one of the 3 points of the line 'opus'; label that"),
    ],
)
def test_what_makes_no_sense_is_refused(
    rates: list[Run], options: dict[str, Any], words: str
) -> None:
    with pytest.raises(UsageError, match=words):
        figures.plot(rates, **options)


def test_another_suffix_is_refused_before_anything_is_drawn() -> None:
    with pytest.raises(UsageError, match=r"f\.jpg: name a file that ends in \.pdf, \.svg, \.png"):
        figures.save(Figure(), Path("f.jpg"))


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [
        (0.9, 2.1, [1, 1.2, 1.5, 2]),
        (1.5, 8.2, [2, 3, 4, 6, 8]),
        (1.5, 42, [2, 5, 10, 20]),
        (0.09, 1100, [0.1, 1, 10, 100, 1000]),
    ],
)
def test_an_axis_of_rates_has_a_few_round_numbers(
    low: float, high: float, ticks: list[float]
) -> None:
    assert drawing._decades(low, high) == pytest.approx(ticks)


def test_losses_are_what_x_is_where_every_codec_has_several(tmp_path: Path) -> None:
    for option, shares, title, ticks in (
        ("packet_loss", ("0.05", "0.2"), "Packet loss [%]", {"0", "5", "10", "15", "20"}),
        ("bit_errors", ("0.001", "0.01"), "Bit errors [share of bits]", {"0", "0.001", "0.01"}),
    ):
        names = ["opus", *(f"opus@{option}={share}" for share in shares)]
        runs = [_run(tmp_path / option, name, 3.0 - i) for i, name in enumerate(names)]
        figure = figures.plot(runs, y=["pesq_wb"])
        (axes,) = figure.axes
        figure.draw_without_rendering()
        assert axes.get_xlabel() == title
        assert ticks <= {label.get_text() for label in axes.get_xticklabels()}
        (joined,) = [line for line in axes.get_lines() if len(line.get_xdata()) == 3]
        assert joined.get_xdata()[0] == 0
        assert [text.get_text() for text in figure.legends[0].get_texts()] == ["opus"]
