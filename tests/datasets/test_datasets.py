"""Loaders find every clip, name what is wrong and where, and never leave half a corpus."""

from __future__ import annotations

import json
import os
import unicodedata
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from snac_eval import audio
from snac_eval.audio import read_clip
from snac_eval.codecs.opening import open_model
from snac_eval.datasets.opening import Sampling, open_dataset
from snac_eval.datasets.sampling import choose_clips
from snac_eval.errors import DatasetError, UsageError
from snac_eval.types import Clip
from tests.conftest import tone


def test_folder_is_sorted_and_knows_domains(audio_dir: Path) -> None:
    (audio_dir / ".hidden.wav").write_text("")
    (audio_dir / "notes.txt").write_text("")
    dataset = open_dataset(f"folder:{audio_dir}")
    assert [clip.id for clip in dataset.clips] == ["music/c", "speech/a", "speech/b"]
    assert [clip.domain for clip in dataset.clips] == ["music", "speech", "speech"]
    assert dataset.name == f"folder:{audio_dir}"
    assert dataset.clips[0].duration_s == pytest.approx(1.4)


def test_folders_of_one_name_are_told_apart_however_they_are_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in "AB":
        (tmp_path / name / "wav").mkdir(parents=True)
        soundfile.write(tmp_path / name / "wav" / "a.wav", tone(0.1), 16000)
    monkeypatch.chdir(tmp_path)
    ways = ("A/wav", "./B/../A/wav/", str(tmp_path / "A" / "wav"), "B/wav")
    names = [open_dataset(f"folder:{way}").name for way in ways]
    assert names == ["folder:A/wav", "folder:A/wav", "folder:A/wav", "folder:B/wav"]
    monkeypatch.chdir("A")
    assert open_dataset("folder:../B/wav").name == f"folder:{tmp_path / 'B' / 'wav'}"
    (tmp_path / "A" / "list.csv").write_text("path\nwav/a.wav\n")
    assert open_dataset("manifest:list.csv").name == "manifest:list"


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
        ("m.csv", "file\na.wav\n", r"m\.csv:1: names no column 'path' but 'file'"),
        ("m.csv", "path,age\na.wav,3\n", r"m\.csv:2: unknown column 'age'"),
        ("m.csv", "path;id\na.wav;x\n", r"m\.csv:1: is 'path;id'; separate .* by commas"),
        ("m.tsv", "path\tid\na.wav\tx\n", r"m\.tsv:1: .* separate the columns by commas"),
        ("m.csv", "a.wav\nb.wav\n", r"m\.csv:1: names no column 'path' but 'a.wav'"),
        ("m.scp", "utt1 /data/a.wav\n", r"m\.scp:1: .* as in Kaldi's lists; write CSV"),
        ("m.csv", "path\na.wav\0\n", r"m\.csv:2: holds a zero byte"),
        ("m.jsonl", '{"path": "a\\u0000"}', r"m\.jsonl:1: path 'a\\x00' holds a zero byte"),
        ("m.csv", "path\n..\\{here}\\a.wav\n", r"m\.csv:2: path .* has backslashes; write /"),
        ("m.json", '[{"path": "a.wav"}]', r"m\.json:1: must be a JSON object, one a line"),
        ("m.jsonl", '{"audio_filepath": "a.wav"}', r"unknown column 'audio_filepath'; known: path"),
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
        open_dataset(f"manifest:{_manifest(tmp_path, name, text.replace('{here}', tmp_path.name))}")


def test_cells_left_out_at_the_end_of_a_row_are_empty(tmp_path: Path) -> None:
    text = "path,transcript,speaker,domain,start\na.wav\n"
    (clip,) = open_dataset(f"manifest:{_manifest(tmp_path, 'm.csv', text)}").clips
    assert (clip.transcript, clip.speaker, clip.domain, clip.start_s) == ("", "", "general", 0.0)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("path,id\na.wav,x\na.wav,Zoë\n".encode("latin-1"), r"m\.csv:3: is no UTF-8 \(Latin-1"),
        ("path\na.wav\n".encode("utf-16"), r"m\.csv: is UTF-16; save it as UTF-8"),
    ],
)
def test_manifests_in_other_encodings_say_what_to_do(
    tmp_path: Path, content: bytes, words: str
) -> None:
    (tmp_path / "m.csv").write_bytes(content)
    with pytest.raises(DatasetError, match=words):
        open_dataset(f"manifest:{tmp_path / 'm.csv'}")


def test_a_manifest_without_a_name_or_that_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"manifest:FILE\.csv"):
        open_dataset("manifest")
    os.mkfifo(tmp_path / "pipe.csv")
    for name in ("pipe.csv", "."):
        with pytest.raises(DatasetError, match="is no file"):
            open_dataset(f"manifest:{tmp_path / name}")
    with pytest.raises(DatasetError, match="cannot be read: No such file"):
        open_dataset(f"manifest:{tmp_path / 'gone.csv'}")


def test_manifest_rows_that_cannot_be_read_become_problems(tmp_path: Path) -> None:
    text = "path,id,start,duration\nb.wav,missing,,\na.wav,late,5,\na.wav,long,1,3\n"
    text += f"{'x' * 5000},name,,\n"
    clips = open_dataset(f"manifest:{_manifest(tmp_path, 'm.csv', text)}").clips
    assert "no such file" in clips[0].problem
    assert "name too long" in clips[3].problem
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


def _speakers(folder: Path) -> list[Path]:
    """Two files of one name, in folders of two speakers."""
    paths = [folder / "wavs" / speaker / "000.wav" for speaker in ("spk1", "spk2")]
    for seed, path in enumerate(paths):
        path.parent.mkdir(parents=True)
        soundfile.write(path, tone(1.0, seed=seed), 16000)
    (folder / "lists").mkdir()
    return paths


@pytest.mark.parametrize("absolute", [True, False])
def test_ids_begin_below_the_folder_that_all_files_share(tmp_path: Path, absolute: bool) -> None:
    paths = _speakers(tmp_path)
    names = [str(path) if absolute else f"../wavs/{path.parent.name}/000.wav" for path in paths]
    (tmp_path / "lists" / "m.csv").write_text("path\n" + "\n".join(names))
    clips = open_dataset(f"manifest:{tmp_path / 'lists' / 'm.csv'}").clips
    assert [clip.id for clip in clips] == ["spk1/000", "spk2/000"]
    files = open_model(f"files:{tmp_path / 'wavs'}").source
    assert files is not None
    for clip in clips:
        assert np.array_equal(files.read(clip).samples, read_clip(clip, 10).samples)


def test_starts_that_are_close_have_ids_of_their_own(tmp_path: Path) -> None:
    text = "path,start,duration\na.wav,0.1000001,0.5\na.wav,0.1000002,0.5\n"
    clips = open_dataset(f"manifest:{_manifest(tmp_path, 'm.csv', text)}").clips
    assert [clip.id for clip in clips] == ["a@0.1000001", "a@0.1000002"]


def test_durations_may_be_rounded_and_a_cut_is_noted(tmp_path: Path) -> None:
    text = "path,id,duration\na.wav,exact,2.0\na.wav,rounded,2.004\na.wav,long,2.6\n"
    dataset = open_dataset(f"manifest:{_manifest(tmp_path, 'm.csv', text)}")
    exact, rounded, long = dataset.clips
    assert (exact.duration_s, rounded.duration_s) == (2.0, 2.0)
    assert read_clip(rounded, 10).num_samples == 32000
    assert "too short" in long.problem
    (note,) = (note for note in dataset.notes if "cut there" in note)
    assert note.startswith("1 of 3 clips end up to 0.5 s before the excerpt")
    assert note.endswith("(first: rounded)")


def test_accents_may_be_composed_or_not(tmp_path: Path) -> None:
    composed, decomposed = (unicodedata.normalize(form, "café") for form in ("NFC", "NFD"))
    assert composed != decomposed
    (tmp_path / decomposed).mkdir()
    soundfile.write(tmp_path / decomposed / f"{decomposed}.wav", tone(1.0), 16000)
    (tmp_path / "m.csv").write_text(f"path\n{composed}/{composed}.wav\n")
    (listed,) = open_dataset(f"manifest:{tmp_path / 'm.csv'}").clips
    (found,) = open_dataset(f"folder:{tmp_path}").clips
    assert listed.id == found.id == f"{composed}/{composed}"
    assert (listed.problem, found.problem) == ("", "")
    (tmp_path / "made" / composed).mkdir(parents=True)
    soundfile.write(tmp_path / "made" / composed / f"{composed}.flac", tone(1.0), 16000)
    files = open_model(f"files:{tmp_path / 'made'}").source
    assert files is not None
    assert files.read(found).num_samples == 16000


def test_both_forms_of_a_name_in_one_folder_are_two_clips(tmp_path: Path) -> None:
    for form in ("NFC", "NFD"):
        path = tmp_path / unicodedata.normalize(form, "é.wav")
        soundfile.write(path, tone(1.0, seed=len(form)), 16000)
    clips = open_dataset(f"folder:{tmp_path}").clips
    assert len({clip.id for clip in clips}) == 2
    assert not any(clip.problem for clip in clips)


@pytest.mark.parametrize(
    ("name", "clip_id"),
    [
        (b"mod\xe0.wav", "mod\\xe0"),
        (b"new\nline.wav", "new\\nline"),
        (b"esc\x1b[31mred.wav", "esc\\x1b[31mred"),
        ("a\u202eb\u2028c.wav".encode(), "a\\u202eb\\u2028c"),
        ("日本 😀.wav".encode(), "日本 😀"),
    ],
)
def test_names_become_ids_that_every_file_and_terminal_holds(
    tmp_path: Path, name: bytes, clip_id: str
) -> None:
    soundfile.write(tmp_path / "a.wav", tone(1.0), 16000)
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name))
    (tmp_path / "a.wav").rename(path)
    (clip,) = open_dataset(f"folder:{tmp_path}").clips
    assert clip.id == clip_id
    assert read_clip(clip, 10).num_samples == 16000
    path.write_bytes(b"no audio")
    (clip,) = open_dataset(f"folder:{tmp_path}").clips
    assert clip_id in clip.problem
    clip.problem.encode()


def test_names_that_are_equal_once_escaped_get_numbers(tmp_path: Path) -> None:
    for seed, name in enumerate((b"\xe0.wav", b"\\xe0.wav")):
        soundfile.write(tmp_path / "new", tone(1.0, seed=seed), 16000, format="WAV")
        (tmp_path / "new").rename(os.fsdecode(os.fsencode(tmp_path) + b"/" + name))
    clips = open_dataset(f"folder:{tmp_path}").clips
    assert [clip.id for clip in clips] == ["\\xe0.wav", "\\xe0.wav#2"]


def test_text_of_a_list_that_no_file_holds_is_escaped(tmp_path: Path) -> None:
    row = {"path": "a.wav", "id": "a\ud800", "speaker": "b\udcff\n", "transcript": "c\ud800\nd"}
    (clip,) = open_dataset(f"manifest:{_manifest(tmp_path, 'm.jsonl', json.dumps(row))}").clips
    assert (clip.id, clip.speaker) == ("a\\ud800", "b\\xff\\n")
    assert clip.transcript == "c\\ud800\nd"


def test_links_are_followed_and_loops_noticed(tmp_path: Path) -> None:
    (tmp_path / "disk" / "voices").mkdir(parents=True)
    soundfile.write(tmp_path / "disk" / "voices" / "a.wav", tone(1.0), 16000)
    here = tmp_path / "here"
    (here / "music").mkdir(parents=True)
    (here / "speech").symlink_to("../disk/voices")
    (here / "music" / "back").symlink_to("..")
    (here / "gone.wav").symlink_to("nowhere.wav")
    (here / "self.wav").symlink_to("self.wav")
    dataset = open_dataset(f"folder:{here}")
    assert [(clip.id, clip.domain) for clip in dataset.clips] == [("speech/a", "speech")]
    loops, lost = dataset.notes
    assert loops.endswith("are left out: " + str(here / "music" / "back"))
    assert str(here / "gone.wav") in lost
    assert str(here / "self.wav") in lost


def test_what_is_left_out_is_counted(audio_dir: Path) -> None:
    for name in ("._a.wav", ".hidden/a.wav", "__MACOSX/a.wav", "v.mp4", "w.MP4", "x.webm", "n.txt"):
        (audio_dir / name).parent.mkdir(exist_ok=True)
        (audio_dir / name).write_bytes(b"\0\5\x16\7")
    dataset = open_dataset(f"folder:{audio_dir}")
    assert len(dataset.clips) == 3
    assert dataset.notes == ("files of other formats are left out: 2 .mp4, 1 .webm",)


def test_equal_files_are_clips_of_their_own_and_noted(audio_dir: Path) -> None:
    (audio_dir / "speech" / "copy.wav").write_bytes((audio_dir / "speech" / "a.wav").read_bytes())
    dataset = open_dataset(f"folder:{audio_dir}")
    assert dataset.notes == (
        "1 of 4 clips are the same audio as another (first: speech/copy as speech/a):"
        " each counts as a clip",
    )
    assert len({clip.id for clip in dataset.clips}) == 4


def test_a_clip_that_is_too_long_is_measured_no_further(audio_dir: Path) -> None:
    soundfile.write(audio_dir / "long.flac", tone(30.0), 16000)
    sampling = Sampling(longest_s=2.0)

    def opened(sampling: Sampling) -> Clip:
        clips = open_dataset(f"folder:{audio_dir}", sampling=sampling).clips
        return next(clip for clip in clips if clip.id.startswith("long"))

    assert 2.0 < opened(sampling).duration_s < 30.0
    assert opened(replace(sampling, excerpt_s=1.0)).duration_s == 1.0


def test_a_tilde_is_the_home_folder_everywhere(
    audio_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(audio_dir))
    (audio_dir / "m.csv").write_text("path\n~/speech/a.wav\n")
    (clip,) = open_dataset("manifest:~/m.csv").clips
    assert (clip.id, clip.problem) == ("speech/a", "")
    assert len(open_dataset("folder:~").clips) == 3
    files = open_model("files:~").source
    assert files is not None
    assert files.read(clip).num_samples == 16000
    soundfile.write(audio_dir / "~a.wav", tone(1.0), 16000)
    (audio_dir / "m.csv").write_text("path\n~a.wav\n")
    assert open_dataset("manifest:~/m.csv").clips[0].problem == ""
    (audio_dir / "m.csv").write_text("path\n~b.wav\n")
    with pytest.raises(DatasetError, match=r"m\.csv:2: path ~b\.wav: whose folder is that"):
        open_dataset("manifest:~/m.csv")
    for name in ("folder:~nobody-of-this-name", "manifest:~nobody-of-this-name/m.csv"):
        with pytest.raises(UsageError, match="whose folder is that"):
            open_dataset(name)
