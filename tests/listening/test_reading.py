"""What listeners said, out of the files of a test."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from itertools import count
from pathlib import Path

import pytest

from snac_eval.errors import SnacEvalError, one_line
from snac_eval.listening.boxes import check_rated, save_boxes
from snac_eval.listening.reading import AbxReading, Reading, examined, read_files, read_test
from snac_eval.listening.report import ratings_csv, reading_text
from snac_eval.listening.shapes import (
    Answer,
    Method,
    Stimulus,
    TestKey,
    Trial,
    answers_file,
    key_file,
)
from snac_eval.results.listeners.formats import read_ratings
from tests.results.listeners.drawn import ratings

CODECS = {"opus_6kbps": 40.0, "<b>|_{lyra}, 3": 60.0}


def _trial(number: int, names: Mapping[str, str], is_training: bool = False) -> Trial:
    roles = {"reference": "reference", "anchor_3500": "anchor", "anchor_7000": "anchor"}
    stimuli = tuple(
        Stimulus(f"s{number}{place}", roles.get(name, "codec"), name)  # type: ignore[arg-type]
        for place, name in enumerate(names)
    )
    return Trial(f"t{number}", f"speech/{number}", "speech", "", "r", stimuli, is_training)


def _test(folder: Path, method: Method, trials: Sequence[Trial]) -> TestKey:
    """A test's key in its place, without the folder itself."""
    key = TestKey("T1", method, 1, tuple(trials), {})
    key_file(folder).write_text(json.dumps(asdict(key)), encoding="utf-8")
    return key


def _answer(trial: Trial, listener: str, ratings: Mapping[str, float], **facts: object) -> str:
    by_name = {one.name: ratings[one.codec] for one in trial.stimuli if one.codec in ratings}
    answer = Answer("T1", listener, trial.id, by_name)
    return json.dumps(asdict(answer) | facts) + "\n"


def _mushra(folder: Path, listeners: int = 5, clips: int = 5) -> Path:
    """Everybody answers all: codecs as above plus listener and clip, who is no one's friend."""
    values = {"reference": 100.0, **CODECS, "anchor_3500": 5.0, "anchor_7000": 20.0}
    trials = [
        _trial(0, values, is_training=True),
        *(_trial(n, values) for n in range(1, clips + 1)),
    ]
    test = folder / "test"
    _test(test, "mushra", trials)
    lines = []
    for listener in range(listeners):
        for number, trial in enumerate(trials):
            shift = dict.fromkeys(CODECS, (listener + number) % 3)
            rated = {name: value + shift.get(name, 0) for name, value in values.items()}
            lines.append(_answer(trial, f"l{listener}", rated))
    answers_file(test).write_text("".join(lines), encoding="utf-8")
    return test


def _read(folder: Path, *files: Path) -> Reading:
    found = read_test(folder, files)
    assert isinstance(found, Reading)
    return found


def test_what_was_answered_comes_back(tmp_path: Path) -> None:
    found = _read(_mushra(tmp_path))
    assert list(found.means) == [
        "reference",
        "<b>|_{lyra}, 3",
        "opus_6kbps",
        "anchor_7000",
        "anchor_3500",
    ]
    assert found.means["anchor_3500"].mean == 5
    assert 40 <= found.means["opus_6kbps"].mean <= 42
    (pair,) = found.pairs
    assert (pair.first, pair.difference.mean, pair.verdict) == ("<b>|_{lyra}, 3", 20, "better")
    assert found.means["opus_6kbps"].num_ratings == 25  # practice does not count
    assert not found.screening.excluded
    assert found.consistency.single > 0.9


def test_partial_answers_and_several_files_are_read_together(tmp_path: Path) -> None:
    test = _mushra(tmp_path)
    collected = answers_file(test)
    lines = collected.read_text().splitlines(keepends=True)
    parts = [tmp_path / "a.jsonl", tmp_path / "b.jsonl"]
    parts[0].write_text("".join(lines[:8]))
    parts[1].write_text("".join(lines[8:-2]) + lines[3])
    found = _read(test, *parts)
    assert found.means["opus_6kbps"].num_ratings == 23
    assert found.given.notes == ("1 answer was replaced by a later one of the same listener.",)
    other = tmp_path / "other.jsonl"
    other.write_text(lines[0].replace("T1", "T2"))
    with pytest.raises(SnacEvalError, match=r"other.jsonl:1: is an answer to another test"):
        read_test(test, [other])


def test_webmushra_results_of_our_test_are_read_by_its_key(tmp_path: Path) -> None:
    test = _mushra(tmp_path, listeners=1)
    rows = ["session_uuid,trial_id,rating_stimulus,rating_score,rating_time"]
    for number in range(1, 5):
        for name, value in (
            ("reference", 99),
            (f"s{number}1", 41),
            ("anchor35", 3),
            ("anchor70", 15),
        ):
            rows += [f"{who},t{number},{name},{value},1" for who in ("u1", "u2", "u3", "u4")]
    web = tmp_path / "mushra.csv"
    web.write_text("\n".join(rows))
    found = _read(test, web)
    assert {name: one.mean for name, one in found.means.items()} == {
        "reference": 99,
        "opus_6kbps": 41,
        "anchor_7000": 15,
        "anchor_3500": 3,
    }
    web.write_text("\n".join([rows[0], "u1,t1,C9,4,1"]))
    with pytest.raises(SnacEvalError, match="no stimulus 'C9'"):
        read_test(test, [web])


def test_webmushra_results_of_abx_and_categories(tmp_path: Path) -> None:
    _test(tmp_path / "test", "abx", [_trial(0, {"reference": "", "a": ""})])
    web = tmp_path / "paired_comparison.csv"
    header = "session_test_id,listener,trial_id,choice_reference,choice_non_reference,choice_answer"
    web.write_text(header + "\nT1,x,t0,reference,s01,correct\nT1,y,t0,reference,s01,undecided\n")
    found = read_test(tmp_path / "test", [web])
    assert isinstance(found, AbxReading)
    assert (found.told[0].num_right, found.told[0].num_answers) == (1, 2)
    _test(tmp_path / "test", "mos", [_trial(0, {"a": ""})])
    with pytest.raises(SnacEvalError, match="no answers to this MOS test"):
        read_test(tmp_path / "test", [web])
    web.write_text("session_test_id,listener,trial_id,stimuli_rating,stimuli\nT1,x,t0, 4 ,s00\n")
    assert _read(tmp_path / "test", web).means["a"].mean == 4


def test_nothing_to_read(tmp_path: Path) -> None:
    with pytest.raises(SnacEvalError, match=r"test.key.json: not there"):
        read_test(tmp_path / "test")
    _test(tmp_path / "test", "mushra", [_trial(0, CODECS, is_training=True)])
    with pytest.raises(SnacEvalError, match=r"test.answers.jsonl: not there; name the files"):
        read_test(tmp_path / "test")
    answers_file(tmp_path / "test").write_text(_answer(_trial(0, CODECS), "l", CODECS))
    with pytest.raises(SnacEvalError, match="nobody has answered"):
        read_test(tmp_path / "test")
    key = key_file(tmp_path / "test")
    of_no_role = key.read_text().replace('"role": "codec"', '"role": "x"')
    for content in ('{"trials": 3}', of_no_role):
        key.write_text(content)
        with pytest.raises(SnacEvalError, match="is no key"):
            read_test(tmp_path / "test")


def _abx(folder: Path, right: Mapping[str, Sequence[bool]]) -> AbxReading:
    """By codec the answers of one listener a trial; of five in turn."""
    trials = [_trial(n, {"reference": "", name: ""}) for n, name in enumerate(right)]
    _test(folder / "test", "abx", trials)
    places = count(1)
    lines = [
        _answer(trial, f"l{number % 5}", {}, correct=is_right, place=next(places))
        for trial, answers in zip(trials, right.values(), strict=True)
        for number, is_right in enumerate(answers)
    ]
    answers_file(folder / "test").write_text("".join(lines))
    found = read_test(folder / "test")
    assert isinstance(found, AbxReading)
    return found


def test_abx_counts_who_tells_apart(tmp_path: Path) -> None:
    found = _abx(tmp_path, {"clear": [True] * 19 + [False], "hard": [True, False] * 10})
    clear, hard = found.told
    assert (clear.num_right, clear.num_answers, clear.num_listeners) == (19, 20, 5)
    assert clear.p_value == pytest.approx(21 / 2**20)
    assert clear.p_holm == pytest.approx(2 * 21 / 2**20)
    assert (clear.verdict, hard.verdict) == ("told apart", "no difference shown")
    assert clear.interval.low < 0.95 < clear.interval.high == 1
    assert hard.p_value == pytest.approx(0.588, abs=5e-4)
    text = reading_text(found, "md")
    assert "| clear" in text
    assert "19 of 20" in text
    rows = list(csv.DictReader(io.StringIO(reading_text(found, "csv"))))
    assert [row["n_right"] for row in rows] == ["19", "10"]
    with pytest.raises(SnacEvalError, match="ABX test has no ratings"):
        check_rated(found)


def test_votes_of_categories(tmp_path: Path) -> None:
    trials = [_trial(n, {name: ""}) for n, name in enumerate([*CODECS, "reference"] * 4)]
    trials = [Trial(t.id, f"c{n // 3}", "", "", "", t.stimuli) for n, t in enumerate(trials)]
    _test(tmp_path / "test", "mos", trials)
    votes = {"opus_6kbps": 2, "<b>|_{lyra}, 3": 4, "reference": 5}
    lines = [_answer(trial, f"l{n}", votes) for trial in trials for n in range(4)]
    answers_file(tmp_path / "test").write_text("".join(lines))
    found = _read(tmp_path / "test")
    assert found.given.scale == "acr"
    assert found.pairs[0].difference.mean == 2
    text = reading_text(found, "md")
    assert "MOS [1 to 5]" in text
    assert "BS.1534-3 is for MUSHRA alone" in text


def test_names_are_harmless_in_every_format(tmp_path: Path) -> None:
    found = _read(_mushra(tmp_path))
    assert r"&lt;b&gt;\|_{lyra}, 3" in reading_text(found, "md")
    latex = reading_text(found, "latex")
    assert r"\textless{}b\textgreater{}\textbar{}\_\{lyra\}, 3" in latex
    assert r"\toprule" in latex
    rows = list(csv.DictReader(io.StringIO(reading_text(found, "csv"))))
    means = {row["codec"]: float(row["mean"]) for row in rows if not row["against"]}
    assert means == {name: one.mean for name, one in found.means.items()}
    assert [row["verdict"] for row in rows if row["against"]] == ["better"]


def test_ratings_that_are_written_are_read_again(tmp_path: Path) -> None:
    found = _read(_mushra(tmp_path))
    path = tmp_path / "ratings.csv"
    path.write_text(ratings_csv(found.given), encoding="utf-8")
    again = read_ratings(path)
    assert again.rows == found.given.rows
    assert again.roles == found.given.roles


def test_what_is_too_few_is_said() -> None:
    text = reading_text(examined(ratings({"a": 50, "b": 40}, clips=2)), "md")
    assert "Too few for any verdict: all" in text
    assert "nothing could be tested" in text
    assert "**" not in text
    alone = reading_text(examined(ratings({"a": 50}, clips=1, listeners=1)), "md")
    assert "How far listeners agree cannot be said" in alone


def test_the_best_and_who_is_not_shown_worse_are_marked() -> None:
    drawn = ratings({"ref": 100, "good": 70, "alike": 70, "bad": 30})
    text = reading_text(examined(drawn), "md")
    marked = [
        line.split("|")[1].strip() for line in text.split("## Diff")[0].splitlines() if "**" in line
    ]
    assert sorted(marked) == ["alike", "good"]
    kept = reading_text(examined(drawn, screens=False), "md")
    assert "not screened, as was asked" in kept


def test_files_of_one_scale_are_read_together(tmp_path: Path) -> None:
    first = ratings({"a": 50, "b": 40})
    found = read_files([tmp_path / "x", tmp_path / "y"], [first, first])
    assert found.means["a"].mean == pytest.approx(examined(first).means["a"].mean)
    assert "several" in found.given.notes[-1]
    with pytest.raises(SnacEvalError) as caught:
        read_files([], [first, ratings({"a": 4}, scale="acr")])
    assert "its scale is acr" in one_line(caught.value)


def test_a_figure_is_drawn_once_for_all_roles(tmp_path: Path) -> None:
    drawn = ratings({"ref": 100, "日本 $x_1$": 70, "bad": 30, "anchor": 3}, clips=12, listeners=10)
    path = tmp_path / "boxes.svg"
    save_boxes(examined(drawn), path)
    text = path.read_text(encoding="utf-8")
    assert "MUSHRA [0 to 100]" in text
    assert "$x_1$" in text
    assert text.index(">ref<") < text.index(">bad<") < text.index(">anchor<")
    few = examined(ratings({"a": 50}, clips=1, listeners=1, scale="other"))
    save_boxes(few, path)
    assert math.isnan(few.means["a"].low)
