"""Folders and manifests at addresses: the same clips and scores as here, and no secret told."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import fsspec
import pandas as pd
import pytest
import soundfile
from fsspec.registry import known_implementations

from snac_eval.audio import power_envelope, read_clip
from snac_eval.cli.main import main
from snac_eval.datasets.opening import Sampling, open_dataset
from snac_eval.errors import DatasetError, UsageError, redacted
from snac_eval.locations import Url
from snac_eval.reading import remote
from snac_eval.run.config import RunConfig
from snac_eval.run.inspections import Inspections
from snac_eval.types import Clip
from tests.cli.helpers import repeatable, run_process, scores
from tests.conftest import tone
from tests.file_server import serve
from tests.hub_server import serve_hub

METRICS = "bitrate,si_sdr"


@pytest.fixture
def in_memory(audio_dir: Path) -> Iterator[str]:
    """The three clips in fsspec's own memory; only this process sees them."""
    system = fsspec.filesystem("memory")
    for path in audio_dir.rglob("*.wav"):
        system.pipe(f"/clips/{path.relative_to(audio_dir).as_posix()}", path.read_bytes())
    yield "memory://clips"
    system.rm("/clips", recursive=True)


@pytest.fixture
def web(audio_dir: Path) -> Iterator[tuple[str, list[str]]]:
    """Their folder's address on a web server, and what was asked of it."""
    pytest.importorskip("aiohttp", reason="fsspec needs it to read from the web")
    with serve(audio_dir) as (address, asked):
        yield address, asked


def _run(dataset: str, output: Path, *more: str, workers: str = "0") -> int:
    base = ["run", "--model", "pcm_8bit", "--dataset", dataset, "--metrics", METRICS]
    where = ["--output", str(output), "--workers", workers, "--quiet", "--no-html"]
    return main([*base, *where, *more])


def _facts(clip: Clip) -> Clip:
    return replace(clip, path=Path())


def test_a_folder_elsewhere_has_the_clips_of_the_same_folder_here(
    audio_dir: Path, in_memory: str
) -> None:
    system = fsspec.filesystem("memory")
    for name in ("/clips/.hidden/a.wav", "/clips/.b.wav", "/clips/notes.txt", "/clips/video.mp4"):
        system.pipe(name, b"")
    there, here = open_dataset(f"folder:{in_memory}"), open_dataset(f"folder:{audio_dir}")
    assert list(map(_facts, there.clips)) == list(map(_facts, here.clips))
    assert there.name == "folder:memory://clips"
    assert there.notes == ("files of other formats are left out: 1 .mp4",)
    for one, other in zip(there.clips, here.clips, strict=True):
        assert (read_clip(one, 60).samples == read_clip(other, 60).samples).all()
        assert (power_envelope(one.path, 0.1) == power_envelope(other.path, 0.1)).all()


def test_a_run_over_the_web_is_the_run_over_the_folder(
    audio_dir: Path, web: tuple[str, list[str]], tmp_path: Path
) -> None:
    address, asked = web
    assert _run(f"folder:{address}", tmp_path / "web", "--excerpt", "0.7s", workers="1") == 0
    assert _run(f"folder:{audio_dir}", tmp_path / "here", "--excerpt", "0.7s") == 0
    there, here = (repeatable(scores(tmp_path / name)) for name in ("web", "here"))
    ours = ["run_id", "dataset"]
    pd.testing.assert_frame_equal(there.drop(columns=ours), here.drop(columns=ours))
    assert len(asked) > 3


def test_what_was_found_in_files_elsewhere_is_remembered(
    audio_dir: Path, web: tuple[str, list[str]], tmp_path: Path
) -> None:
    address, asked = web
    dataset = f"folder:{address}/speech"
    assert _run(dataset, tmp_path / "run") == 0
    known = Inspections.of_run(tmp_path / "run")
    asked.clear()
    sampling = Sampling(longest_s=RunConfig("", "", tmp_path).max_duration_s)
    first = open_dataset(dataset, sampling=sampling, inspect=known.inspect).clips
    assert not any(asked)  # the folder's page, and no file: those are asked for by range
    soundfile.write(audio_dir / "speech" / "b.wav", tone(0.3), 16000)
    second = open_dataset(dataset, sampling=sampling, inspect=known.inspect).clips
    assert [one == other for one, other in zip(first, second, strict=True)] == [True, False]
    assert second[1].duration_s == pytest.approx(0.3)


def test_a_manifest_names_files_here_and_elsewhere(
    audio_dir: Path, in_memory: str, tmp_path: Path
) -> None:
    system = fsspec.filesystem("memory")
    rows = [
        "path,id,start,duration",
        "speech/a.wav,,,",
        "../clips/speech/b.wav,,0.2,0.5",
        f"{in_memory}/music/c.wav,sea,,",
        f"file://{audio_dir}/music/c.wav,here,,",
    ]
    system.pipe("/clips/list.csv", "\n".join(rows).encode())
    dataset = open_dataset(f"manifest:{in_memory}/list.csv")
    assert dataset.name == "manifest:memory://clips/list"
    assert [clip.id for clip in dataset.clips] == ["speech/a", "speech/b@0.2", "sea", "here"]
    assert not any(clip.problem for clip in dataset.clips)
    assert dataset.clips[2].sha256 == dataset.clips[3].sha256
    assert dataset.clips[1].duration_s == 0.5
    (tmp_path / "list.csv").write_text(f"path\n{in_memory}/speech/a.wav\n{in_memory}/music/c.wav\n")
    local = open_dataset(f"manifest:{tmp_path / 'list.csv'}")
    assert [clip.id for clip in local.clips] == ["speech/a", "music/c"]


def test_an_address_of_this_machine_is_a_path(audio_dir: Path) -> None:
    there, here = open_dataset(f"folder:file://{audio_dir}"), open_dataset(f"folder:{audio_dir}")
    assert there == here


def test_the_hub_is_read_by_its_own_protocol(audio_dir: Path, tmp_path: Path) -> None:
    with serve_hub("me/clips", audio_dir / "speech") as endpoint:
        done = run_process(
            *("run", "--model", "pcm_8bit", "--dataset", "folder:hf://me/clips", "--no-html"),
            *("--metrics", "si_sdr", "--workers", "0", "--quiet", "--output", tmp_path / "run"),
            HF_ENDPOINT=endpoint,
        )
    assert done.returncode == 0, done.stderr
    assert list(scores(tmp_path / "run")["clip_id"]) == ["a", "b"]


def test_no_secret_is_told(
    audio_dir: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pytest.importorskip("aiohttp", reason="fsspec needs it to read from the web")
    monkeypatch.chdir(tmp_path)
    with serve(audio_dir) as (address, _):
        secret = address.replace("://", "://someone:hunter2@")
        (audio_dir / "list.csv").write_text(
            f"path\n{secret}/speech/a.wav?X-Amz-Signature=deadbeef\n{secret}/gone.wav?token=hunter2\n"
        )
        base = ["run", "--model", "pcm_8bit", "--metrics", METRICS, "--quiet", "--workers", "1"]
        arguments = [*base, "--max-error-rate", "1", "--report-clips", "1", "--dataset"]
        assert main([*arguments, f"folder:{secret}"]) == 0
        assert main([*arguments, f"manifest:{secret}/list.csv?sig=hunter2"]) == 0
    assert main([*arguments, f"folder:{secret}/nobody?token=hunter2"]) == 2
    written = [path for path in tmp_path.rglob("*") if path.is_file() and "audio" not in path.parts]
    assert len(written) > 10
    for word in ("hunter2", "deadbeef"):
        assert word not in str(sorted(tmp_path.rglob("*")))
        assert not [path for path in written if word.encode() in path.read_bytes()]
        captured = capsys.readouterr()
        assert word not in captured.out + captured.err


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("s3://key:secret@bucket/a.wav", "s3://***@bucket/a.wav"),
        ("https://me:p@ss@host/a?x=1", "https://***@host/a?x=1"),
        (
            "https://h/a?version=2&access_token=abc.def&n=1",
            "https://h/a?version=2&access_token=***&n=1",
        ),
        (
            "https://h/a?X-Amz-Credential=AK%2F1&X-Amz-Date=2",
            "https://h/a?X-Amz-Credential=***&X-Amz-Date=2",
        ),
        ("https://h/a?q=0123456789abcdef0123456789abcdef", "https://h/a?q=***"),
        ("'https://h/a?sig=abc': refused", "'https://h/a?sig=***': refused"),
        ("https://h/a?sig=abc: refused", "https://h/a?sig=***: refused"),
        ("hf://datasets/me/clips@main/a.wav", "hf://datasets/me/clips@main/a.wav"),
        ("s3://bucket/a@2x.wav", "s3://bucket/a@2x.wav"),
        ("mail me@home", "mail me@home"),
    ],
)
def test_what_is_shown_of_an_address(text: str, shown: str) -> None:
    assert redacted(text) == shown
    assert str(Url(text)) == shown


@pytest.mark.parametrize(
    ("dataset", "words"),
    [
        ("folder:foo://bucket/x", "foo://bucket/x: Protocol not known: foo; use s3://"),
        ("folder:memory://nowhere", "memory://nowhere: cannot be listed: there is no such file"),
        ("manifest:memory://nowhere.csv", "memory://nowhere.csv: cannot be read: there is no such"),
        ("folder:zip://a::memory://b", "addresses within addresses"),
    ],
)
def test_what_is_wrong_with_an_address_costs_one_line(
    dataset: str, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _run(dataset, tmp_path / "run") == 2
    error = capsys.readouterr().err
    assert words in error
    assert error.count("\n") == 1
    assert not (tmp_path / "run").exists()


def test_a_package_that_is_lacking_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    remote._opened.cache_clear()
    monkeypatch.setitem(
        known_implementations, "s3", {"class": "no_s3fs.S3FileSystem", "err": "Install it"}
    )
    with pytest.raises(UsageError, match=r"^s3://\*\*\*@b/x: s3:// needs a .*pip install no_s3fs$"):
        open_dataset("folder:s3://key:secret@b/x")


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (PermissionError("Forbidden"), "access denied, PermissionError: Forbidden"),
        (type("NoCredentialsError", (Exception,), {})("Unable to locate"), "where are the cred"),
        (FileNotFoundError("The specified bucket does not exist"), "there is no such file"),
        (
            TimeoutError("token=1 https://h/?token=abc"),
            "TimeoutError: token=1 https://h/?token=***",
        ),
    ],
)
def test_what_a_store_answers_is_said(
    error: Exception, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(remote, "_PAUSES_S", (0.0, 0.0))
    monkeypatch.setattr(fsspec.get_filesystem_class("memory"), "ls", fail)
    with pytest.raises(DatasetError) as caught:
        open_dataset("folder:memory://clips")
    assert words in str(caught.value)


def test_a_clip_that_is_gone_is_one_error_row(in_memory: str, tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text(f"path\n{in_memory}/speech/a.wav\n{in_memory}/gone.wav\n")
    assert _run(f"manifest:{tmp_path / 'list.csv'}", tmp_path / "run") == 4
    frame = scores(tmp_path / "run").set_index("clip_id")
    assert set(frame.loc["speech/a", "status"]) == {"ok"}
    assert set(frame.loc["gone", "reason"]) == {"memory://clips/gone.wav: no such file"}


@pytest.mark.parametrize("trouble", [{"refusals": (503,)}, {"cut_first_at": 4000}])
def test_a_network_that_stumbles_is_asked_again(
    trouble: dict[str, object], audio_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("aiohttp", reason="fsspec needs it to read from the web")
    monkeypatch.setattr(remote, "_PAUSES_S", (0.0, 0.0))
    content = (audio_dir / "speech" / "a.wav").read_bytes()
    with (
        serve(audio_dir, **trouble) as (address, _),  # type: ignore[arg-type]
        remote.fetched(Url(f"{address}/speech/a.wav")) as file,
    ):
        assert file.read() == content


def test_what_is_fetched_leaves_nothing_behind(in_memory: str, tmp_path: Path) -> None:
    before = set(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else set()
    for clip in open_dataset(f"folder:{in_memory}").clips:
        read_clip(clip, 60)
    if before:
        assert set(os.listdir("/proc/self/fd")) == before
