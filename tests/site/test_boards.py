"""Who stands where on a board, and among whom."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from snac_eval.reports.standings import standings
from snac_eval.results.compare import compare
from snac_eval.results.tolerances import load_tolerances
from snac_eval.site.boards import Board, Row, named
from tests.site.many import CLIPS, NUM_CLIPS, boards, read, scored

QUALITIES = (2.0, 2.05, 3.0, 3.5)


def _four(folder: Path) -> list[Path]:
    """Four codecs of one band; the first two are hardly to be told apart."""
    return [
        scored(folder / f"codec{place}", f"codec{place}", quality, 3.0, 10 * place)
        for place, quality in enumerate(QUALITIES)
    ]


def _row(board: Board, name: str) -> Row:
    return next(row for row in board.rows if row.run.name == name)


def _measures(board: Board, metric: str) -> list[Sequence[str]]:
    return [[run.name for run in one.runs] for one in board.measures[metric]]


def test_ranks_are_those_of_compare_and_marks_those_of_table(tmp_path: Path) -> None:
    folders = _four(tmp_path)
    (board,) = boards(*folders)
    (section,) = compare(read(*folders), load_tolerances()).sections
    assert {one.metric for one in section.ranks} == {"pesq_wb", "stoi"}
    for one in section.ranks:
        ours = {row.run.name: row.standings[one.metric].rank for row in board.rows}
        assert ours == one.intervals
    table = standings(named(read(*folders)))
    for contest in table.contests["data"]:
        marks = {row.run.name: row.standings[contest.info.name].mark for row in board.rows}
        assert marks == (contest.marks or dict.fromkeys(marks, ""))
    assert table.num_tests == board.num_tests["2-4"] > 0
    assert _row(board, "codec3").standings["pesq_wb"].rank == (1, 1)
    assert _row(board, "codec0").standings["pesq_wb"].rank == (3, 4)
    assert [row.run.name for _, rows in board.bands() for row in rows][:2] == ["codec3", "codec2"]


def test_bands_are_ranked_apart(tmp_path: Path) -> None:
    dear = scored(tmp_path / "dear", "dear", 4.0, 9.0)
    (board,) = boards(*_four(tmp_path), dear)
    assert [(band.key, len(rows)) for band, rows in board.bands()] == [("2-4", 4), ("above-8", 1)]
    assert _row(board, "codec3").standings["pesq_wb"].rank == (1, 1)
    alone = _row(board, "dear").standings["pesq_wb"]
    assert alone.rank is None
    assert "1 codec of this band" in alone.unranked


def test_run_measured_in_another_way_has_a_measure_of_its_own(tmp_path: Path) -> None:
    other = scored(tmp_path / "z", "other", 4.0, 3.0, fingerprints={"pesq_wb": "pesq_wb;v=2"})
    (board,) = boards(*_four(tmp_path), other)
    names = [f"codec{place}" for place in range(4)]
    assert _measures(board, "pesq_wb") == [names, ["other"]]
    assert _measures(board, "stoi") == [[*names, "other"]]
    standing = _row(board, "other").standings["pesq_wb"]
    assert (standing.rank, standing.mark, standing.measure.name) == (None, "", "M2")
    assert "measured in two ways" in standing.measure.other
    assert _row(board, "codec3").standings["pesq_wb"].rank == (1, 1)
    assert _row(board, "other").standings["stoi"].rank is not None


def test_other_clips_are_another_measure(tmp_path: Path) -> None:
    fewer = {"pesq_wb": [4.0] * 8, "stoi": [0.9] * 8, "bitrate": [3.0] * 8}
    part = scored(tmp_path / "y", "part", 4.0, 3.0, scores=fewer, clips=CLIPS[:8])
    (board,) = boards(*_four(tmp_path), part)
    assert _measures(board, "stoi")[1] == ["part"]
    assert "8, of which 8 are among the 12 of M1" in board.measures["stoi"][1].other
    assert len(board.clips) == NUM_CLIPS


def test_run_that_lost_clips_takes_no_rank_from_others(tmp_path: Path) -> None:
    pesq: list[float | str] = [4.0] * NUM_CLIPS
    pesq[3] = "error: it answered with silence"
    loser = scored(tmp_path / "loser", "loser", 4.0, 3.0, scores={"pesq_wb": pesq})
    (board,) = boards(*_four(tmp_path), loser)
    assert _row(board, "codec3").standings["pesq_wb"].rank == (1, 1)
    standing = _row(board, "loser").standings["pesq_wb"]
    assert standing.rank is None
    assert "loser lost 1 of 12 clips (it answered with silence)" in standing.unranked
    assert _row(board, "loser").standings["stoi"].rank is not None


def test_two_submissions_of_one_codec_are_both_there(tmp_path: Path) -> None:
    first = scored(tmp_path / "mine", "codec", 3.0, 3.0, 1)
    second = scored(tmp_path / "yours", "codec", 3.0, 3.0, 2)
    (board,) = boards(second, first)
    assert [row.run.name for row in board.rows] == ["codec (mine)", "codec (yours)"]


def test_few_speakers_have_no_ranks_and_say_so(tmp_path: Path) -> None:
    speakers = [f"speaker {index % 3}" for index in range(NUM_CLIPS)]
    folders = [
        scored(tmp_path / name, name, 3.0, 3.0, place, speakers=speakers)
        for place, name in enumerate("abc")
    ]
    (board,) = boards(*folders)
    whys = {row.standings["stoi"].unranked for row in board.rows}
    assert whys == {"3 speakers; ranks need 4"}


def test_domains_of_a_dataset_are_boards_of_their_own(tmp_path: Path) -> None:
    domains = ["music" if index % 3 == 0 else "speech" for index in range(NUM_CLIPS)]
    rates = [1.5 if domain == "music" else 4.5 for domain in domains]
    corpus = {"fad_clap": 0.3}
    folder = scored(
        tmp_path, "codec", 3.0, 3.0, scores={"bitrate": rates}, domains=domains, corpus=corpus
    )
    speech, music = boards(folder)
    assert (speech.domain, len(speech.clips)) == ("speech", 8)
    assert (music.domain, len(music.clips)) == ("music", 4)
    assert [board.rows[0].rate.band.key for board in (speech, music)] == ["4-8", "1-2"]
    kept = list(read(folder)[0].metrics["stoi"].values.values())[::3]
    assert music.rows[0].standings["stoi"].mean == sum(kept) / len(kept)
    assert "fad_clap" not in music.infos


def test_score_of_all_clips_together_is_shown_and_not_ranked(tmp_path: Path) -> None:
    folders = [
        scored(tmp_path / name, name, 3.0, 3.0, place, corpus={"fad_clap": 0.1 + place})
        for place, name in enumerate("abc")
    ]
    (board,) = boards(*folders)
    standing = _row(board, "b").standings["fad_clap"]
    assert (standing.mean, standing.interval, standing.rank, standing.mark) == (1.1, None, None, "")
