"""Shards merged are the run; what does not belong together stays apart."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import soundfile

from snac_eval.errors import Interrupted, OutputError, SnacEvalError, StoreError, UsageError
from snac_eval.metrics.codebook import CodesTogether
from snac_eval.results.record import read_run
from snac_eval.run import loop
from snac_eval.run import merge as merging
from snac_eval.run.config import RunConfig
from snac_eval.run.merge import MergeConfig, merge
from snac_eval.run.sealed import read_manifest
from snac_eval.run.store import Store
from tests.conftest import tone
from tests.runs import edit_manifest

METRICS = ("bitrate", "codebook_usage", "bitrate_entropy", "si_sdr", "mel_dac_paper")
OF_THE_MERGE = {
    *("argv", "started", "finished", "merged", "sha256", "num_clips_computed_now", "pace"),
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight clips, two of them the same; the whole run of them, its halves and its thirds."""
    folder = tmp_path_factory.mktemp("made")
    (folder / "audio").mkdir()
    for index in range(7):
        path = folder / "audio" / f"{index}.wav"
        soundfile.write(path, tone(0.3 + 0.05 * index, seed=index), 16000)
    shutil.copyfile(folder / "audio" / "2.wav", folder / "audio" / "twin.wav")
    for shard in ("", "1/2", "2/2", "1/3", "2/3", "3/3"):
        assert loop.run(
            _config(folder, shard.replace("/", "-of-") or "whole", shard=shard)
        ).finished
    return folder


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    """A copy of all that, to be spoilt."""
    return Path(shutil.copytree(made, tmp_path / "copy"))


def _config(folder: Path, output: str, **options: Any) -> RunConfig:  # noqa: ANN401
    # Copies of the folder are runs of the same clips.
    made = read_manifest(folder / "whole").get("config", {"dataset": f"folder:{folder / 'audio'}"})
    return RunConfig(
        **{
            "model": "snac_16khz_mini",
            "dataset": made["dataset"],
            "output": folder / output,
            "metrics": METRICS,
            "workers": 0,
            **options,
        }
    )


def _shards(folder: Path, of: int = 3) -> tuple[Path, ...]:
    return tuple(folder / f"{number}-of-{of}" for number in range(1, of + 1))


def _facts(folder: Path) -> Mapping[str, Any]:
    manifest = dict(read_manifest(folder))
    manifest["config"] = manifest["config"] | {"output": "", "report_clips": 0}
    return {key: value for key, value in manifest.items() if key not in OF_THE_MERGE}


def _refused(config: MergeConfig, words: str, kind: type[SnacEvalError] = UsageError) -> None:
    before = _listed(config.output)
    with pytest.raises(kind, match=words) as caught:
        merge(config)
    assert "\n" not in str(caught.value)
    assert _listed(config.output) == before


def _listed(folder: Path) -> dict[str, object] | None:
    """What is in a folder; of a store, what is in its tables."""
    if not folder.exists():
        return None
    found: dict[str, object] = {}
    for path in sorted(folder.iterdir()):
        found[path.name] = path.read_bytes()
        if path.suffix == ".sqlite":
            with closing(sqlite3.connect(path)) as db:
                found[path.name] = list(db.iterdump())
    return found


def test_three_shards_are_the_whole_to_the_bit(folder: Path) -> None:
    whole, merged = folder / "whole", folder / "merged"
    outcome = merge(MergeConfig(_shards(folder)[::-1], merged))
    assert not outcome.is_unchanged
    scores = (merged / "scores.parquet").read_bytes()
    assert scores == (whole / "scores.parquet").read_bytes()
    assert _facts(merged) == _facts(whole)
    assert read_manifest(merged)["corpus_scores"]["codebook_usage"]["counts"] == [7, 0, 0]
    ids = [facts["key"] for facts in read_manifest(merged)["clips"].values()]
    with Store.open_run(merged) as one, Store.open_run(whole) as other:
        for (_, ours), (_, theirs) in zip(one.codes(ids), other.codes(ids), strict=True):
            assert all(
                (a == b).all()
                for a, b in zip(ours.codes.streams, theirs.codes.streams, strict=True)
            )
    assert read_run(merged).unfinished == ""


def test_merging_again_changes_nothing(folder: Path) -> None:
    config = MergeConfig(_shards(folder, 2), folder / "merged")
    merge(config)
    before = _listed(config.output)
    assert merge(config).is_unchanged
    assert _listed(config.output) == before


def test_run_goes_on_with_a_merged_folder_and_it_is_merged_again(folder: Path) -> None:
    config = MergeConfig(_shards(folder, 2), folder / "merged")
    merge(config)
    same = loop.run(_config(folder, "merged"))
    assert (same.num_computed, same.is_unchanged) == (0, True)
    more = replace(_config(folder, "merged"), metrics=(*METRICS, "stft_distance"))
    loop.run(more)
    assert not merge(config).is_unchanged
    assert loop.run(more).num_computed == 0  # what was scored beside the shards is still there


def test_nothing_is_coded_or_scored_by_a_merge(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders = _shards(folder, 2)
    monkeypatch.setattr("snac_eval.run.plan.open_model", None)
    monkeypatch.setattr("snac_eval.run.plan.open_dataset", None)
    merge(MergeConfig(folders, folder / "merged"))
    assert read_manifest(folder / "merged")["num_clips_computed_now"] == 0


def test_part_of_the_shards_is_an_unfinished_run(folder: Path) -> None:
    first, second, third = _shards(folder)
    merged = folder / "merged"
    _refused(MergeConfig((first, third), merged), "^shard 2/3 is missing; .* --partial")
    outcome = merge(MergeConfig((first, third), merged, partial=True))
    assert outcome.notes[0] == "merged in part: shard 2/3 is missing"
    record = read_run(merged)
    there = len(read_manifest(first)["clips"]) + len(read_manifest(third)["clips"])
    assert record.unfinished == (
        f"the run was not finished: {8 - there} of 8 clips are not scored yet"
    )
    done = loop.run(_config(folder, "merged"))
    assert (done.finished, done.num_computed) == (True, 8 - there)
    assert not read_run(merged).unfinished
    merge(MergeConfig((first, second, third), merged))
    assert not read_run(merged).unfinished


def test_a_shard_that_has_not_finished_is_named(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders = _shards(folder, 2)
    edit_manifest(folders[1], state="interrupted")
    config = MergeConfig(folders, folder / "merged")
    _refused(config, f"^{folders[1]}: shard 2/2 has not finished; run its command again")
    notes = merge(replace(config, partial=True)).notes
    assert notes[0] == "merged in part: shard 2/2 had not finished"
    assert read_run(config.output).unfinished


def test_a_shard_is_no_finished_run(folder: Path) -> None:
    folder = _shards(folder, 2)[0]
    num = len(read_manifest(folder)["clips"])
    assert read_run(folder).unfinished == f"this is a part of a run (shard 1/2, {num} of 8 clips)"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"seed": 1}, "seed is 1, but 0"),
        ({"model": "opus_6kbps"}, "codec is 'opus_6kbps', but 'snac_16khz_mini'"),
        ({"metrics": ("bitrate", "si_sdr")}, "set of metrics is"),
        ({"limit": 5}, "number of clips is 5, but 8"),
        ({"reference_rate": "codec"}, "reference rate is 'codec'"),
        ({"max_duration_s": 0.4}, "--max-duration is 0.4"),
        ({"shard": "2/4"}, "number of shards is 4, but 2"),
    ],
)
def test_parts_of_other_runs_are_refused(
    folder: Path, options: Mapping[str, Any], words: str
) -> None:
    other = _config(folder, "other", **{"shard": "2/2", **options})
    loop.run(other)
    config = MergeConfig((folder / "1-of-2", other.output), folder / "merged", partial=True)
    _refused(config, f"^{other.output}: shard of another run: {words}")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"versions": {"numpy": "0.1"}}, "version of numpy is '0.1'"),
        ({"commit": "beef"}, "commit is 'beef'"),
        ({"run_id": "beef"}, "run id is 'beef'"),
        ({"identity": {"device": "cuda"}}, "device is 'cuda', but 'cpu'"),
        ({"metrics": {"si_sdr": {"fingerprint": ["v=0"]}}}, "fingerprint of si_sdr is 'v=0'"),
        ({"snac_eval": "0.0.1"}, "written by snac-eval 0.0.1"),
        ({"shard": 7}, "not a manifest of this version"),
    ],
)
def test_parts_made_otherwise_are_refused(
    folder: Path, changes: dict[str, Any], words: str
) -> None:
    folders = _shards(folder, 2)
    old = read_manifest(folders[1])
    for key, value in changes.items():
        if key == "metrics":
            value = {name: old[key][name] | one for name, one in value.items()}
        both = isinstance(value, dict) and isinstance(old[key], dict)
        edit_manifest(folders[1], **{key: old[key] | value if both else value})
    _refused(MergeConfig(folders, folder / "merged"), f"^{folders[1]}.*{words}", SnacEvalError)


def test_folders_that_are_no_shards_are_refused(folder: Path) -> None:
    first, second = _shards(folder, 2)
    (folder / "empty").mkdir()
    merged = folder / "merged"
    for folders, kind, words in (
        ((), UsageError, "no folders given"),
        ((first, folder / "nowhere"), StoreError, "nowhere: no such folder"),
        ((folder / "empty",), StoreError, "empty: no run here"),
        ((first, folder / "whole"), UsageError, "whole: holds a whole run, no shard"),
        ((first, second, second), UsageError, "shard 2/2 is in .* too; give each once"),
        ((first,), UsageError, "shard 2/2 is missing"),
    ):
        _refused(MergeConfig(folders, merged), words, kind)
    _refused(MergeConfig((first, second), first), "is one of the shards")
    _refused(MergeConfig((first, second), folder / "empty" / ".." / "1-of-2"), "is one of the")


def test_another_run_in_the_place_is_kept(folder: Path) -> None:
    folders = _shards(folder, 2)
    other = _config(folder, "other", seed=3)
    loop.run(other)
    _refused(MergeConfig(folders, other.output), "holds a run of seed 3, not 0")
    merge(MergeConfig(folders, other.output, overwrite=True))
    assert read_manifest(other.output)["config"]["seed"] == 0


def test_machines_that_differ_are_said(folder: Path) -> None:
    folders = _shards(folder, 2)
    hardware = read_manifest(folders[1])["hardware"]
    edit_manifest(folders[1], hardware=hardware | {"cpu": "Other", "cores": 4096})
    outcome = merge(MergeConfig(folders, folder / "merged"))
    assert "computed on unlike machines" in outcome.notes[0]
    said = read_manifest(folder / "merged")["hardware"]
    assert said["cpu"] == "; ".join(sorted(["Other", hardware["cpu"]]))
    assert said["machine"] == hardware["machine"]


def test_a_codec_that_one_part_found_to_vary_varies(folder: Path) -> None:
    folders = _shards(folder, 2)
    found = read_manifest(folders[1])["determinism"]
    edit_manifest(folders[1], determinism=found | {"num_changed": 3})
    merge(MergeConfig(folders, folder / "merged"))
    assert "not deterministic" in read_run(folder / "merged").determinism


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE scores SET value = value + 1 WHERE metric = 1",
        "UPDATE reconstructions SET encode_s = 9",
        "DELETE FROM scores WHERE metric = 1",
    ],
)
def test_a_damaged_shard_is_named_and_nothing_is_left(folder: Path, damage: str) -> None:
    folders = _shards(folder, 2)
    with closing(sqlite3.connect(folders[1] / "store.sqlite")) as db:
        db.execute(damage)
        db.commit()
    config = MergeConfig(folders, folder / "merged")
    _refused(config, f"^{folders[1]}.*run .*command.* again", StoreError)


@contextmanager
def _failing(monkeypatch: pytest.MonkeyPatch, name: str, error: BaseException) -> Iterator[None]:
    def fail(*_: object) -> None:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(merging, name, fail)
        with pytest.raises(type(error)):
            yield


@pytest.mark.parametrize("name", ["write_scores", "_score_together", "take"])
@pytest.mark.parametrize("error", [OutputError("disk full"), Interrupted(2)])
def test_what_ends_a_merge_leaves_the_place_as_it_was(
    folder: Path, monkeypatch: pytest.MonkeyPatch, name: str, error: BaseException
) -> None:
    first, second, third = _shards(folder)
    config = MergeConfig((first, second, third), folder / "merged")
    with _failing(monkeypatch, name, error):
        merge(config)
    assert not config.output.exists()
    merge(replace(config, folders=(first, second), partial=True))
    before = _listed(config.output)
    with _failing(monkeypatch, name, error):
        merge(config)
    assert _listed(config.output) == before
    merge(config)
    assert not read_run(config.output).unfinished


def test_a_full_disk_is_one_line(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = MergeConfig(_shards(folder, 2), folder / "merged")
    whole = merging.Store.create

    def small(folder: Path, overwrite: bool) -> Store:
        store = whole(folder, overwrite)
        store.database.execute("PRAGMA max_page_count=14")
        return store

    monkeypatch.setattr(merging.Store, "create", small)
    with pytest.raises(OutputError, match="disk full"):
        merge(config)
    assert not config.output.exists()


def test_shards_that_cannot_be_written_are_merged(folder: Path) -> None:
    folders = _shards(folder, 2)
    for folder in folders:
        for path in (*folder.iterdir(), folder):
            os.chmod(path, 0o500 if path.is_dir() else 0o400)
    try:
        merge(MergeConfig(folders, folder / "merged"))
    finally:
        for folder in folders:
            os.chmod(folder, 0o700)
    assert not read_run(folder / "merged").unfinished


def test_a_shard_written_meanwhile_is_not_taken(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders = _shards(folder, 2)
    whole = merging.take

    def take(store: Store, other: Store, ids: list[str]) -> None:
        whole(store, other, ids)
        edit_manifest(folders[0], state="running")

    monkeypatch.setattr(merging, "take", take)
    _refused(MergeConfig(folders, folder / "merged"), "was written while it was read")


def test_tokens_are_not_counted_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(CodesTogether, "add", None)
    merge(MergeConfig(_shards(folder), folder / "merged"))
    whole, merged = read_manifest(folder / "whole"), read_manifest(folder / "merged")
    assert merged["streams"] == whole["streams"]


@pytest.mark.parametrize("spoilt", ["DELETE FROM tokens", "UPDATE tokens SET checksum = 1"])
def test_tokens_that_a_shard_has_not_counted_are(folder: Path, spoilt: str) -> None:
    with closing(sqlite3.connect(folder / "2-of-3" / "store.sqlite")) as db:
        db.execute(spoilt)
        db.commit()
    merge(MergeConfig(_shards(folder), folder / "merged"))
    whole, merged = read_manifest(folder / "whole"), read_manifest(folder / "merged")
    assert merged["streams"] == whole["streams"]
