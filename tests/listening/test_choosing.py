"""Which clips a test is of: those that tell most, of all domains and speakers, in every run."""

from __future__ import annotations

from collections import Counter
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from snac_eval.errors import UsageError
from snac_eval.listening.choosing import asked_for, candidates, contenders, ordered
from snac_eval.results.record import Run, read_run
from tests.runs import write_run

CLIPS = [f"clip{place}" for place in range(8)]
SPEAKERS = ["a", "a", "a", "b", "b", "c", "c", ""]
DOMAINS = ["speech"] * 6 + ["music"] * 2


def run(folder: Path, codec: str, scores: list[float], **changes: Any) -> Run:  # noqa: ANN401
    known = {"speakers": SPEAKERS, "domains": DOMAINS, "clips": CLIPS} | changes
    return read_run(write_run(folder / codec, {"pesq_wb": scores}, codec, **known))


def test_the_most_telling_clips_come_first_spread_over_domains_and_speakers(tmp_path: Path) -> None:
    apart = [0.9, 0.8, 0.1, 0.2, 0.3, 0.4, 0.1, 0.5]
    runs = [run(tmp_path, "one", [3.0] * 8), run(tmp_path, "two", [3 - by for by in apart])]
    codecs = contenders(runs)
    found = list(ordered(codecs, candidates(codecs), "telling", seed=1))
    assert [clip.id for clip in found[:6]] == ["clip0", "clip7", "clip5", "clip6", "clip4", "clip1"]
    assert sorted(clip.id for clip in found) == CLIPS


def test_chance_chooses_without_scores_and_by_the_seed(tmp_path: Path) -> None:
    codecs = contenders([run(tmp_path, "one", [3.0, 1, 2, 3, 4, 1, 2, 3])])
    drawn = [
        [clip.id for clip in islice(ordered(codecs, candidates(codecs), "random", seed), 4)]
        for seed in (1, 1, 2, 3)
    ]
    assert drawn[0] == drawn[1]
    assert len({tuple(one) for one in drawn}) > 1
    assert Counter(DOMAINS[CLIPS.index(clip)] for clip in drawn[2]) == {"speech": 2, "music": 2}


def test_of_one_run_the_worst_clips_are_chosen(tmp_path: Path) -> None:
    codecs = contenders([run(tmp_path, "one", [3, 4, 1, 4, 4, 4, 4, 2], domains=["speech"] * 8)])
    found = ordered(codecs, candidates(codecs), "telling", seed=1)
    assert [clip.id for clip in islice(found, 2)] == ["clip2", "clip7"]


def test_runs_of_a_codec_on_two_datasets_are_one_codec(tmp_path: Path) -> None:
    more = [f"music{place}" for place in range(8)]
    runs = [
        run(tmp_path / data, codec, [3.0] * 8, clips=clips, dataset={"name": data})
        for data, clips in (("speech", CLIPS), ("music", more))
        for codec in ("one", "two")
    ]
    codecs = contenders(runs)
    assert [codec.name for codec in codecs] == ["one", "two"]
    assert {clip.id for clip in candidates(codecs)} == {*CLIPS, *more}
    assert codecs[0].run_of("music3") is not codecs[0].run_of("clip3")
    with pytest.raises(UsageError, match="no clip was scored in every run"):
        candidates(contenders([runs[0], runs[3]]))


def test_clips_that_a_codec_lacks_are_no_choice(tmp_path: Path) -> None:
    runs = [
        run(tmp_path, "one", [3.0] * 8),
        read_run(
            write_run(
                tmp_path / "two", {"pesq_wb": [3.0] * 6 + ["error: crashed"]}, "two", clips=CLIPS
            )
        ),
    ]
    codecs = contenders(runs)
    among = candidates(codecs)
    assert [clip.id for clip in among] == CLIPS[:6]
    assert [clip.id for clip in asked_for(["clip3", "clip1", "clip3"], among, codecs)] == [
        "clip3",
        "clip1",
    ]
    with pytest.raises(UsageError, match="'clip6' has no score in two"):
        asked_for(["clip6"], among, codecs)
    with pytest.raises(UsageError, match="did you mean 'clip5'"):
        asked_for(["clip55"], among, codecs)


def test_two_runs_of_one_codec_on_the_same_clips_are_named_apart(tmp_path: Path) -> None:
    runs = [run(tmp_path / place, "one", [3.0] * 8) for place in ("old", "new")]
    names = [codec.name for codec in contenders(runs)]
    assert len(set(names)) == 2
