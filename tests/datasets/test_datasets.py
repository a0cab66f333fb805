"""Loaders find every clip, name what is wrong and where, and never leave half a corpus."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import soundfile

from snac_eval import audio
from snac_eval.audio import read_clip
from snac_eval.datasets.opening import open_dataset
from snac_eval.datasets.sampling import choose_clips
from snac_eval.errors import DatasetError, UsageError
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


def test_only_the_chosen_clips_are_looked_at(
    audio_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    whole = audio.probe
    monkeypatch.setattr(audio, "probe", lambda path, *rest: seen.append(path) or whole(path))
    assert len(open_dataset(f"folder:{audio_dir}", limit=1).clips) == len(seen) == 1
