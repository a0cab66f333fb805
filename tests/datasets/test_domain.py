"""What clips are: by the dataset's word, else by the user's, and never by a guess."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile

from snac_eval import audio
from snac_eval.datasets.guessing import look, looks_like_speech
from snac_eval.datasets.opening import open_dataset
from snac_eval.registry.cards import data_dir
from snac_eval.run.config import RunConfig
from snac_eval.run.naming import default_output
from snac_eval.types import Waveform
from tests.conftest import tone

DEMO = data_dir("datasets") / "demo"
GUESS = "the clips look like speech at 24 kHz, but count as general: if they are speech, add"


def _copied(folder: Path, kind: str, below: str = "") -> Path:
    """The demo's clips of this kind, under names that say nothing."""
    (folder / below).mkdir(parents=True, exist_ok=True)
    for number, file in enumerate(sorted(DEMO.glob(f"{kind}_*.flac"))):
        shutil.copy(file, folder / below / f"{below or kind[0]}{number}.flac")
    return folder


def _domains(name: str, **options: str) -> dict[str, str]:
    return {clip.id: clip.domain for clip in open_dataset(name, **options).clips}  # type: ignore[arg-type]


def test_the_users_word_is_for_what_the_dataset_leaves_open(audio_dir: Path) -> None:
    soundfile.write(audio_dir / "loose.wav", tone(0.2), 16000)
    folder = f"folder:{audio_dir}"
    dataset = open_dataset(folder, domain="speech")
    said = {"loose": "speech", "music/c": "music", "speech/a": "speech", "speech/b": "speech"}
    assert {clip.id: clip.domain for clip in dataset.clips} == said
    assert dataset.card.domain == "speech"
    [note] = [one for one in dataset.notes if "--domain" in one]
    assert note.startswith("1 of 4 clips stay music, as the dataset says (first: music/c): ")
    assert _domains(folder)["loose"] == "general"


def test_a_lists_column_and_a_card_of_one_domain_win(audio_dir: Path) -> None:
    listed = audio_dir / "list.csv"
    listed.write_text("path,domain\nspeech/a.wav,music\nspeech/b.wav,\n")
    assert _domains(f"manifest:{listed}", domain="speech") == {
        "speech/a": "music",
        "speech/b": "speech",
    }
    (audio_dir / "cards" / "datasets").mkdir(parents=True)
    (audio_dir / "cards" / "datasets" / "songs.toml").write_text(
        'name = "songs"\nloader = "manifest"\ndescription = "d"\nlicence = "l"\ncitation = "c"\n'
        'domain = "music"\n'
    )
    listed.write_text("path\nspeech/a.wav\n")
    cards = [audio_dir / "cards"]
    songs = open_dataset(f"songs:{listed}", card_dirs=cards, domain="speech")
    assert [clip.domain for clip in songs.clips] == ["music"]
    assert "1 of 1 clips stay music, as the dataset says" in songs.notes[-1]


def test_a_run_of_another_domain_has_a_folder_of_its_own(tmp_path: Path) -> None:
    base = RunConfig(model="pcm_8bit", dataset="demo", output=tmp_path)
    speech = RunConfig(model="pcm_8bit", dataset="demo", output=tmp_path, domain="speech")
    assert default_output(base) != default_output(speech)


def test_speech_is_guessed_and_stays_general(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    dataset = open_dataset(f"folder:{_copied(tmp_path, 'speech')}", show_progress=True)
    assert {clip.domain for clip in dataset.clips} == {"general"}
    assert dataset.notes == (f"{GUESS} --domain speech",)
    assert capsys.readouterr().err == ""  # so few clips: the end comes soon
    assert open_dataset(f"folder:{tmp_path}", domain="general").notes == ()
    assert open_dataset("demo").notes == ()


def test_music_mixtures_and_names_that_object_are_no_speech(tmp_path: Path) -> None:
    assert open_dataset(f"folder:{_copied(tmp_path / 'music', 'music')}").notes == ()
    mixed = _copied(_copied(tmp_path / "mixed", "music"), "speech")
    assert open_dataset(f"folder:{mixed}").notes == ()
    songs = _copied(tmp_path / "songs", "speech", below="Songs")
    assert open_dataset(f"folder:{songs}").notes == ()


def test_only_the_clips_without_a_word_are_looked_at(tmp_path: Path) -> None:
    folder = _copied(_copied(tmp_path, "music", below="music"), "speech")
    [note] = open_dataset(f"folder:{folder}").notes
    assert note.startswith("6 clips look like speech at 24 kHz")


@pytest.mark.parametrize("name", ["silence", "noise", "bursts", "notes", "birds"])
def test_what_moves_like_speech_alone_is_none(name: str) -> None:
    rng, seconds = np.random.default_rng(0), np.arange(4 * 16000) / 16000
    gate = np.sin(2 * np.pi * 4 * seconds) > 0
    pitch = np.repeat(rng.choice([220, 262, 330, 392], 16), 4000)
    made = {
        "silence": np.zeros_like(seconds),
        "noise": rng.standard_normal(len(seconds)),
        "bursts": rng.standard_normal(len(seconds)) * gate,
        "notes": sum(np.sin(2 * np.pi * pitch * k * seconds) / k for k in range(1, 8)) * gate,
        "birds": np.sin(2 * np.pi * 2000 * seconds + 40 * np.sin(2 * np.pi * 3 * seconds)) * gate,
    }
    samples = np.asarray(0.1 * made[name], np.float32)
    assert not look(Waveform(samples[None], 16000)).is_speech


def test_what_cannot_be_read_says_nothing(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_text("no audio")
    soundfile.write(tmp_path / "short.wav", tone(0.3), 16000)
    assert looks_like_speech(open_dataset(f"folder:{tmp_path}").clips) == ""


def test_recordings_of_people_and_of_music(shared_data: Path) -> None:
    folders = [shared_data / "LibriSpeech" / "test-mini", shared_data / "music"]
    for folder, wanted in zip(folders, ("look like speech at 16 kHz", ""), strict=True):
        files = sorted(file for file in folder.rglob("*") if file.suffix in audio.AUDIO_SUFFIXES)
        clips = [audio.inspect(audio.make_clip(file, file.parent)) for file in files[:8]]
        assert looks_like_speech(clips) == wanted
