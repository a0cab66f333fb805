"""Reconstructions on disk: found by path or stem, never guessed, never outside the folder."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import numpy as np
import pytest
import soundfile

from snac_eval.codecs.opening import open_model
from snac_eval.codecs.reconstructions import FilesSource, load
from snac_eval.errors import AudioError, UsageError
from snac_eval.registry import plugins
from snac_eval.types import Clip, CodecRequest
from tests.conftest import tone


def source(root: Path) -> FilesSource:
    return FilesSource(plugins.codec_card("files"), root)


def clip(relative_path: str, start_s: float = 0.0, length_s: float | None = None) -> Clip:
    return Clip(
        id="the-clip",
        path=Path("/nowhere") / relative_path,
        relative_path=relative_path,
        sha256="0" * 64,
        duration_s=1.0,
        sample_rate=16000,
        start_s=start_s,
        length_s=length_s,
    )


def write(path: Path, num_samples: int = 800, sample_rate: int = 16000) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, tone(num_samples / sample_rate, sample_rate), sample_rate)
    return path


def test_exact_path_wins_over_the_same_stem(tmp_path: Path) -> None:
    write(tmp_path / "a/b.flac", 700)
    write(tmp_path / "a/b.wav", 800)
    assert source(tmp_path).read(clip("a/b.flac")).num_samples == 700


@pytest.mark.parametrize("name", ["b.wav", "b.FLAC", "b.ogg"])
def test_any_audio_suffix_will_do(tmp_path: Path, name: str) -> None:
    write(tmp_path / "a" / name, 8000)
    assert source(tmp_path).read(clip("a/b.mp3")).num_samples == 8000


def test_dots_in_a_stem_are_part_of_it(tmp_path: Path) -> None:
    write(tmp_path / "take.2.wav", 900)
    write(tmp_path / "take.3.wav", 1000)
    assert source(tmp_path).read(clip("take.3.flac")).num_samples == 1000


def test_rate_length_and_channels_are_the_files_own(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "b.wav", np.zeros((123, 2), np.float32), 44100)
    waveform = source(tmp_path).read(clip("b.wav"))
    assert waveform.samples.shape == (2, 123)
    assert waveform.sample_rate == 44100


def test_an_excerpt_of_a_clip_is_the_same_excerpt_here(tmp_path: Path) -> None:
    whole = write(tmp_path / "b.wav", 16000)
    waveform = source(tmp_path).read(clip("b.wav", start_s=0.25, length_s=0.5))
    expected, _ = soundfile.read(whole, dtype="float32")
    assert np.array_equal(waveform.samples[0], expected[4000:12000])


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    write(tmp_path / "a/other.wav")
    (tmp_path / "a/b.txt").write_text("not audio")
    with pytest.raises(AudioError, match=r"the-clip.*looked for") as caught:
        source(tmp_path).read(clip("a/b.flac"))
    assert str(tmp_path / "a/b.flac") in str(caught.value)
    with pytest.raises(AudioError, match="looked for"):
        source(tmp_path).read(clip("no/such/folder.flac"))


def test_two_candidates_are_ambiguous(tmp_path: Path) -> None:
    write(tmp_path / "b.wav")
    write(tmp_path / "b.ogg")
    with pytest.raises(AudioError, match=r"b\.ogg and b\.wav .* keep one"):
        source(tmp_path).read(clip("b.flac"))


def test_a_file_that_is_no_audio_is_refused(tmp_path: Path) -> None:
    (tmp_path / "b.wav").write_text("not audio")
    with pytest.raises(AudioError, match="cannot be read as audio"):
        source(tmp_path).read(clip("b.wav"))


@pytest.mark.parametrize("path", ["../secret.wav", "a/../../secret.wav", "/secret.wav", ""])
def test_no_path_leads_out_of_the_folder(tmp_path: Path, path: str) -> None:
    write(tmp_path / "secret.wav")
    write(tmp_path / "inside/a/b.wav")
    inside = source(tmp_path / "inside")
    wanted = clip(str(tmp_path / "secret.wav") if path.startswith("/") else path)
    with pytest.raises(AudioError, match="leads out of"):
        inside.read(wanted)
    assert inside.identity(wanted) == ""


def test_identity_follows_the_content(tmp_path: Path) -> None:
    path = write(tmp_path / "b.wav", 800)
    files = source(tmp_path)
    before = files.identity(clip("b.wav"))
    assert before == hashlib.sha256(path.read_bytes()).hexdigest()
    assert files.identity(clip("b.wav")) == before
    write(path, 900)
    os.utime(path, ns=(0, 0))
    assert files.identity(clip("b.wav")) != before


def test_a_file_that_turns_up_later_has_another_identity(tmp_path: Path) -> None:
    before = source(tmp_path).identity(clip("b.wav"))
    write(tmp_path / "b.wav")
    assert source(tmp_path).identity(clip("b.wav")) != before


def test_the_folder_must_be_named_and_exist(tmp_path: Path) -> None:
    card = plugins.codec_card("files:somewhere")
    with pytest.raises(UsageError, match="files:DIR"):
        load(CodecRequest(card))
    with pytest.raises(UsageError, match="is no folder"):
        load(CodecRequest(card, argument=str(tmp_path / "absent")))
    opened = open_model(f"files:{tmp_path}")
    assert (opened.coder, opened.card) == (None, card)
    assert isinstance(opened.source, FilesSource)
