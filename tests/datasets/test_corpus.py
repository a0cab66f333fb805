"""Each published corpus, as a small archive in its true layout on a local server.

The shipped cards are read as they are; only the checksums are those of the small archives.
"""

from __future__ import annotations

import copy
import hashlib
import io
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
import soundfile

from snac_eval import download
from snac_eval.audio import clip_list_digest
from snac_eval.datasets import corpus
from snac_eval.datasets.opening import open_dataset
from snac_eval.errors import CardError, DatasetError, DownloadError, UsageError
from snac_eval.registry import plugins
from snac_eval.types import Dataset, DatasetRequest
from tests.conftest import tone
from tests.file_server import serve


def sound(format: str) -> bytes:  # noqa: A002 - soundfile's word
    """A third of a second of audio."""
    file = io.BytesIO()
    soundfile.write(file, tone(0.3), 16000, format=format)
    return file.getvalue()


WAV, FLAC, MP3 = sound("WAV"), sound("FLAC"), sound("MP3")
TRACKS = (
    ",album,set,set,track\n,comments,split,subset,title\ntrack_id,,,,\n"
    '2,0,training,small,"a, b"\n5,0,test,small,c\n10,1,test,large,d\n'
)


@dataclass(frozen=True)
class Small:
    """A corpus in small: its archives, and the clips of one split as (id, speaker, text)."""

    argument: str
    archives: Mapping[str, Mapping[str, bytes | str]]
    clips: list[tuple[str, str, str]]
    domain: str = "speech"
    paths: list[str] = field(default_factory=list)


SMALL = {
    "librispeech": Small(
        "dev-clean",
        {
            "dev-clean.tar.gz": {
                "LibriSpeech/README.TXT": "",
                "LibriSpeech/dev-clean/1272/128104/1272-128104-0000.flac": FLAC,
                "LibriSpeech/dev-clean/1272/128104/1272-128104-0001.flac": FLAC,
                "LibriSpeech/dev-clean/1272/128104/1272-128104.trans.txt": (
                    "1272-128104-0000 MISTER QUILTER\n1272-128104-0001 NOR IS\n"
                ),
                "LibriSpeech/dev-clean/84/121123/84-121123-0000.flac": FLAC,
                "LibriSpeech/dev-clean/84/121123/84-121123.trans.txt": "84-121123-0000 GO\n",
            }
        },
        [
            ("1272-128104-0000", "1272", "MISTER QUILTER"),
            ("1272-128104-0001", "1272", "NOR IS"),
            ("84-121123-0000", "84", "GO"),
        ],
        paths=["1272/128104/1272-128104-0000.flac"],
    ),
    "libritts": Small(
        "dev-clean",
        {
            "dev-clean.tar.gz": {
                "LibriTTS/speakers.tsv": "",
                "LibriTTS/dev-clean/84/121123/84_121123_000007_000001.wav": WAV,
                "LibriTTS/dev-clean/84/121123/84_121123_000007_000001.normalized.txt": "Go, do it!",
                "LibriTTS/dev-clean/84/121123/84_121123_000007_000001.original.txt": "Go",
                "LibriTTS/dev-clean/84/121123/84_121123.trans.tsv": "",
            }
        },
        [("84_121123_000007_000001", "84", "Go, do it!")],
        paths=["84/121123/84_121123_000007_000001.wav"],
    ),
    "vctk": Small(
        "mic2",
        {
            "VCTK-Corpus-0.92.zip": {
                "speaker-info.txt": "",
                "txt/p225/p225_001.txt": "Please call Stella.\n",
                "wav48_silence_trimmed/log.txt": "",
                "wav48_silence_trimmed/p225/p225_001_mic1.flac": FLAC,
                "wav48_silence_trimmed/p225/p225_001_mic2.flac": FLAC,
                "wav48_silence_trimmed/p280/p280_001_mic1.flac": FLAC,
                "wav48_silence_trimmed/s5/s5_001_mic2.flac": FLAC,
            }
        },
        [("p225_001", "p225", "Please call Stella."), ("s5_001", "s5", "")],
        paths=["wav48_silence_trimmed/p225/p225_001_mic2.flac"],
    ),
    "daps": Small(
        "",
        {
            "daps.tar.gz": {
                "daps/clean/f1_script1_clean.wav": WAV,
                "daps/clean/m10_script5_clean.wav": WAV,
                "daps/clean/._f1_script1_clean.wav": "made by a Macintosh",
                "daps/ipad_office1/f1_script1_ipad_office1.wav": WAV,
                "daps/supplementary_files/readme.txt": "",
            }
        },
        [("f1_script1_clean", "f1", ""), ("m10_script5_clean", "m10", "")],
    ),
    "ljspeech": Small(
        "",
        {
            "LJSpeech-1.1.tar.bz2": {
                "LJSpeech-1.1/README": "",
                "LJSpeech-1.1/metadata.csv": (
                    'LJ001-0001|In "1455|In "fourteen fifty-five\nLJ001-0002|so|so, it was\n'
                ),
                "LJSpeech-1.1/wavs/LJ001-0001.wav": WAV,
                "LJSpeech-1.1/wavs/LJ001-0002.wav": WAV,
            }
        },
        [("LJ001-0001", "LJ", 'In "fourteen fifty-five'), ("LJ001-0002", "LJ", "so, it was")],
    ),
    "musdb18_hq": Small(
        "",
        {
            "musdb18hq.zip": {
                "test/Al James - Schoolboy Facination/mixture.wav": WAV,
                "test/Al James - Schoolboy Facination/vocals.wav": WAV,
                "train/A Classic Education - NightOwl/mixture.wav": WAV,
            }
        },
        [("Al James - Schoolboy Facination", "", "")],
        "music",
    ),
    "gtzan": Small(
        "",
        {
            "genres.tar.gz": {
                "genres/blues/blues.00000.wav": WAV,
                "genres/rock/rock.00099.wav": WAV,
                "genres/bextract_single.mf": "",
            }
        },
        [("blues.00000", "", ""), ("rock.00099", "", "")],
        "music",
    ),
    "fma_small": Small(
        "test",
        {
            "fma_small.zip": {
                "fma_small/README.txt": "",
                "fma_small/000/000002.mp3": MP3,
                "fma_small/000/000005.mp3": MP3,
            },
            "fma_metadata.zip": {"fma_metadata/tracks.csv": TRACKS, "fma_metadata/genres.csv": ""},
        },
        [("000005", "", "")],
        "music",
        ["000/000005.mp3"],
    ),
    "esc50": Small(
        "5",
        {
            "master.zip": {
                "ESC-50-master/audio/1-100032-A-0.wav": WAV,
                "ESC-50-master/audio/5-9032-A-0.wav": WAV,
                "ESC-50-master/meta/esc50.csv": "filename,fold\n",
            }
        },
        [("5-9032-A-0", "", "")],
        "general",
    ),
}
NAMES = sorted(SMALL)


def write_archive(path: Path, members: Mapping[str, bytes | str], escape: str = "") -> None:
    """A tar or zip by suffix; ``escape`` names one more member."""
    content = {
        name: body.encode() if isinstance(body, str) else body for name, body in members.items()
    }
    if escape:
        content[escape] = b"outside"
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, body in content.items():
                archive.writestr(name, body)
        return
    with tarfile.open(path, "w:" + path.suffix.removeprefix(".")) as tar:
        for name, body in content.items():
            info = tarfile.TarInfo(name)
            info.size = len(body)
            tar.addfile(info, io.BytesIO(body))


class Corpus:
    """A small corpus on disk, about to be served, with the request for it."""

    def __init__(self, name: str, folder: Path, escape: str = "") -> None:
        self.name, self.small, self.folder = name, SMALL[name], folder
        folder.mkdir()
        for archive, members in self.small.archives.items():
            write_archive(folder / archive, members, escape)

    @property
    def archives(self) -> list[Path]:
        return [self.folder / name for name in self.small.archives]

    def request(self, argument: str | None = None, data_root: Path | None = None) -> DatasetRequest:
        """With the checksums of the archives as they are now."""
        card = plugins.dataset_card(self.name)
        options = copy.deepcopy(dict(card.options))
        split = self.small.argument if argument is None else argument
        for entry in options["archives"]:
            file = self.folder / download.archive_name(entry["url"].replace("{split}", split))
            entry["checksum"] = "sha256:" + hashlib.sha256(file.read_bytes()).hexdigest()
        return DatasetRequest(replace(card, options=options), split, data_root)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of the test's own."""
    monkeypatch.setenv("SNAC_EVAL_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture(params=NAMES)
def small(
    request: pytest.FixtureRequest, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> Corpus:
    """Every corpus in turn."""
    return Corpus(request.param, tmp_path / "served")


def open_served(
    corpus: Corpus,
    request: DatasetRequest,
    monkeypatch: pytest.MonkeyPatch,
    cut_first_at: int | None = None,
) -> tuple[Dataset, list[str]]:
    """The dataset from the corpus's own server, and the ranges that were asked for."""
    with serve(corpus.folder, cut_first_at) as (url, ranges):
        monkeypatch.setenv(f"SNAC_EVAL_{corpus.name.upper()}_URL", url)
        return plugins.open_dataset(request), ranges


def partial_files(cache: Path) -> list[Path]:
    """Everything in the cache but locks."""
    return [path for path in cache.rglob("*") if path.is_file() and path.parent != cache / "locks"]


def described(dataset: Dataset) -> list[tuple[str, str, str]]:
    return [(clip.id, clip.speaker, clip.transcript) for clip in dataset.clips]


def test_layout_is_downloaded_checked_and_listed(
    small: Corpus, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset, ranges = open_served(small, small.request(), monkeypatch)
    assert described(dataset) == small.small.clips
    assert {clip.domain for clip in dataset.clips} == {small.small.domain}
    assert all(clip.path.is_file() for clip in dataset.clips)
    assert [clip.relative_path for clip in dataset.clips][: len(small.small.paths)] == (
        small.small.paths
    )
    assert ranges == [""] * len(small.archives)
    assert not any(path.is_file() for path in (cache / "downloads").rglob("*"))
    again, none = open_served(small, small.request(), monkeypatch)
    assert again == dataset
    assert none == []


def test_unpacked_by_hand_below_the_data_root(small: Corpus, tmp_path: Path) -> None:
    root = tmp_path / "root"
    options = plugins.dataset_card(small.name).options
    for archive, entry in zip(small.archives, options["archives"], strict=True):
        target = root / str(options["roots"][-1])
        flat = entry["unpacks"].startswith((".", "fma"))
        download._extract(archive, target if flat else tmp_path / "unpacked")
    if not root.exists():
        root.mkdir()
        (tmp_path / "unpacked" / options["roots"][0]).rename(root / options["roots"][-1])
    assert described(plugins.open_dataset(small.request(data_root=root))) == small.small.clips


def test_wrong_checksum_keeps_nothing(
    small: Corpus, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = small.request()
    write_archive(small.archives[-1], {"other": "content"})
    with pytest.raises(DownloadError, match="checksum differs") as caught:
        open_served(small, request, monkeypatch)
    assert "--data-root" in str(caught.value)
    assert not [path for path in partial_files(cache) if "downloads" in path.parts]
    assert not any(cache.rglob(small.archives[-1].name))


@pytest.mark.parametrize("keep", [0, 30, 0.5, -1], ids=["empty", "start", "half", "last byte"])
def test_truncated_archive_is_refused_and_removed(
    small: Corpus, cache: Path, monkeypatch: pytest.MonkeyPatch, keep: float
) -> None:
    whole = small.archives[0].read_bytes()
    cut = int(keep * len(whole)) if isinstance(keep, float) else int(keep)
    small.archives[0].write_bytes(whole[:cut])
    with pytest.raises(DownloadError, match=r"cannot be (unpacked|downloaded)") as caught:
        open_served(small, small.request(), monkeypatch)
    assert "\n" not in str(caught.value)
    assert partial_files(cache) == []


@pytest.mark.parametrize("escape", ["../../escaped.txt", "a/../../../escaped.txt"])
def test_archive_that_reaches_outside_is_refused(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch, escape: str
) -> None:
    for name in NAMES:
        hostile = Corpus(name, tmp_path / name, escape)
        with pytest.raises(DownloadError, match="cannot be unpacked") as caught:
            open_served(hostile, hostile.request(), monkeypatch)
        assert "outside" in str(caught.value)
        assert "\n" not in str(caught.value)
        assert partial_files(cache) == []
    assert not list(tmp_path.rglob("escaped.txt"))


@pytest.mark.parametrize("name", ["/tmp/snac-eval-x", "C:/x", "..\\..\\x"])
def test_zip_with_a_path_of_its_own_is_refused(tmp_path: Path, name: str) -> None:
    write_archive(tmp_path / "a.zip", {name: b"outside"})
    with pytest.raises(DownloadError, match="would land outside"):
        download.unpack(tmp_path / "a.zip", tmp_path / "out", ".")
    assert list(tmp_path.iterdir()) == []


def test_zip_with_a_link_is_refused(tmp_path: Path) -> None:
    member = zipfile.ZipInfo("link")
    member.external_attr = 0o120777 << 16
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr(member, "/etc")
    with pytest.raises(DownloadError, match="is a link"):
        download.unpack(tmp_path / "a.zip", tmp_path / "out", ".")
    assert list(tmp_path.iterdir()) == []


def test_broken_off_download_goes_on(
    small: Corpus, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(DownloadError, match="try again to go on"):
        open_served(small, small.request(), monkeypatch, cut_first_at=100)
    assert [path.suffix for path in partial_files(cache)] == [".part"]
    dataset, ranges = open_served(small, small.request(), monkeypatch)
    assert described(dataset) == small.small.clips
    assert ranges == ["bytes=100-"] + [""] * (len(small.archives) - 1)


def test_resumed_onto_another_file_is_refused(
    small: Corpus, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(DownloadError):
        open_served(small, small.request(), monkeypatch, cut_first_at=100)
    (part,) = partial_files(cache)
    part.write_bytes(b"x" * 100)
    with pytest.raises(DownloadError, match="checksum differs"):
        open_served(small, small.request(), monkeypatch)
    assert partial_files(cache) == []


def test_two_processes_download_once(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    esc50 = Corpus("esc50", tmp_path / "served")
    program = "from snac_eval import load_dataset; print(len(load_dataset('esc50').clips))"
    with serve(esc50.folder) as (url, ranges):
        monkeypatch.setenv("SNAC_EVAL_ESC50_URL", url)
        command = [sys.executable, "-c", program]
        both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
        assert [process.communicate()[0] for process in both] == ["2\n", "2\n"]
    assert len(ranges) == 1


def test_what_differs_from_the_published_corpus_is_noted(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    esc50 = Corpus("esc50", tmp_path / "esc50")
    request = replace(esc50.request(), card=plugins.dataset_card("esc50"))
    notes = " / ".join(open_served(esc50, request, monkeypatch)[0].notes)
    assert "master.zip is unverified" in notes
    assert "400 clips here officially, 1 were found" in notes
    assert "meta/esc50.csv is not the published one" in notes
    gtzan = Corpus("gtzan", tmp_path / "gtzan")
    assert "not the frozen one" in open_served(gtzan, gtzan.request(), monkeypatch)[0].notes[-1]


@pytest.mark.parametrize(("name", "split"), [("gtzan", "all"), ("daps", "clean")])
def test_frozen_lists_are_those_of_the_papers(
    tmp_path: Path, cache: Path, name: str, split: str
) -> None:
    options: Mapping[str, Any] = plugins.dataset_card(name).options
    if name == "gtzan":
        paths = [f"{genre}/{genre}.{i:05d}.wav" for genre in options["splits"] for i in range(100)]
    else:
        people = [f"{sex}{i}" for sex in "fm" for i in range(1, 11)]
        paths = [f"clean/{who}_script{i}_clean.wav" for who in people for i in range(1, 6)]
    for path in paths:
        file = tmp_path / "root" / options["roots"][0] / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    dataset = plugins.open_dataset(
        DatasetRequest(plugins.dataset_card(name), data_root=tmp_path / "root")
    )
    assert dataset.notes == ()
    assert clip_list_digest(clip.id for clip in dataset.clips) == options["clip_lists"][split]
    file.unlink()
    fewer = plugins.open_dataset(
        DatasetRequest(plugins.dataset_card(name), data_root=tmp_path / "root")
    )
    assert len(fewer.notes) == 2


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"splits": "test"}, "'splits' is 'test'; it should be a list"),
        ({"pattern": "("}, "'pattern' is '('; it should be a regular expression"),
        ({"num_clips": {"all": True}}, "'num_clips.all' is True; it should be a whole number"),
        ({"transcripts": {"files": "*", "separator": " "}}, "'transcripts.column' is missing"),
        (
            {"transcript": "{reader}.txt"},
            "('reader'); in braces stand groups of pattern: id",
        ),
        ({"transcript": "{id:>9999999999}"}, "in braces stand groups of pattern: id"),
        ({"transcript": "{id.__class__}"}, "in braces stand groups of pattern: id"),
        ({"transcript": "{"}, "in braces stand groups of pattern: id"),
        ({"archives": [{"url": "x", "checksum": "crc:1"}]}, "'crc:1' is no checksum"),
        ({"list_files": {"x": "shake_128:1"}}, "'shake_128:1' is no checksum"),
        ({"archives": []}, "'archives' is []; it should be longer"),
        (
            {"archives": [{"urll": "x"}]},
            "unknown key 'urll' in archives[0]; did you mean 'url'",
        ),
        ({"archives": [{"url": "x", "checksum": 3}]}, "it should be text or a table"),
        ({"archives": [{"to": "x"}]}, "say in 'manual' how to get it by hand"),
        *(
            (change, "give a relative path without '..'")
            for outside in ("/etc", "../x", "a/../../x", "C:/x", "..\\x", "x\0")
            for change in (
                {"roots": [outside]},
                {"roots": ["esc50", outside]},
                {"archives": [{"url": "x", "to": outside}]},
                {"archives": [{"url": "x", "unpacks": outside}]},
                {"transcript": outside},
                {"listed_in": outside},
                {"list_files": {outside: "md5:0"}},
                {"split_table": {"file": outside, "column": ["split"], "digits": 1}},
            )
        ),
        *(
            (change, "give a relative pattern")
            for outside in ("/etc/*", "../*", "a**", "")
            for change in (
                {"glob": outside},
                {"transcripts": {"files": outside, "separator": " ", "column": 1}},
            )
        ),
        ({"archives": [{"url": "x", "marker": "../x"}]}, "give a relative pattern"),
        ({"roots": ["."]}, "give the name of a folder"),
        ({"roots": [""]}, "give the name of a folder"),
    ],
)
def test_a_card_with_wrong_options_is_refused(change: dict[str, Any], words: str) -> None:
    card = plugins.dataset_card("esc50")
    wrong = replace(card, options={**card.options, **change})
    with pytest.raises(CardError) as caught:
        plugins.open_dataset(DatasetRequest(wrong))
    assert str(caught.value).startswith("dataset card 'esc50', options: ")
    assert words in str(caught.value)


@pytest.mark.parametrize("split", ["..", ".", "/etc", "a/b"])
def test_a_split_that_leads_out_of_the_corpus_is_refused(cache: Path, split: str) -> None:
    with pytest.raises(UsageError, match="is no folder's name"):
        open_dataset(f"librispeech:{split}")
    assert not cache.exists()


def test_a_card_moves_nothing_outside_the_cache(tmp_path: Path, cache: Path) -> None:
    """Whatever the card says, the user's own folder stays as it is."""
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "file").write_text("mine")
    card = plugins.dataset_card("esc50")
    for outside in (str(tmp_path / "own"), "../own", "../../own"):
        archive = {"url": "http://127.0.0.1:9/x.zip"}
        for change in (
            {"roots": [outside]},
            {"archives": [archive | {"to": outside}]},
            {"archives": [archive | {"unpacks": outside}]},
        ):
            wrong = replace(card, options={**card.options, **change})
            with pytest.raises(CardError):
                plugins.open_dataset(DatasetRequest(wrong))
    assert (tmp_path / "own" / "file").read_text() == "mine"
    assert not cache.exists()


def test_an_archive_that_a_killed_process_left_is_cleared(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = Corpus("esc50", tmp_path / "served")
    open_served(small, small.request(), monkeypatch)
    left = cache / "downloads" / "esc50" / "master.zip"
    left.write_bytes(b"what was unpacked before the kill")
    plugins.open_dataset(small.request())
    assert not left.exists()


# Where a corpus is looked for, and what is said where it is not there.


def test_no_network_names_the_ways_out(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SNAC_EVAL_LIBRISPEECH_URL", "http://127.0.0.1:9")
    with pytest.raises(DownloadError, match="cannot be downloaded") as caught:
        open_dataset("librispeech")
    assert "http://127.0.0.1:9/test-clean.tar.gz" in str(caught.value)
    assert "LibriSpeech/test-clean with --data-root" in str(caught.value)


@pytest.mark.parametrize("base", ["no-scheme", "ftp://127.0.0.1:9", "http://[bad"])
def test_an_address_that_is_none_is_no_checksum_failure(
    cache: Path, monkeypatch: pytest.MonkeyPatch, base: str
) -> None:
    monkeypatch.setenv("SNAC_EVAL_LIBRISPEECH_URL", base)
    with pytest.raises(DownloadError, match="cannot be downloaded"):
        open_dataset("librispeech")


def test_a_cache_that_cannot_be_written_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("SNAC_EVAL_CACHE", str(tmp_path / "file"))
    with pytest.raises(DownloadError, match="set SNAC_EVAL_CACHE"):
        open_dataset("librispeech")


def test_a_data_root_that_is_missing_is_said_before_any_download(
    tmp_path: Path, cache: Path
) -> None:
    with pytest.raises(DatasetError, match="no such folder; correct --data-root"):
        open_dataset("librispeech", tmp_path / "typo")
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
    assert dataset.name == "librispeech:my-split"


def test_unknown_and_empty_splits(tmp_path: Path, cache: Path) -> None:
    with pytest.raises(UsageError, match="official splits: test-clean"):
        open_dataset("librispeech:test-cleen", tmp_path)
    with pytest.raises(UsageError, match="no folder's name"):
        open_dataset("librispeech:../x", tmp_path)
    with pytest.raises(UsageError, match="official splits: mic1, mic2"):
        open_dataset("vctk:mic3", tmp_path)
    with pytest.raises(UsageError, match="it has no splits: leave it out"):
        open_dataset("ljspeech:train", tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DatasetError, match="is this that corpus"):
        open_dataset("librispeech:empty", tmp_path)


@pytest.mark.parametrize("inner", ["LibriSpeech", "LibriSpeech/LibriSpeech"])
def test_what_macos_leaves_beside_each_file_is_passed_over(
    tmp_path: Path, cache: Path, inner: str
) -> None:
    chapter = tmp_path / inner / "test-clean" / "7" / "8"
    chapter.mkdir(parents=True)
    (chapter / "7-8-0000.flac").write_bytes(FLAC)
    (chapter / "7-8.trans.txt").write_bytes(b"7-8-0000 CAF\xc9 \xe2\x80\xa8 BAR\n")
    for path in list(chapter.iterdir()):
        (chapter / f"._{path.name}").write_bytes(b"\0\5\x16\7\0\2\0\0\xb0" + bytes(100))
    dataset = open_dataset("librispeech:test-clean", tmp_path)
    assert described(dataset) == [("7-8-0000", "7", "CAF\ufffd \u2028 BAR")]
    assert not any(clip.problem for clip in dataset.clips)


def test_linked_folders_of_a_corpus_are_followed_and_loops_end(tmp_path: Path, cache: Path) -> None:
    (tmp_path / "disk" / "more").mkdir(parents=True)
    (tmp_path / "disk" / "more" / "Y0123456789A.flac").write_bytes(FLAC)
    root = tmp_path / "audioset" / "eval"
    root.mkdir(parents=True)
    (root / "linked").symlink_to(tmp_path / "disk")
    (root / "loop").symlink_to(root)
    (clip,) = open_dataset("audioset_eval", tmp_path).clips
    assert (clip.id, clip.problem) == ("0123456789A", "")


def test_a_split_table_without_its_column_is_refused(tmp_path: Path, cache: Path) -> None:
    for name, content in (("fma_small/000/000002.mp3", MP3), ("fma_metadata/tracks.csv", b"a,b\n")):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_bytes(content)
    with pytest.raises(DatasetError, match=r"tracks\.csv: cannot be read as a table"):
        open_dataset("fma_small:test", tmp_path)
    assert len(open_dataset("fma_small", tmp_path).clips) == 1


def test_shared_test_mini_has_its_48_clips(shared_data: Path) -> None:
    clips = open_dataset("librispeech:test-mini", shared_data).clips
    assert len(clips) == 48
    assert len({clip.speaker for clip in clips}) == 4
    assert all(clip.transcript for clip in clips)


# Those that one downloads by hand.


def test_audioset_takes_the_listed_segments(tmp_path: Path, cache: Path) -> None:
    folder = tmp_path / "audioset" / "eval"
    folder.mkdir(parents=True)
    with pytest.raises(DatasetError, match="holds no eval"):
        open_dataset("audioset_eval", tmp_path)
    for name in ("Y--4gqARaEJE.wav", "YbcdefghijK_30_40.wav", "notlisted00.wav", "readme.txt"):
        (folder / name).write_bytes(WAV)
    assert len(open_dataset("audioset_eval", tmp_path).clips) == 3
    (tmp_path / "audioset" / "eval_segments.csv").write_text(
        "# Segments csv created Sun Mar  5 10:54:25 2017\n# num_ytids=3\n# YTID, start_seconds\n"
        '--4gqARaEJE, 0.000, 10.000, "/m/068hy,/m/07q6cd_"\n'
        'YbcdefghijK, 30.000, 40.000, "/m/09x0r"\nmissing0000, 0, 10, "/m/09x0r"\n'
    )
    dataset = open_dataset("audioset_eval", tmp_path)
    assert [clip.id for clip in dataset.clips] == ["--4gqARaEJE", "YbcdefghijK"]
    assert "2 of the 3 clips that eval_segments.csv lists are there" in dataset.notes


def test_audioset_says_what_to_put_where(tmp_path: Path, cache: Path) -> None:
    with pytest.raises(DatasetError, match="put each segment that you have at ROOT") as caught:
        open_dataset("audioset_eval", tmp_path)
    assert str(tmp_path / "audioset" / "eval") in str(caught.value)


def _common_voice(root: Path, version: str = "cv-corpus-17.0-2024-03-15") -> Path:
    folder = root / version / "cy"
    (folder / "clips").mkdir(parents=True)
    (folder / "clips" / "common_voice_cy_17849.mp3").write_bytes(MP3)
    (folder / "test.tsv").write_text(
        "client_id\tpath\tsentence\tup_votes\n"
        'ab12\tcommon_voice_cy_17849.mp3\tMae "hi yn oer.\t2\n'
        "cd34\tcommon_voice_cy_20000.mp3\tNos da\t2\n"
    )
    return root


def test_common_voice_reads_its_lists(tmp_path: Path) -> None:
    dataset = open_dataset("common_voice:cy/test", _common_voice(tmp_path))
    assert dataset.name == "common_voice:cy/test@cv-corpus-17.0-2024-03-15"
    assert described(dataset) == [
        ("common_voice_cy_17849", "ab12", 'Mae "hi yn oer.'),
        ("common_voice_cy_20000", "cd34", "Nos da"),
    ]
    assert [bool(clip.problem) for clip in dataset.clips] == [False, True]


@pytest.mark.parametrize("argument", ["", ":cy", ":cy/", ":cy/../test", ":/test"])
def test_common_voice_needs_language_and_split(tmp_path: Path, argument: str) -> None:
    with pytest.raises(UsageError, match="common_voice:en/test"):
        open_dataset(f"common_voice{argument}", tmp_path)


def test_common_voice_says_what_to_put_where(tmp_path: Path) -> None:
    for root in (None, tmp_path):
        with pytest.raises(DatasetError, match="may not be downloaded automatically"):
            open_dataset("common_voice:cy/test", root)
    for version in ("cv-corpus-16.0", "cv-corpus-17.0"):
        _common_voice(tmp_path, version)
    with pytest.raises(DatasetError, match="several releases"):
        open_dataset("common_voice:cy/test", tmp_path)
    assert open_dataset("common_voice:cy/test", tmp_path / "cv-corpus-16.0").clips
    (tmp_path / "cv-corpus-16.0" / "cy" / "test.tsv").write_text("a\tb\n")
    with pytest.raises(DatasetError, match="has no column 'path'"):
        open_dataset("common_voice:cy/test", tmp_path / "cv-corpus-16.0")


def test_every_card_of_the_corpus_loader_is_tested() -> None:
    names = {
        name for name in plugins.dataset_names() if plugins.dataset_card(name).loader == "corpus"
    }
    assert names == {*SMALL, "audioset_eval"}
    for name in names:
        assert plugins.dataset_card(name).licence
        assert plugins.dataset_card(name).citation
        assert plugins.dataset_card(name).url.startswith("https://")
    assert plugins.dataset_card("esc50").options["archives"][0]["checksum"] == corpus.UNVERIFIED
