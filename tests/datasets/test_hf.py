"""hf: datasets from a folder and from a hub on this machine, kept, repeated, and refused."""

from __future__ import annotations

import io
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import soundfile

from snac_eval import audio
from snac_eval.cli.main import main
from snac_eval.datasets._hf_parts import Layout
from snac_eval.datasets.hf import Source, _clip, load
from snac_eval.errors import DatasetError, UsageError
from snac_eval.registry.plugins import dataset_card
from snac_eval.types import DOMAINS, Dataset, DatasetRequest
from tests.cli.helpers import run_process, scores
from tests.conftest import tone
from tests.dataset_hub import COMMIT, serve_dataset

datasets = pytest.importorskip("datasets", reason="needs the extra hf")
if not hasattr(datasets, "load_dataset"):
    pytest.skip("needs the extra hf", allow_module_level=True)


def flac(seed: int) -> bytes:
    buffer = io.BytesIO()
    soundfile.write(buffer, tone(0.5, seed=seed), 16000, format="FLAC")
    return buffer.getvalue()


def rows(count: int) -> dict[str, list[Any]]:
    return {
        "audio": [{"bytes": flac(i), "path": f"spk/utt {i}.flac"} for i in range(count)],
        "speaker_id": [i % 2 for i in range(count)],
        "text": [f"SENTENCE {i}" for i in range(count)],
    }


def save(
    folder: Path, count: int = 4, typed: bool = True, group: int = 1000, **more: list[Any]
) -> Path:
    """A dataset as the hub holds it: ``data/test-*.parquet``, ``group`` rows to a row group."""
    made = datasets.Dataset.from_dict({**rows(count), **more})
    if typed:
        made = made.cast_column("audio", datasets.Audio())
    (folder / "data").mkdir(parents=True)
    made.to_parquet(folder / "data" / "test-00000-of-00001.parquet", batch_size=group)
    return folder


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Empty caches of ours and of the hub's client."""
    monkeypatch.setenv("SNAC_EVAL_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "hf"


def open_hf(argument: str, first: int = 0) -> Dataset:
    return load(DatasetRequest(dataset_card("hf"), argument, first=first))


def test_the_parts_of_a_name() -> None:
    assert Source.parse("o/r:test") == Source("o/r", "", "", "test", "")
    assert Source.parse("o/r@v2:en:test:sound") == Source("o/r", "v2", "en", "test", "sound")
    three = Source.parse("o/r:a:b")
    assert three.with_configs(["a"]) == Source("o/r", "", "a", "b", "")
    assert three.with_configs(["default"]) == Source("o/r", "", "", "a", "b")


@pytest.mark.parametrize("argument", ["", "o/r", "o/r:", "o/r:a:b:c:d"])
def test_a_name_without_a_split_is_refused(argument: str) -> None:
    with pytest.raises(UsageError, match="names no split"):
        open_hf(argument)


@pytest.mark.parametrize("typed", [True, False])
def test_rows_become_clips_with_their_bytes(tmp_path: Path, typed: bool) -> None:
    dataset = open_hf(f"{save(tmp_path / 'repo', typed=typed)}:test")
    assert [clip.id for clip in dataset.clips] == [f"{i:06d}-utt--{i}" for i in range(4)]
    assert [clip.speaker for clip in dataset.clips] == ["0", "1", "0", "1"]
    assert dataset.clips[3].transcript == "SENTENCE 3"
    assert {clip.domain for clip in dataset.clips} == {"speech"}
    assert [clip.path.read_bytes() for clip in dataset.clips] == [flac(i) for i in range(4)]
    clip = audio.inspect(dataset.clips[0])
    assert (clip.duration_s, clip.sample_rate) == (0.5, 16000)
    assert dataset.notes[0].startswith("revision ")


def test_a_limit_fetches_no_more_and_later_all(tmp_path: Path, cache: Path) -> None:
    name = f"{save(tmp_path / 'repo')}:test"
    assert len(open_hf(name, first=2).clips) == 2
    assert len(list(cache.rglob("*.flac"))) == 2
    listed = json.loads(next(cache.rglob("clips.json")).read_text())
    assert (listed["complete"], len(listed["clips"])) == (False, 2)
    assert len(open_hf(name, first=3).clips) == 3
    assert len(open_hf(name).clips) == 4
    assert len(open_hf(name, first=1).clips) == 1


def test_a_limit_is_spread_over_one_part_and_nests(tmp_path: Path) -> None:
    name = f"{save(tmp_path / 'repo', count=30)}:test"
    few, more = open_hf(name, first=4), open_hf(name, first=9)
    ids = [clip.id for clip in more.clips]
    assert ids == sorted(ids)
    assert set(few.clips) < set(more.clips)
    assert max(ids) > "000020"
    assert set(more.clips) < set(open_hf(name).clips)
    assert open_hf(name, first=4).clips == few.clips
    assert len(few.notes) == len(more.notes) == 1
    for clip in more.clips:
        assert clip.path.read_bytes() == flac(int(clip.id[:6]))


def test_a_limit_takes_rows_of_several_parts_and_says_so(tmp_path: Path) -> None:
    name = f"{save(tmp_path / 'repo', count=80, group=4)}:test"
    few, more = open_hf(name, first=5), open_hf(name, first=37)
    assert len({clip.id[:4] for clip in few.clips}) == 5
    counts = Counter(clip.id[:4] for clip in more.clips)
    assert sorted(counts.values()) == [2] * 11 + [3] * 5
    assert set(few.clips) < set(more.clips)
    assert few.notes[1] == (
        "--limit took the first rows of 5 of the data's 20 parts, about equally many of each"
    )
    everything = open_hf(name)
    assert len(everything.clips) == 80
    assert len(everything.notes) == 1
    assert open_hf(name, first=37) == more
    first = everything.clips[0]
    assert (first.id, first.transcript) == ("0000-000000-utt--0", "SENTENCE 0")
    assert everything.clips[-1].transcript == "SENTENCE 79"


class _Stream:
    """What :class:`Layout` needs of a streamed dataset: parts of these many rows."""

    def __init__(self, *sizes: int, builder: str = "webdataset") -> None:
        self.sizes, self.num_shards = sizes, len(sizes)
        self.info = SimpleNamespace(builder_name=builder)
        self.num_read = 0

    def reshard(self) -> _Stream:
        return self

    def shard(self, _number: int, index: int) -> Iterator[dict[str, int]]:
        for row in range(self.sizes[index]):
            self.num_read += 1
            yield {"part": index, "row": row}

    def __iter__(self) -> Iterator[dict[str, int]]:
        return self.shard(1, 0)


def test_parts_that_run_out_are_made_up_for_and_choices_nest() -> None:
    sizes = (1, 9, 3, 0, 9, *[2] * 20)
    layout = Layout.of(_Stream(*sizes))[1]
    everything = [place for place, _ in layout.rows(_Stream(*sizes), 0)]
    ranked = sorted(everything, key=layout.order)
    assert len(set(everything)) == sum(sizes)
    for first in (*range(1, 70), 100):
        stream = _Stream(*sizes)
        taken = [place for place, _ in layout.rows(stream, first)]
        assert sorted(taken, key=layout.order) == ranked[:first]


def test_of_one_part_that_cannot_be_seen_whole_the_first_rows_are_taken() -> None:
    stream = _Stream(100)
    _, layout = Layout.of(stream)
    assert [place for place, _ in layout.rows(stream, 3)] == ["000000", "000001", "000002"]
    assert stream.num_read == 3
    assert layout.note(3) == "--limit took the first 3 rows of the data"


def test_what_is_cached_is_not_fetched_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = f"{save(tmp_path / 'repo')}:test"
    first = open_hf(name)
    monkeypatch.setattr(datasets, "load_dataset", None)
    assert open_hf(name) == first


def test_another_content_is_another_revision(tmp_path: Path) -> None:
    repo = save(tmp_path / "repo")
    before = open_hf(f"{repo}:test")
    (repo / "data" / "test-00000-of-00001.parquet").unlink()
    (repo / "data").rmdir()
    save(repo, count=5)
    after = open_hf(f"{repo}:test")
    assert before.name != after.name
    assert len(after.clips) == 5


def test_a_column_by_name_and_its_absence(tmp_path: Path) -> None:
    other = [{"bytes": flac(10 + i), "path": None} for i in range(4)]
    repo = save(tmp_path / "repo", typed=False, sound=other)
    chosen = open_hf(f"{repo}::test:sound")
    assert chosen.clips[0].path.read_bytes() == flac(10)
    assert chosen.clips[0].id == "000000"
    assert open_hf(f"{repo}:test:sound").clips[0].path.read_bytes() == flac(10)
    with pytest.raises(DatasetError, match="no column 'noise'; name one of audio, speaker_id"):
        open_hf(f"{repo}::test:noise")
    with pytest.raises(DatasetError, match="'text' holds no audio"):
        open_hf(f"{repo}::test:text")


def test_files_in_folders_are_read_where_they_lie(tmp_path: Path) -> None:
    folder = tmp_path / "repo" / "test"
    folder.mkdir(parents=True)
    for index in range(2):
        (folder / f"{index}.flac").write_bytes(flac(index))
    dataset = open_hf(f"{tmp_path / 'repo'}:test")
    assert [clip.path.read_bytes() for clip in dataset.clips] == [flac(0), flac(1)]


def test_a_damaged_list_is_one_line(tmp_path: Path, cache: Path) -> None:
    name = f"{save(tmp_path / 'repo')}:test"
    open_hf(name)
    next(cache.rglob("clips.json")).write_text("{")
    with pytest.raises(DatasetError, match="is damaged"):
        open_hf(name)


@pytest.mark.parametrize("split", ["dev", "nosuch"])
def test_no_such_split_is_one_line(tmp_path: Path, split: str) -> None:
    with pytest.raises(DatasetError) as caught:
        open_hf(f"{save(tmp_path / 'repo')}:{split}")
    assert "\n" not in str(caught.value)
    assert split in str(caught.value)


def test_from_the_hub_then_from_the_cache(tmp_path: Path) -> None:
    repo = save(tmp_path / "repo")
    run = ["run", "--model", "pcm_8bit", "--dataset", "hf:owner/name:test", "--limit", "2"]
    run += ["--metrics", "si_sdr", "--workers", "0", "--quiet"]

    def go(name: str, **environment: str) -> list[float]:
        environment["HF_HOME"] = str(tmp_path / "home")
        done = run_process(*run, "--output", tmp_path / name, **environment)
        assert done.returncode == 0, done.stderr
        return list(scores(tmp_path / name)["value"])

    with serve_dataset("owner/name", repo) as endpoint:
        online = go("online", HF_ENDPOINT=endpoint)
    assert len(online) == 2
    assert go("offline", HF_HUB_OFFLINE="1") == online
    manifest = json.loads((tmp_path / "offline" / "manifest.json").read_text())
    assert manifest["dataset"]["name"] == f"hf:owner/name:test@{COMMIT[:12]}"
    assert f"revision {COMMIT}" in manifest["notes"]
    assert any("the hub did not answer" in note for note in manifest["notes"])


def test_offline_without_a_cache_is_one_line(tmp_path: Path) -> None:
    done = run_process(
        *("run", "--model", "pcm_8bit", "--dataset", "hf:nobody/nothing:test"),
        *("--output", tmp_path / "run"),
        HF_HUB_OFFLINE="1",
        HF_HOME=str(tmp_path / "home"),
    )
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "hf:nobody/nothing: cannot be read" in done.stderr


def test_a_run_from_a_folder_that_has_a_folder_datasets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repo = save(tmp_path / "repo")
    (tmp_path / "here" / "datasets").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "here")
    run = ["run", "--model", "pcm_8bit", "--dataset", f"hf:{repo}:test", "--limit", "2"]
    for output in ("one", "two"):
        flags = ["--metrics", "si_sdr", "--workers", "0", "--output", str(tmp_path / output)]
        assert main([*run, *flags, "--quiet"]) == 0
    first, second = (scores(tmp_path / output) for output in ("one", "two"))
    assert len(first) == 2
    assert np.array_equal(first["value"], second["value"])
    assert set(first["speaker"]) == {"0", "1"}


SECRET = b"-----BEGIN KEY-----"


def _typed(folder: Path, cells: list[Any]) -> Path:
    """A dataset of these cells as they are, each with a path and bytes, or null."""
    made = datasets.Dataset.from_dict(
        {"audio": cells, "text": [f"SENTENCE {i}" for i in range(len(cells))]},
        features=datasets.Features(
            audio={"bytes": datasets.Value("binary"), "path": datasets.Value("string")},
            text=datasets.Value("string"),
        ),
    )
    (folder / "data").mkdir(parents=True)
    made.to_parquet(folder / "data" / "test-00000-of-00001.parquet")
    return folder


def test_a_row_without_audio_costs_one_clip(tmp_path: Path, audio_dir: Path) -> None:
    good = {"bytes": flac(0), "path": "a.flac"}
    cells = [None, {"bytes": None, "path": None}, {"bytes": b"", "path": "b.wav"}, good]
    cells.append({"bytes": None, "path": "absent.wav"})
    repo = _typed(tmp_path / "repo", cells)
    for _ in range(2):  # the second from the cache
        clips = [audio.inspect(clip) for clip in open_hf(f"{repo}:test").clips]
        assert [bool(clip.problem) for clip in clips] == [True, True, True, False, True]
        assert clips[3].path.read_bytes() == flac(0)
        assert clips[0].problem == f"row 000000 of {repo}: it holds no audio"
        assert clips[0].transcript == "SENTENCE 0"
        assert len({clip.sha256 for clip in clips}) == 5
    run = ["run", "--model", "pcm_8bit", "--dataset", f"hf:{repo}:test", "--metrics", "bitrate"]
    run += ["--workers", "0", "--quiet", "--max-error-rate", "0.9"]
    assert main([*run, "--output", str(tmp_path / "run")]) == 0
    frame = scores(tmp_path / "run")
    assert list(frame["status"]) == ["error", "error", "error", "ok", "error"]


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    """A file of the user's that is in no dataset."""
    path = tmp_path / "secret" / "key.wav"
    path.parent.mkdir()
    path.write_bytes(SECRET)
    return path


def _addresses(secret: Path) -> list[str]:
    return [
        str(secret),
        f"file://{secret}",
        f"local://{secret}",
        "../secret/key.wav",
        f"data/../../secret/{secret.name}",
        "link.wav",
        "data/link/key.wav",
        "/dev/zero",
        "/etc/passwd",
        "data",
        f"zip://key.wav::{secret}",
        f"filecache::file://{secret}",
        f"simplecache::{secret}",
        "http://127.0.0.1:9/key.wav",
        f"hf://datasets/owner/other@main/{secret.name}",
    ]


def test_a_row_reads_no_file_but_its_datasets_own(
    tmp_path: Path, cache: Path, secret: Path
) -> None:
    addresses = _addresses(secret)
    cells = [{"bytes": None, "path": one} for one in addresses]
    own = {"bytes": None, "path": "data/own.flac"}
    repo = _typed(tmp_path / "repo", [*cells, own])
    (repo / "link.wav").symlink_to(secret)
    (repo / "data" / "link").symlink_to(secret.parent)
    (repo / "data" / "own.flac").write_bytes(flac(0))
    clips = open_hf(f"{repo}:test").clips
    assert [bool(clip.problem) for clip in clips] == [True] * len(addresses) + [False]
    assert clips[-1].path.read_bytes() == flac(0)
    kept = [path.read_bytes() for path in cache.rglob("*") if path.is_file()]
    assert not [content for content in kept if SECRET in content or b"root:" in content]


def test_a_row_from_the_hub_reads_no_file_of_this_machine(
    tmp_path: Path, cache: Path, secret: Path
) -> None:
    cells = [{"bytes": None, "path": one} for one in _addresses(secret)]
    repo = _typed(tmp_path / "repo", [*cells, {"bytes": flac(0), "path": "a.flac"}])
    run = ["run", "--model", "pcm_8bit", "--dataset", "hf:owner/name:test", "--metrics", "bitrate"]
    run += [
        "--workers",
        "0",
        "--quiet",
        "--max-error-rate",
        "0.99",
        "--output",
        str(tmp_path / "r"),
    ]
    with serve_dataset("owner/name", repo) as endpoint:
        done = run_process(
            *run, HF_HOME=str(tmp_path / "home"), HF_ENDPOINT=endpoint, SNAC_EVAL_CACHE=str(cache)
        )
    assert (done.returncode, done.stderr) == (0, "")
    frame = scores(tmp_path / "r")
    assert list(frame["status"]) == ["error"] * len(cells) + ["ok"]
    kept = [path.read_bytes() for path in cache.rglob("*") if path.is_file()]
    assert not [content for content in kept if SECRET in content or b"root:" in content]


@pytest.mark.parametrize("pattern", ["{elsewhere}/*.parquet", "../elsewhere/data/*.parquet"])
def test_a_datasets_card_names_no_data_elsewhere(tmp_path: Path, pattern: str) -> None:
    elsewhere = save(tmp_path / "elsewhere")
    repo = save(tmp_path / "repo")
    named = pattern.format(elsewhere=elsewhere / "data")
    (repo / "README.md").write_text(
        "---\nconfigs:\n- config_name: default\n  data_files:\n  - split: test\n"
        f"    path: {named}\n---\n"
    )
    with pytest.raises(DatasetError, match="no file of the dataset"):
        open_hf(f"{repo}:test")


def test_an_at_sign_may_stand_in_a_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    repo = save(tmp_path / "user@example.org")
    dataset = open_hf(f"{repo}:test")
    assert len(dataset.clips) == 4
    assert dataset.name.startswith(f"hf:{repo}:test@")
    monkeypatch.chdir(tmp_path)
    assert len(open_hf("user@example.org:test").clips) == 4
    with pytest.raises(DatasetError, match="nobody@here"):
        open_hf(f"{tmp_path}/nobody@here:test")


def test_a_killed_fetch_leaves_nothing_behind(tmp_path: Path, cache: Path) -> None:
    name = f"{save(tmp_path / 'repo')}:test"
    open_hf(name, first=1)
    left = next(cache.rglob("clips.json")).parent / ".000001.flac.123.tmp"
    left.write_bytes(b"half")
    open_hf(name)
    assert not left.exists()


def test_a_domain_that_is_said_beats_what_columns_suggest(tmp_path: Path) -> None:
    row = {"id": "a", "file": "a.flac", "speaker": "x", "transcript": ""}
    found = {said: _clip(row, tmp_path, said).domain for said in DOMAINS}
    assert found == {"speech": "speech", "music": "music", "general": "speech"}
