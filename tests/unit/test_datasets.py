"""Loaders find every clip, name what is wrong and where, and never leave half a corpus."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import soundfile

from snac_eval import audio, plugins
from snac_eval.audio import read_clip
from snac_eval.errors import DatasetError, DownloadError, UsageError
from snac_eval.plan import choose_clips, open_dataset
from snac_eval.types import DatasetCard, DatasetRequest
from tests.conftest import tone


def test_folder_is_sorted_and_knows_domains(audio_dir: Path) -> None:
    (audio_dir / ".hidden.wav").write_text("")
    (audio_dir / "notes.txt").write_text("")
    dataset = open_dataset(f"folder:{audio_dir}")
    assert [clip.id for clip in dataset.clips] == ["music/c", "speech/a", "speech/b"]
    assert [clip.domain for clip in dataset.clips] == ["music", "speech", "speech"]
    assert dataset.name == "folder:audio"
    assert dataset.clips[0].duration_s == pytest.approx(1.4)


def test_folder_ids_stay_unique(tmp_path: Path) -> None:
    for suffix in ("wav", "flac"):
        soundfile.write(tmp_path / f"a.{suffix}", tone(0.1), 16000)
    assert [clip.id for clip in open_dataset(f"folder:{tmp_path}").clips] == ["a.flac", "a.wav"]


def test_folder_without_audio_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="holds no audio files"):
        open_dataset(f"folder:{tmp_path}")
    with pytest.raises(UsageError, match="folder:PATH"):
        open_dataset("folder")


def _manifest(folder: Path, name: str, text: str) -> Path:
    soundfile.write(folder / "a.wav", tone(2.0), 16000)
    file = folder / name
    file.write_text(text, encoding="utf-8")
    return file


def test_manifest_csv_and_json_lines_agree(tmp_path: Path) -> None:
    rows = [
        {"path": "a.wav", "id": "one", "speaker": "s", "domain": "speech", "transcript": "hé, you"},
        {"path": "a.wav", "start": 0.5, "duration": 1.0},
    ]
    text = 'path,id,speaker,domain,transcript,start,duration\na.wav,one,s,speech,"hé, you",,\n'
    csv_file = _manifest(tmp_path, "m.csv", text + "a.wav,,,,,0.5,1.0\n")
    json_file = _manifest(tmp_path, "m.jsonl", "\n\n".join(map(json.dumps, rows)))
    clips = open_dataset(f"manifest:{csv_file}").clips
    assert clips == open_dataset(f"manifest:{json_file}").clips
    assert (clips[0].transcript, clips[0].domain, clips[0].speaker) == ("hé, you", "speech", "s")
    assert (clips[1].id, clips[1].duration_s) == ("a@0.5", 1.0)
    assert clips[0].sha256 != clips[1].sha256
    assert read_clip(clips[1], 10).samples.shape == (1, 16000)


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("m.csv", "", "lists no clips"),
        ("m.csv", "path\n", "lists no clips"),
        ("m.csv", "file\na.wav\n", r"m\.csv:2: unknown column 'file'"),
        ("m.csv", "path,id\n,x\n", r"m\.csv:2: 'path' is missing"),
        ("m.csv", "path,id\na.wav,x\na.wav,x\n", r"m\.csv:3: id 'x' is that of line 2 too"),
        ("m.csv", "path,start\na.wav,nan\n", r"m\.csv:2: start is 'nan'"),
        ("m.csv", "path,start\na.wav,-1\n", r"m\.csv:2: start is '-1'"),
        ("m.csv", "path,duration\na.wav,0\n", r"m\.csv:2: duration is '0'"),
        ("m.csv", "path,domain\na.wav,noise\n", r"m\.csv:2: domain is 'noise'"),
        ("m.jsonl", '{"path": "a.wav"}\n{"path":', r"m\.jsonl:2: is no JSON"),
        ("m.jsonl", "[1]\n", r"m\.jsonl:1: must be a JSON object"),
        ("m.jsonl", '{"path": 3}\n', r"m\.jsonl:1: 'path' is missing"),
        ("m.jsonl", '{"path": "a.wav", "duration": true}\n', r"m\.jsonl:1: duration is True"),
        ("m.jsonl", '{"path": ""}\n', r"m\.jsonl:1: 'path' is missing"),
        ("m.jsonl", '{"path": "."}\n', r"m\.jsonl:1: 'path' is missing"),
        ("m.jsonl", '{"path": "a.wav", "id": [1]}\n', r"m\.jsonl:1: id is \[1\]; give text"),
        ("m.jsonl", '{"path": "a.wav", "start": 1' + "0" * 400 + "}", r"m\.jsonl:1: start is 10"),
        ("m.jsonl", "[" * 100_000, r"m\.jsonl:1: is no JSON"),
        ("m.csv", "path,id\na.wav,x,extra\n", r"m\.csv:2: has more cells than the header"),
        ("m.csv", "path,id,id\na.wav,x,y\n", r"m\.csv:1: names a column twice"),
    ],
)
def test_broken_manifests_name_file_and_line(
    tmp_path: Path, name: str, text: str, words: str
) -> None:
    with pytest.raises(DatasetError, match=words):
        open_dataset(f"manifest:{_manifest(tmp_path, name, text)}")


def test_cells_left_out_at_the_end_of_a_row_are_empty(tmp_path: Path) -> None:
    text = "path,transcript,speaker,domain,start\na.wav\n"
    (clip,) = open_dataset(f"manifest:{_manifest(tmp_path, 'm.csv', text)}").clips
    assert (clip.transcript, clip.speaker, clip.domain, clip.start_s) == ("", "", "general", 0.0)


def test_manifest_of_bytes_and_without_a_name(tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_bytes(b"path\n\xff\xfe\n")
    with pytest.raises(DatasetError, match="is no CSV"):
        open_dataset(f"manifest:{tmp_path / 'm.csv'}")
    with pytest.raises(UsageError, match=r"manifest:FILE\.csv"):
        open_dataset("manifest")


def test_manifest_rows_that_cannot_be_read_become_problems(tmp_path: Path) -> None:
    text = "path,id,start,duration\nb.wav,missing,,\na.wav,late,5,\na.wav,long,1,3\n"
    clips = open_dataset(f"manifest:{_manifest(tmp_path, 'm.csv', text)}").clips
    assert "no such file" in clips[0].problem
    assert "too short for start 5" in clips[1].problem
    assert "too short for start 1" in clips[2].problem


def test_demo_is_about_a_minute_of_both_kinds_under_4_mb() -> None:
    dataset = open_dataset("demo")
    assert {clip.domain for clip in dataset.clips} == {"speech", "music"}
    assert 50 < sum(clip.duration_s for clip in dataset.clips) < 75
    assert not any(clip.problem for clip in dataset.clips)
    assert {clip.sample_rate for clip in dataset.clips} == {24000, 44100, 48000}
    assert sum(clip.path.stat().st_size for clip in dataset.clips) < 4e6
    speech = [clip for clip in dataset.clips if clip.domain == "speech"]
    assert all(clip.speaker and clip.transcript for clip in speech)


def test_limit_spreads_and_nests(audio_dir: Path) -> None:
    clips = open_dataset("demo").clips
    three, five = choose_clips(clips, 3), choose_clips(clips, 5)
    assert set(three) < set(five)
    assert choose_clips(clips, 0) == choose_clips(clips, 99) == clips


# LibriSpeech


def librispeech_archive(path: Path, split: str = "dev-clean", hostile: bool = False) -> Path:
    """A small tar.gz in the corpus's layout: two chapters, three utterances."""
    flac = io.BytesIO()
    soundfile.write(flac, tone(0.5), 16000, format="FLAC")
    members = {
        f"LibriSpeech/{split}/1272/128104/1272-128104-0000.flac": flac.getvalue(),
        f"LibriSpeech/{split}/1272/128104/1272-128104-0001.flac": flac.getvalue(),
        f"LibriSpeech/{split}/1272/128104/1272-128104.trans.txt": (
            b"1272-128104-0000 MISTER QUILTER\n1272-128104-0001 NOR IS\n"
        ),
        f"LibriSpeech/{split}/84/121123/84-121123-0000.flac": flac.getvalue(),
        f"LibriSpeech/{split}/84/121123/84-121123.trans.txt": b"84-121123-0000 GO\n",
    }
    if hostile:
        members["../../escaped.txt"] = b"outside"
    with tarfile.open(path, "w:gz") as tar:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return path


@contextmanager
def serve(file: Path, cut_first_at: int | None = None) -> Iterator[tuple[str, list[str]]]:
    """Serve one file with ranges; the first answer may break off. Yields address and ranges."""
    ranges: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = file.read_bytes()
            asked = self.headers.get("Range", "")
            ranges.append(asked)
            start = int(asked.removeprefix("bytes=").rstrip("-")) if asked else 0
            if self.path != f"/{file.name}":
                self.send_error(404)
                return
            if start >= len(body):
                self.send_error(416)
                return
            self.send_response(206 if asked else 200)
            self.send_header("Content-Length", str(len(body) - start))
            self.end_headers()
            end = cut_first_at if len(ranges) == 1 and cut_first_at else len(body)
            self.wfile.write(body[start:end])

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", ranges
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _request(md5: str, split: str = "dev-clean", data_root: Path | None = None) -> DatasetRequest:
    options = {"default_split": split, "base_url": "http://127.0.0.1:9", "md5": {split: md5}}
    card = DatasetCard("librispeech", "librispeech", "", "", "", domain="speech", options=options)
    return DatasetRequest(card, split, data_root)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of the test's own."""
    monkeypatch.setenv("SNAC_EVAL_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def _md5(file: Path) -> str:
    return hashlib.md5(file.read_bytes(), usedforsecurity=False).hexdigest()


def test_split_is_downloaded_checked_and_unpacked(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = librispeech_archive(tmp_path / "dev-clean.tar.gz")
    with serve(archive) as (url, ranges):
        monkeypatch.setenv("SNAC_EVAL_LIBRISPEECH_URL", url)
        dataset = plugins.open_dataset(_request(_md5(archive)))
        again = plugins.open_dataset(_request(_md5(archive)))
    assert ranges == [""]
    assert dataset.clips == again.clips
    assert [clip.id for clip in dataset.clips] == [
        "1272-128104-0000",
        "1272-128104-0001",
        "84-121123-0000",
    ]
    assert [clip.speaker for clip in dataset.clips] == ["1272", "1272", "84"]
    assert dataset.clips[2].transcript == "GO"
    assert [path.name for path in (cache / "LibriSpeech").iterdir()] == ["dev-clean"]
    assert not list((cache / "downloads").iterdir())


def test_broken_off_download_goes_on(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = librispeech_archive(tmp_path / "dev-clean.tar.gz")
    with serve(archive, cut_first_at=100) as (url, ranges):
        monkeypatch.setenv("SNAC_EVAL_LIBRISPEECH_URL", url)
        with pytest.raises(DownloadError, match="try again to go on"):
            plugins.open_dataset(_request(_md5(archive)))
        assert not (cache / "LibriSpeech").exists()
        assert len(plugins.open_dataset(_request(_md5(archive))).clips) == 3
    assert ranges == ["", "bytes=100-"]


def test_wrong_checksum_keeps_nothing(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = librispeech_archive(tmp_path / "dev-clean.tar.gz")
    with serve(archive) as (url, _):
        monkeypatch.setenv("SNAC_EVAL_LIBRISPEECH_URL", url)
        with pytest.raises(DownloadError, match="checksum differs") as caught:
            plugins.open_dataset(_request("0" * 32))
    assert "--data-root" in str(caught.value)
    assert not [path for path in cache.rglob("*") if path.is_file()]


def test_hostile_and_damaged_archives_leave_nothing(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hostile = librispeech_archive(tmp_path / "dev-clean.tar.gz", hostile=True)
    for break_it in (False, True):
        if break_it:
            hostile.write_bytes(hostile.read_bytes()[:200])
        with serve(hostile) as (url, _):
            monkeypatch.setenv("SNAC_EVAL_LIBRISPEECH_URL", url)
            with pytest.raises(DownloadError, match="cannot be unpacked") as caught:
                plugins.open_dataset(_request(_md5(hostile)))
        assert not (cache / "LibriSpeech" / "dev-clean").exists()
        assert "\n" not in str(caught.value)
        assert not list(cache.rglob("escaped.txt"))
        assert not list((cache / "LibriSpeech").iterdir())
        (cache / "downloads" / "dev-clean.tar.gz").unlink()


def test_no_network_names_the_ways_out(cache: Path) -> None:
    with pytest.raises(DownloadError, match="cannot be downloaded") as caught:
        plugins.open_dataset(_request("0" * 32))
    assert "http://127.0.0.1:9/dev-clean.tar.gz" in str(caught.value)
    assert "--data-root" in str(caught.value)


@pytest.mark.parametrize("base", ["no-scheme", "ftp://127.0.0.1:9", "http://[bad"])
def test_an_address_that_is_none_is_no_checksum_failure(
    cache: Path, monkeypatch: pytest.MonkeyPatch, base: str
) -> None:
    monkeypatch.setenv("SNAC_EVAL_LIBRISPEECH_URL", base)
    with pytest.raises(DownloadError, match="cannot be downloaded"):
        plugins.open_dataset(_request("0" * 32))


def test_a_data_root_that_is_missing_is_said_before_any_download(
    tmp_path: Path, cache: Path
) -> None:
    with pytest.raises(DatasetError, match="no such folder; correct --data-root"):
        plugins.open_dataset(_request("0" * 32, data_root=tmp_path / "typo"))
    assert not cache.exists()


@pytest.mark.parametrize("inner", ["LibriSpeech", "."])
def test_local_split_of_any_name_is_found(tmp_path: Path, cache: Path, inner: str) -> None:
    split = tmp_path / "data" / inner / "my-split"
    (split / "7" / "8").mkdir(parents=True)
    soundfile.write(split / "7" / "8" / "7-8-0000.flac", tone(0.3), 16000)
    dataset = open_dataset("librispeech:my-split", tmp_path / "data")
    assert [(clip.id, clip.speaker, clip.domain) for clip in dataset.clips] == [
        ("7-8-0000", "7", "speech")
    ]


def test_unknown_and_empty_splits(tmp_path: Path, cache: Path) -> None:
    with pytest.raises(UsageError, match="official splits: dev-clean"):
        open_dataset("librispeech:test-cleen", tmp_path)
    with pytest.raises(UsageError, match="no folder's name"):
        open_dataset("librispeech:../x", tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DatasetError, match="is this a LibriSpeech split"):
        open_dataset("librispeech:empty", tmp_path)


def test_shared_test_mini_has_its_48_clips(shared_data: Path) -> None:
    clips = open_dataset("librispeech:test-mini", shared_data).clips
    assert len(clips) == 48
    assert len({clip.speaker for clip in clips}) == 4
    assert all(clip.transcript for clip in clips)


def test_only_the_chosen_clips_are_looked_at(
    audio_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    whole = audio.probe
    monkeypatch.setattr(audio, "probe", lambda path: seen.append(path) or whole(path))
    assert len(open_dataset(f"folder:{audio_dir}", limit=1).clips) == len(seen) == 1
