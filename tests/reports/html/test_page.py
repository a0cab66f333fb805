"""Parts of the HTML report: bounds, order, drawings."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import soundfile

from snac_eval.reports.html import sound
from snac_eval.reports.html.groups import by_dataset, letter, main_metric, show
from snac_eval.reports.html.page import page
from snac_eval.reports.html.plots import Point, Series, distribution, plane
from snac_eval.reports.html.sound import (
    ReportClip,
    fit,
    flac,
    playable,
    spectrogram_db,
)
from snac_eval.reports.html.tables import comparison_table, score_table, summary_table
from snac_eval.results.families import named_by_title
from snac_eval.results.ranking import contest, mark
from snac_eval.results.record import Run, named_apart, read_run
from snac_eval.types import Waveform
from tests.conftest import tone
from tests.runs import noisy, write_run

EVIL = "</svg><script>alert(1)</script>"


def record(folder: Path, codec: str, values: dict[str, float], fingerprint: str = "v=1") -> Run:
    """A run with one metric, lower is better."""
    name = "mel_dac_paper"
    prints = {name: f"{name};{fingerprint}"}
    scores = {name: list(values.values())}
    return read_run(write_run(folder, scores, codec, clips=list(values), fingerprints=prints))


def clip(seconds: float, seed: int = 0, scale: float = 1.0) -> ReportClip:
    """A clip of noise, the worst case for a lossless coder, and twice the same estimate."""
    rng = np.random.default_rng(seed)
    noise = rng.uniform(-0.5, 0.5, (1, round(seconds * 16000))).astype(np.float32)
    made = Waveform(noise * np.float32(scale), 16000)
    return ReportClip(f"clip {seed}", Waveform(noise, 16000), {"x": made}, seconds)


def test_letters_tell_runs_apart() -> None:
    assert [letter(index) for index in (0, 25, 26, 53)] == ["A", "Z", "AA", "BB"]


def test_a_metric_of_all_clips_together_has_no_column_among_the_clips(tmp_path: Path) -> None:
    scores = {"mel_dac_paper": [1.0, 2.0]}
    folder = write_run(tmp_path / "r", scores, corpus={"fad_clap": 0.5})
    shown = show([read_run(folder)])
    columns = score_table(shown, "clip001").columns
    assert [column.name for column in columns] == ["codec", "mel_dac_paper"]
    rows = summary_table(shown).rows
    assert [row[0].text for row in rows] == ["mel_dac_paper ↓", "fad_clap ↓"]
    assert [row[2].text for row in rows] == ["1.500", "0.500"]


def test_a_codec_has_one_letter_and_colour_in_every_dataset(tmp_path: Path) -> None:
    pairs = [("x", "one"), ("y", "one"), ("y", "two"), ("z", "two")]
    runs = [
        read_run(
            write_run(
                tmp_path / f"{codec}{data}", {"stoi": [0.9, 0.8]}, codec, dataset={"name": data}
            )
        )
        for codec, data in pairs
    ]
    groups = by_dataset(show(named_by_title(runs)))
    assert [group.dataset for group in groups] == ["one", "two"]
    letters = [[(one.letter, one.run.name) for one in group.shown] for group in groups]
    assert letters == [[("B", "x"), ("C", "y")], [("C", "y"), ("D", "z")]]


def test_runs_are_called_by_their_titles_where_these_differ(tmp_path: Path) -> None:
    made = [
        read_run(write_run(tmp_path / key, {"stoi": [0.9]}, key, config={"label": label}))
        for key, label in (("a", "Mine"), ("b", "Same"), ("c", "Same"))
    ]
    assert [run.name for run in named_by_title(made)] == ["Mine", "b", "c"]


def test_the_main_metric_is_what_listeners_would_say_and_all_runs_have(tmp_path: Path) -> None:
    scores = {"mel_dac_paper": [1.0, 2.0], "stoi": [0.9, 0.8], "pesq_wb": [2.0, 3.0]}
    both = [read_run(write_run(tmp_path / key, scores, key)) for key in "ab"]
    assert main_metric(both) == "pesq_wb"
    scores.pop("pesq_wb")
    less = read_run(write_run(tmp_path / "c", scores, "c"))
    assert main_metric([*both, less]) == "mel_dac_paper"
    only = read_run(write_run(tmp_path / "d", {"bitrate": ["error: broke"]}, "d"))
    assert main_metric([only]) == ""


def test_the_comparison_marks_what_its_contests_mark(tmp_path: Path) -> None:
    values = noisy(2.5, 0.2, 12)
    scores = {"a": {"pesq_wb": values}, "b": {"pesq_wb": [one - 1 for one in values]}}
    runs = [read_run(write_run(tmp_path / key, one, key)) for key, one in scores.items()]
    contests = [contest(runs, "pesq_wb")]
    table = comparison_table(show(runs), contests, mark(contests))
    assert [row[1].mark for row in table.rows] == ["best", "second"]
    assert "Holm-corrected over the page's 1 tests" in table.notes[0]


def test_numbers_of_different_definitions_are_not_set_side_by_side(tmp_path: Path) -> None:
    one = record(tmp_path / "r", "x", {"a": 1.0, "b": 2.0})
    other = record(tmp_path / "s", "y", {"a": 1.5, "b": 3.0}, "v=2")
    html = page(show(named_apart([one, other])))
    assert "Nothing can be compared: x and y: measured in two ways: v=1 against v=2" in html
    assert "Pareto" not in html
    assert 'data-axis="bitrate"' not in html


@pytest.mark.parametrize(
    ("speakers", "said"),
    [
        (1, "All clips are of one speaker, and what is shown holds for that speaker alone."),
        (3, "Too few for any verdict: 3 speakers, of at least 4."),
    ],
)
def test_the_page_says_for_whom_few_speakers_speak(
    tmp_path: Path, speakers: int, said: str
) -> None:
    names = [f"s{index % speakers}" for index in range(12)]
    runs = [
        read_run(write_run(tmp_path / key, {"stoi": noisy(0.9, 0.01, 12)}, key, names))
        for key in "ab"
    ]
    assert f"B · a: {said}" in page(show(named_apart(runs[:1])))
    both = page(show(named_apart(runs)))
    assert both.count(said) == 3


def test_sound_fits_by_shorter_excerpts_and_then_by_fewer_clips(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lengths = (1.5, 0.8, 0.4)
    monkeypatch.setattr(sound, "EXCERPTS_S", lengths)
    clips = [clip(2.0, seed) for seed in range(2)]
    longest = fit(clips, 10**9)
    assert [one.length_s for one in longest] == [lengths[0]] * 2
    size = longest[0].num_bytes
    assert [one.length_s for one in fit(clips, size)] == [lengths[2]] * 2
    few = fit(clips, size // 5)
    assert len(few) == 0
    assert sum(one.num_bytes for one in fit(clips, size)) <= size


def test_every_version_keeps_its_level_against_the_others() -> None:
    made = playable(clip(1.0, scale=4.0), 15.0)
    reference, estimate = made.versions
    assert made.length_s == pytest.approx(1.0)
    assert (reference.difference, reference.label) == ("", "")
    assert estimate.difference.startswith("data:image/webp;base64,")
    sounds = [
        soundfile.read(io.BytesIO(base64.b64decode(one.sound.partition(",")[2])))[0]
        for one in made.versions
    ]
    assert np.abs(sounds[1]).max() == pytest.approx(0.999, abs=1e-3)
    assert np.abs(sounds[1] - 4 * sounds[0]).max() < 1e-3


@pytest.mark.parametrize("samples", [1, 500, 16000])
def test_silence_and_very_short_clips_are_drawn(samples: int) -> None:
    silence = Waveform(np.zeros((1, samples), dtype=np.float32), 16000)
    stereo = Waveform(np.zeros((2, samples * 3), dtype=np.float32), 48000)
    made = playable(ReportClip("s", silence, {"x": stereo}, samples / 16000), 15.0)
    assert len(made.versions) == 2


def test_flac_is_exact_to_16_bits_and_spectrogram_shows_the_tone() -> None:
    samples = tone(0.5)[None]
    back, rate = soundfile.read(io.BytesIO(flac(Waveform(samples, 16000))))
    assert rate == 16000
    assert np.abs(back - samples[0]).max() <= 1 / 32768
    time = np.arange(16000) / 16000
    low, high = (np.sin(2 * np.pi * f * time).astype(np.float32) for f in (300, 3000))
    peaks = [spectrogram_db(one, 16000).mean(axis=1).argmax() for one in (low, high)]
    assert peaks[0] < peaks[1]


def test_drawings_are_well_formed_and_escape_what_they_are_told() -> None:
    values = {f"{EVIL} {value}": float(value) for value in range(150)}
    series = [
        Series("B", 0, "b", values),
        Series("C", 1, "c", {}),
        Series("D", 2, "d", {EVIL: 1.0}),
    ]
    points = [Point("B", 0, EVIL, 1.0, 2.0, 1.5, 2.5), Point("C", 1, "c", 8.0, 3.0)]
    for svg in (
        distribution(series, f"{EVIL} $x^2$ \u4f60 ↓", EVIL),
        plane(points, points, EVIL, "y ↑", EVIL),
    ):
        assert "<script" not in svg
        root = ElementTree.fromstring(svg)
        assert "alert(1)" in str(root.get("aria-label"))
        assert "#0301" not in svg
        titles = [one.text or "" for one in root.iter() if one.tag.endswith("title")]
        assert any(EVIL in title for title in titles)


@pytest.mark.parametrize("xs", [[1e-4], [1e-4, 1e-4], [1e-4, 2.0, 30.0]])
def test_a_plane_has_room_for_one_run_as_for_many(xs: list[float]) -> None:
    points = [Point("B", 0, "one", x, 2.0, 1.9, 2.1) for x in xs]
    svg = plane(points, points[:1], "x", "y", "title")
    assert svg.count("one</title>") == len(xs)
