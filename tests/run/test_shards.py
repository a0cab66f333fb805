"""How a run is dealt out to machines that know nothing of each other."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from snac_eval.errors import UsageError
from snac_eval.run.config import RunConfig
from snac_eval.run.naming import default_output
from snac_eval.run.plan import make_plan
from snac_eval.run.shards import Shard, deal
from tests.conftest import tone


def _deal(durations_s: list[float], of: int, names: list[str] | None = None) -> list[list[int]]:
    names = names or list(map(str, range(len(durations_s))))
    return [list(deal(names, durations_s, Shard(number, of))) for number in range(1, of + 1)]


@pytest.mark.parametrize("text", ["0/3", "4/3", "x", "1/0", "3", "1/3/2", "-1/3", "1 / 3", "1/x"])
def test_what_is_no_shard_is_said_in_one_line(text: str) -> None:
    with pytest.raises(UsageError, match=f"^--shard {text}: [^\n]+$"):
        RunConfig("pcm_8bit", "demo", Path("runs"), shard=text)


def test_every_clip_is_in_one_part_and_parts_are_of_about_equal_length() -> None:
    durations = np.random.default_rng(0).uniform(1, 20, 1000).tolist()
    parts = _deal(durations, 7)
    assert sorted(place for part in parts for place in part) == list(range(1000))
    assert all(part == sorted(part) for part in parts)
    lengths = [sum(durations[place] for place in part) for part in parts]
    assert max(lengths) < 1.001 * sum(lengths) / 7


def test_no_part_exceeds_another_by_more_than_the_longest_clip() -> None:
    durations = [100.0, *[1.0] * 30]
    lengths = [sum(durations[place] for place in part) for part in _deal(durations, 4)]
    assert max(lengths) - min(lengths) <= 100


def test_clips_of_no_length_are_dealt_out_too() -> None:
    assert [len(part) for part in _deal([0.0] * 9, 3)] == [3, 3, 3]


def test_one_recording_is_coded_by_one_part() -> None:
    parts = _deal([1.0, 1.0, 1.0, 1.0], 2, ["a", "b", "a", "b"])
    assert sorted(parts) == [[0, 2], [1, 3]]


def test_more_parts_than_recordings_are_refused() -> None:
    with pytest.raises(UsageError, match="only 2 different clips"):
        _deal([1.0, 1.0, 1.0], 3, ["a", "b", "a"])


def test_a_part_of_a_plan_knows_the_whole(audio_dir: Path, tmp_path: Path) -> None:
    config = RunConfig("pcm_8bit", f"folder:{audio_dir}", tmp_path)
    whole = make_plan(config)
    parts = [make_plan(replace(config, shard=f"{number}/2")) for number in (1, 2)]
    assert {part.run_id for part in parts} == {whole.run_id}
    assert {tuple(part.metrics) for part in parts} == {tuple(whole.metrics)}
    assert sorted(clip.id for part in parts for clip in part.clips) == [
        "music/c",
        "speech/a",
        "speech/b",
    ]
    for part in parts:
        assert part.part is not None
        assert [whole.ids[place] for place in part.part.places] == list(part.ids)
        assert [whole.clips[place] for place in part.part.places] == list(part.clips)


def test_limit_and_excerpts_come_before_the_dealing(tmp_path: Path) -> None:
    (tmp_path / "audio").mkdir()
    for index in range(6):
        soundfile.write(tmp_path / "audio" / f"{index}.wav", tone(1.0, seed=index), 16000)
    config = RunConfig("pcm_8bit", f"folder:{tmp_path / 'audio'}", tmp_path, limit=4, excerpt_s=0.5)
    whole = {clip.id for clip in make_plan(config).clips}
    parts = [make_plan(replace(config, shard=f"{number}/2")).clips for number in (1, 2)]
    assert [len(part) for part in parts] == [2, 2]
    assert {clip.id for part in parts for clip in part} == whole


def test_one_of_one_is_the_whole_run(audio_dir: Path, tmp_path: Path) -> None:
    plan = make_plan(RunConfig("pcm_8bit", f"folder:{audio_dir}", tmp_path, shard="1/1"))
    assert plan.part is None
    assert len(plan.clips) == 3


def test_a_shards_folder_says_which_it_is() -> None:
    config = RunConfig("pcm_8bit", "demo", Path("runs"))
    whole = default_output(config)
    names = {default_output(replace(config, shard=shard)) for shard in ("1/2", "2/2", "1/3")}
    assert names == {Path(f"{whole}+shard-{part}") for part in ("1-of-2", "2-of-2", "1-of-3")}
    assert default_output(replace(config, shard="1/1")) == whole
