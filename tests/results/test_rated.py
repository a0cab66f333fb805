"""Runs with ratings as scores; docs/reading-answers.md tries ``plot`` with them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from snac_eval.cli.main import main
from snac_eval.errors import SnacEvalError
from snac_eval.listening.report import ratings_csv
from snac_eval.results.listeners.ratings import Rating, Ratings
from snac_eval.results.ranking import contest
from snac_eval.results.rated import RATING, with_ratings
from snac_eval.results.record import Run, read_run
from tests.results.listeners.drawn import ratings
from tests.runs import write_run

CLIPS = [f"speech/clip{index}" for index in range(8)]


def _runs(folder: Path) -> list[Run]:
    """``opus`` and ``evs`` on eight clips, and ``new`` that nobody heard."""
    return [
        read_run(
            write_run(
                folder / name,
                {"pesq_wb": [2.0 + 0.01 * clip for clip in range(8)], "bitrate": [rate] * 8},
                codec=name,
                clips=CLIPS,
            )
        )
        for name, rate in (("opus", 6.0), ("evs", 12.0), ("new", 9.0))
    ]


def _ratings() -> Ratings:
    return ratings({"ref": 100, "Opus": 30, "evs at 12": 70, "anchor": 5})


def test_clips_get_their_mean_over_listeners(tmp_path: Path) -> None:
    given = _ratings()
    found = with_ratings(_runs(tmp_path), given, {"evs at 12": "evs"})
    opus, evs, new = found.runs
    values = [row.value for row in given.rows if (row.clip, row.codec) == ("clip3", "Opus")]
    assert opus.metrics[RATING].values["speech/clip3"] == pytest.approx(sum(values) / len(values))
    assert opus.metrics[RATING].counts == (8, 0, 0)
    assert RATING not in new.metrics
    assert opus.info(RATING).unit == "MUSHRA 0 to 100"
    one = contest([opus, evs], RATING)
    assert not one.problem
    assert one.mean(evs) > one.mean(opus)


def test_whose_ratings_they_are_is_in_the_fingerprint(tmp_path: Path) -> None:
    runs, given = _runs(tmp_path), replace(_ratings(), roles={})
    given = replace(given, roles=dict.fromkeys(given.codecs, "codec"))

    def fingerprint(found: Ratings) -> object:
        return with_ratings(runs, found).runs[0].info(RATING).fingerprint

    assert fingerprint(given) == fingerprint(replace(given, rows=given.rows[::-1]))
    other = (*given.rows[:-1], Rating(*_place(given.rows[-1]), 1.5))
    assert fingerprint(given) != fingerprint(replace(given, rows=other))


def _place(row: Rating) -> tuple[str, str, str]:
    return row.clip, row.codec, row.listener


def test_nothing_is_dropped_silently(tmp_path: Path) -> None:
    found = with_ratings(_runs(tmp_path), _ratings())
    said = " ".join(found.notes)
    assert "these listeners" in said
    assert "codec evs at 12: no run of it" in said
    assert "run evs, new: nobody rated it" in said
    with pytest.raises(SnacEvalError, match=r"rates none of these runs, but .*--map RATED=RUN"):
        with_ratings(_runs(tmp_path)[2:], _ratings())
    with pytest.raises(SnacEvalError, match="a metric 'rating' of its own"):
        with_ratings(found.runs, _ratings())


def test_table_takes_ratings(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _runs(tmp_path / "runs")
    file = tmp_path / "ratings.csv"
    file.write_text(ratings_csv(_ratings()), encoding="utf-8")
    runs = [str(tmp_path / "runs" / name) for name in ("opus", "evs")]
    given = ["--ratings", str(file), "--map", "evs at 12=evs"]
    assert main(["table", *runs, *given, "--format", "md", "--metrics", "rating"]) == 0
    printed = capsys.readouterr().out
    assert "rating [MUSHRA 0 to 100]" in printed
    assert "**70" in printed.replace("**69", "**70").replace("**71", "**70")
    assert "over 6 listeners" in printed
    assert main(["table", *runs, "--map", "a=b"]) == 2
    assert "add --ratings" in capsys.readouterr().err
