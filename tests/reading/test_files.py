"""Lengths are measured, contents decide who decodes, and whatever goes wrong names the file."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from snac_eval import audio
from snac_eval.errors import AudioError
from snac_eval.reading import files
from snac_eval.reading.source import DAMAGED, LESS, MORE, NO_END
from tests.conftest import tone
from tests.reading.odd_files import (
    compressed,
    encoded,
    flac,
    m4a,
    mp3,
    ogg,
    put,
    wav,
    with_cover,
)

FULL = 0xFFFFFFFF


@pytest.mark.parametrize(
    ("name", "content", "seconds", "remarks"),
    [
        ("size_zero.wav", wav(0, 0), 1.0, ()),
        ("size_unknown.wav", wav(FULL, FULL), 1.0, ()),
        ("size_of_sox.wav", wav(0x7FFFF000, 0x7FFFF024), 1.0, ()),
        ("bw64.wav", wav(FULL, FULL, b"BW64"), 1.0, ()),
        ("cut.wav", wav()[: 44 + 16000], 0.5, (LESS,)),
        ("cut_in_a_sample.wav", wav()[: 44 + 16001], 0.5, (LESS,)),
        ("unknown.flac", flac(0), 1.0, ()),
        ("doubled.flac", flac(32000), 1.0, (LESS,)),
        ("halved.flac", flac(8000), 1.0, (MORE,)),
        ("cut.flac", encoded("FLAC", "PCM_16", tone(4.0))[:40000], None, (LESS, DAMAGED)),
        ("counted.mp3", mp3(), 1.0, ()),
        ("not_counted.mp3", mp3(counts_frames=False), 1.045, ()),
        ("cover.mp3", with_cover(mp3()), 1.0, ()),
        ("cover_not_counted.mp3", with_cover(mp3(counts_frames=False)), 1.045, ()),
        ("cut.mp3", mp3(4.0)[:20000], 2.45, (LESS,)),
        ("joined.mp3", mp3(counts_frames=False) * 2, 2.09, ()),
        ("chained.ogg", ogg("VORBIS", 1) + ogg("VORBIS", 2, seed=1), 2.0, ()),
        ("chained.opus", ogg("OPUS", 1) + ogg("OPUS", 2, seed=1), 2.0, ()),
        ("cut.ogg", encoded("OGG", "VORBIS", tone(20.0))[:60000], None, (NO_END,)),
        ("long.m4a", m4a(2.0), 2.02, ()),
    ],
)
def test_lengths_are_what_is_there(
    tmp_path: Path, name: str, content: bytes, seconds: float | None, remarks: tuple[str, ...]
) -> None:
    path = put(tmp_path, name, content)
    facts = audio.probe(path)
    assert facts.duration_s == audio.read(path).duration_s
    assert facts.complete
    assert set(facts.remarks) <= set(remarks)
    assert set(remarks[:1]) <= set(facts.remarks)
    if seconds is not None:
        assert facts.duration_s == pytest.approx(seconds, abs=0.03)


@pytest.mark.parametrize(
    ("name", "content", "rate"),
    [
        ("m4a_called.wav", m4a(), 44100),
        ("m4a_called.mp3", m4a(), 44100),
        ("mp3_called.wav", mp3(), 44100),
        ("flac_called.wav", encoded("FLAC", "PCM_16", tone(1.0)), 16000),
        ("aac_called.mp3", compressed("adts", "aac", tone(1.0, 44100), 44100), 44100),
        ("bytes_without_a_name.audio", m4a(), 44100),
        ("opus_called.ogg", encoded("OGG", "OPUS", tone(1.0)), 16000),
        ("opus.webm", compressed("webm", "libopus", tone(1.0, 48000), 48000), 48000),
        ("mp3_in.wav", compressed("wav", "libmp3lame", tone(1.0, 44100), 44100), 44100),
    ],
)
def test_what_a_file_holds_decides_and_not_its_name(
    tmp_path: Path, name: str, content: bytes, rate: int
) -> None:
    path = put(tmp_path, name, content)
    waveform = audio.read(path)
    assert waveform.sample_rate == rate
    assert waveform.duration_s == pytest.approx(1.0, abs=0.06)
    assert 0.5 < np.abs(waveform.samples).max() / np.abs(tone(1.0, rate)).max() < 2


@pytest.mark.parametrize("subtype", ["PCM_S8", "PCM_16", "PCM_24"])
def test_flac_is_read_to_the_bit(tmp_path: Path, subtype: str) -> None:
    stereo = np.stack([tone(1.0), tone(1.0, seed=1)], axis=1)
    path = put(tmp_path, "a.flac", encoded("FLAC", subtype, stereo))
    expected, _ = soundfile.read(path, dtype="float32")
    np.testing.assert_array_equal(audio.read(path).samples, expected.T)
    part = audio.read(path, start_s=0.3, length_s=0.4)
    np.testing.assert_array_equal(part.samples, expected[4800:11200].T)


@pytest.mark.parametrize("name", ["a.mp3", "a.m4a", "a.ogg", "a.wav"])
def test_an_excerpt_is_that_part_of_the_whole(tmp_path: Path, name: str) -> None:
    contents = {"a.mp3": mp3(2.0), "a.m4a": m4a(2.0), "a.wav": wav()}
    contents["a.ogg"] = encoded("OGG", "VORBIS", tone(2.0))
    path = put(tmp_path, name, contents[name])
    whole = audio.read(path)
    part = audio.read(path, start_s=0.5, length_s=0.25)
    start, length = round(0.5 * whole.sample_rate), round(0.25 * whole.sample_rate)
    np.testing.assert_allclose(part.samples, whole.samples[:, start : start + length], atol=1e-6)
    late = audio.read(path, start_s=0.9, length_s=5.0)
    assert late.num_samples == whole.num_samples - round(0.9 * whole.sample_rate)


def test_nothing_is_refused(tmp_path: Path) -> None:
    no_samples = wav()[:4] + b"\x24\0\0\0" + wav()[8:40] + bytes(4)
    for name, content in (("header.wav", no_samples), ("nothing.wav", b"")):
        with pytest.raises(AudioError, match=r"holds no samples|is empty"):
            audio.read(put(tmp_path, name, content))


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("rate.wav", wav().replace(b"\x80\x3e\0\0", b"\1\0\0\0", 1), "sample rate of 1 Hz"),
        ("cut.m4a", m4a()[:2000], "cannot be read as audio"),
        ("list.wav", b"#EXTM3U\n#EXTINF:1,\n/etc/hostname\n#EXT-X-ENDLIST\n", "no known format"),
        ("list.mp3", b"ffconcat version 1.0\nfile /etc/hostname\n", "no known format"),
    ],
)
def test_what_is_no_audio_is_refused(tmp_path: Path, name: str, content: bytes, words: str) -> None:
    path = put(tmp_path, name, content)
    for read in (audio.probe, audio.read):
        with pytest.raises(AudioError, match=words) as caught:
            read(path)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["folder.wav", "pipe.wav", "zero\0.wav", "lone\ud800.wav"])
def test_what_is_no_file_is_refused_at_once(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    if name.startswith("folder"):
        path.mkdir()
    if name.startswith("pipe"):
        os.mkfifo(path)
    for read in (audio.probe, audio.read):
        with pytest.raises(AudioError, match=r"is no file|cannot be read|no such file") as caught:
            read(path)
        str(caught.value).encode()


def test_a_title_that_is_no_utf_8_is_no_obstacle(tmp_path: Path) -> None:
    content = m4a(metadata={"title": "XXXXX"})
    assert b"XXXXX" in content
    path = put(tmp_path, "a.m4a", content.replace(b"XXXXX", b"Caf\xe9s"))
    assert audio.read(path).duration_s == pytest.approx(1.02, abs=0.02)


def test_a_macos_file_beside_it_is_no_obstacle(tmp_path: Path) -> None:
    put(tmp_path, "._a.mp3", b"\0\5\x16\7\0\2\0\0Mac OS X        " + bytes(4072))
    path = put(tmp_path, "a.mp3", mp3(counts_frames=False))
    assert audio.read(path).duration_s == pytest.approx(1.045, abs=0.01)


def test_decoders_do_not_write_to_the_terminal(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    for index, content in enumerate(
        (mp3() * 2, mp3(4.0)[:20000], b"\xff\xfb\x90\x64" * 200 + bytes(4096), bytes(5000), m4a())
    ):
        clip = audio.make_clip(put(tmp_path, f"{index}.mp3", content), tmp_path)
        audio.inspect(clip)
    assert capfd.readouterr() == ("", "")


def test_a_long_file_is_not_decoded_to_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = put(tmp_path, "a.m4a", m4a(8.0))
    clip = audio.inspect(audio.make_clip(path, tmp_path), longest_s=1.0)
    assert 1.0 < clip.duration_s < 2.0
    monkeypatch.setattr(audio, "read", None)
    with pytest.raises(AudioError, match="lasts at least 1 s, more than --max-duration 1"):
        audio.read_clip(clip, 1.0)


def test_levels_do_not_depend_on_how_a_decoder_cuts_its_blocks(tmp_path: Path) -> None:
    samples = tone(7.3, 44100)
    path = put(tmp_path, "a.flac", encoded("FLAC", "PCM_24", samples, 44100))
    expected = [
        np.square(part, dtype=float).mean()
        for part in np.split(samples, range(4410, len(samples), 4410))
    ]
    np.testing.assert_allclose(audio.power_envelope(path, 0.1), expected, rtol=1e-4)


def test_a_decoder_that_runs_out_of_memory_costs_its_clip(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none_left(*_: object) -> None:
        raise MemoryError

    path = put(tmp_path, "a.wav", wav())
    monkeypatch.setattr(files, "_collect", none_left)
    with pytest.raises(AudioError, match="does not fit the memory"):
        audio.read(path)


@pytest.mark.skipif(sys.platform != "linux", reason="limits of memory are Linux's")
def test_a_clip_is_in_memory_once(tmp_path: Path) -> None:
    """80 MB of samples are read within 80 MB and a half of what is free."""
    path = tmp_path / "a.wav"
    soundfile.write(path, np.zeros((10_000_000, 2), np.float32), 192000, subtype="PCM_16")
    code = (
        "import resource, sys\n"
        "from pathlib import Path\n"
        "from snac_eval import audio\n"
        "import soundfile, av\n"
        "audio.read(Path(sys.argv[1]), 0, 0.1)\n"
        "used = int(Path('/proc/self/statm').read_text().split()[0]) * resource.getpagesize()\n"
        "limit = used + int(float(sys.argv[2]) * 80e6)\n"
        "resource.setrlimit(resource.RLIMIT_AS, (limit, limit))\n"
        "try:\n"
        "    print(audio.read(Path(sys.argv[1])).num_samples)\n"
        "except audio.AudioError as error:\n"
        "    print(error)\n"
    )
    for room, words in ((1.5, "10000000"), (0.5, "does not fit the memory")):
        done = subprocess.run(
            [sys.executable, "-c", code, str(path), str(room)],
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
        assert words in done.stdout
