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


def test_a_flat_folder_matches_a_tree_by_stems(tmp_path: Path) -> None:
    write(tmp_path / "b.wav", 700)
    files = source(tmp_path)
    assert files.read(clip("speaker/book/b.flac")).num_samples == 700
    assert files.identity(clip("speaker/book/b.flac")) != ""
    assert files.identity(clip("speaker/book/b.flac", start_s=0.1)) != ""  # an excerpt of it
    assert files.matched == {"speaker/book/b.flac": "b.wav"}
    with pytest.raises(
        UsageError, match=r"b\.wav could be of 'speaker/book/b.flac' and of 'other/b"
    ):
        files.identity(clip("other/b.flac"))


def test_a_folder_that_is_there_is_not_left(tmp_path: Path) -> None:
    write(tmp_path / "b.wav")
    (tmp_path / "speaker").mkdir()
    with pytest.raises(AudioError, match="looked for"):
        source(tmp_path).read(clip("speaker/b.flac"))
    write(tmp_path / "b.ogg")
    with pytest.raises(AudioError, match=r"b\.ogg and b\.wav in .* keep one"):
        source(tmp_path).read(clip("other/b.flac"))


def _opened(argument: str) -> FilesSource:
    opened = open_model(f"files:{argument}")
    assert isinstance(opened.source, FilesSource)
    assert opened.sent_by == opened.source.sent_by
    return opened.source


def _kbps(files: FilesSource, one: Clip, duration_s: float = 2.0) -> float | None:
    sent = files.sent(one, duration_s)
    return None if sent is None else sent.num_bits / duration_s / 1000


def test_a_rate_in_the_name_is_of_every_clip(tmp_path: Path) -> None:
    write(tmp_path / "b.wav")
    plain, rated = _opened(str(tmp_path)), _opened(f"{tmp_path}/@kbps=0.98")
    assert (plain.sent_by, plain.notes, _kbps(plain, clip("b.wav"))) == ("", (), None)
    assert (rated.sent_by, _kbps(rated, clip("b.wav"))) == ("declared", pytest.approx(0.98))
    assert rated.notes == ("the bitrate is declared (@kbps=0.98), not counted",)
    assert rated.card.nominal_bitrate_bps == pytest.approx(980)
    assert rated.identity(clip("b.wav")) == plain.identity(clip("b.wav"))
    named = write(tmp_path / "opus@kbps=6" / "b.wav").parent
    assert _opened(str(named)).sent_by == ""
    for wrong in ("", "0", "-1", "x", "inf", "nan"):
        with pytest.raises(UsageError, match="give kbit/s above 0, such as"):
            _opened(f"{tmp_path}@kbps={wrong}")


def test_a_list_says_the_rate_of_each_clip(tmp_path: Path) -> None:
    for name in ("a/b.wav", "c.wav", "d.wav"):
        write(tmp_path / name, 16000)
    (tmp_path / "bitrate.csv").write_text("path, kbps\na/b.flac,1.5\nc,2\n")
    files = _opened(f"{tmp_path}@kbps=9")
    found = {name: _kbps(files, clip(name)) for name in ("a/b.flac", "x/c.flac", "d.wav")}
    assert found == {"a/b.flac": pytest.approx(1.5), "x/c.flac": pytest.approx(2), "d.wav": None}
    before = _opened(str(tmp_path)).identity(clip("c.wav"))
    (tmp_path / "bitrate.csv").write_text("path,bits\nc.wav,3000\n")
    files = _opened(str(tmp_path))
    assert _kbps(files, clip("c.wav")) == pytest.approx(1.5)
    assert _kbps(files, clip("c.wav", start_s=0.5, length_s=0.5), 0.5) == pytest.approx(3)
    assert files.identity(clip("c.wav")) not in ("", before)
    assert files.notes == ("bitrates are declared in bitrate.csv, not counted",)
    with pytest.raises(UsageError, match=r"the row 'c' of bitrate.csv could be of 'c.wav' and of"):
        files.sent(clip("x/c.wav"), 1.0)


def test_the_bit_streams_beside_say_what_they_took(tmp_path: Path) -> None:
    write(tmp_path / "a/b.wav", 16000)
    (tmp_path / "a/b.bin").write_bytes(bytes(250))
    files = _opened(str(tmp_path))
    assert (files.sent_by, _kbps(files, clip("a/b.flac"))) == ("files", pytest.approx(1.0))
    assert "sizes of the bit streams' files (.bin)" in files.notes[0]
    (tmp_path / "a/b.ecdc").write_bytes(bytes(1))
    with pytest.raises(UsageError, match=r"b\.bin and b\.ecdc could both be the bit stream of b"):
        files.identity(clip("a/b.flac"))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", ":1: is ''; the first line is path,kbps or path,bits"),
        (b"file,kbps\nb,1\n", ":1: is 'file, kbps'; the first line is"),
        (b"path,kbps\n", ": lists nothing"),
        (b"path,kbps\nb,fast\n", ":2: kbps is 'fast'; give a number above 0"),
        (b"path,kbps\nb,-1\n", ":2: kbps is '-1'"),
        (b"path,kbps\nb\n", ":2: needs a path, and either kbps or bits"),
        (b"path,kbps,bits\nb,1,2\n", ":2: needs a path, and either kbps or bits"),
        (b"path,kbps\nb,1\nb.wav,2\n", ":3: 'b' is there twice; keep one row"),
        (b"path,kbps\n\xff,1\n", ": cannot be read: 'utf-8' codec"),
        (b'path,kbps\n"b,1\n', ": cannot be read: unexpected end of data"),
    ],
)
def test_a_broken_list_is_refused_with_its_line(tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "bitrate.csv").write_bytes(content)
    with pytest.raises(UsageError) as caught:
        _opened(str(tmp_path))
    assert str(caught.value).startswith(f"{tmp_path / 'bitrate.csv'}{said}")
    assert "\n" not in str(caught.value)
