"""Reading refuses what is no audio; resampling, mixing and alignment do what they say."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from snac_eval import audio
from snac_eval.errors import AudioError
from snac_eval.types import Waveform
from tests.conftest import tone


def _write(path: Path, samples: np.ndarray, rate: int = 16000) -> Path:
    soundfile.write(path, samples, rate, subtype="FLOAT")
    return path


def test_reads_channels_first_and_excerpts(tmp_path: Path) -> None:
    stereo = np.stack([tone(seed=1), tone(seed=2)], axis=1)
    path = _write(tmp_path / "a.wav", stereo)
    whole = audio.read(path)
    assert whole.samples.shape == (2, 16000)
    assert whole.samples.dtype == np.float32
    part = audio.read(path, start_s=0.25, length_s=0.5)
    np.testing.assert_array_equal(part.samples, whole.samples[:, 4000:12000])


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("missing.wav", None, "no such file"),
        ("text.wav", b"this is text, not audio", "cannot be read as audio"),
        ("text.m4a", b"this is text, not audio", "cannot be read as audio"),
    ],
)
def test_unreadable_files_are_named(
    tmp_path: Path, name: str, content: bytes | None, words: str
) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    for read in (audio.read, audio.probe):
        with pytest.raises(AudioError, match=words) as caught:
            read(path)
        assert str(path) in str(caught.value)
        assert "\n" not in str(caught.value)


def test_empty_and_nan_are_refused(tmp_path: Path) -> None:
    with pytest.raises(AudioError, match="holds no samples"):
        audio.read(_write(tmp_path / "empty.wav", np.zeros(0, dtype=np.float32)))
    broken = tone()
    broken[5] = np.nan
    with pytest.raises(AudioError, match="NaN or infinite"):
        audio.read(_write(tmp_path / "nan.wav", broken))


def test_too_long_and_too_many_channels_are_refused(tmp_path: Path) -> None:
    path = _write(tmp_path / "eight.wav", np.zeros((1600, 8), dtype=np.float32))
    clip = audio.inspect(audio.make_clip(path, tmp_path))
    with pytest.raises(AudioError, match="8 channels"):
        audio.read_clip(clip, max_duration_s=10)
    with pytest.raises(AudioError, match="--max-duration"):
        audio.read_clip(clip, max_duration_s=0.05)


def test_unreadable_file_becomes_a_clip_with_a_problem(tmp_path: Path) -> None:
    path = tmp_path / "sub" / "text.wav"
    path.parent.mkdir()
    path.write_text("no audio")
    clip = audio.inspect(audio.make_clip(path, tmp_path, domain="speech"))
    assert (clip.id, clip.relative_path, clip.domain) == ("sub/text", "sub/text.wav", "speech")
    assert "cannot be read as audio" in clip.problem
    with pytest.raises(AudioError, match="cannot be read as audio"):
        audio.read_clip(clip, max_duration_s=10)


def test_m4a_is_read_with_its_rate_and_length(tmp_path: Path) -> None:
    import av

    path = tmp_path / "a.m4a"
    samples = tone(1.0)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=16000)
        frame = av.AudioFrame.from_ndarray(samples[None], format="fltp", layout="mono")
        frame.sample_rate = 16000
        container.mux([*stream.encode(frame), *stream.encode(None)])
    waveform = audio.read(path)
    assert waveform.sample_rate == 16000
    assert waveform.duration_s == pytest.approx(1.0, abs=0.15)
    assert audio.probe(path).duration_s == waveform.duration_s


def test_resample_keeps_a_tone_in_place() -> None:
    time = np.arange(48000) / 48000
    sine = np.sin(2 * np.pi * 440 * time)[None].astype(np.float32)
    down = audio.resample(Waveform(sine, 48000), 16000)
    expected = np.sin(2 * np.pi * 440 * np.arange(16000) / 16000)
    np.testing.assert_allclose(down.samples[0, 1000:-1000], expected[1000:-1000], atol=1e-3)
    assert audio.resample(down, 16000) is down


def test_mono_and_length() -> None:
    stereo = Waveform(np.array([[1.0, 0.0], [0.0, 0.5]], dtype=np.float32), 16000)
    np.testing.assert_allclose(audio.to_mono(stereo).samples, [[0.5, 0.25]])
    assert audio.fit_length(stereo, 1).samples.shape == (2, 1)
    padded = audio.fit_length(stereo, 4).samples
    np.testing.assert_array_equal(padded[:, 2:], np.zeros((2, 2)))


@pytest.mark.parametrize("delay", [-37, 0, 120])
def test_delay_is_found(delay: int) -> None:
    reference = np.random.default_rng(0).standard_normal(4000).astype(np.float32)
    estimate = np.roll(reference, delay)
    assert audio.measure_delay(reference, estimate, limit=400) == delay
    assert audio.measure_delay(reference, -estimate, limit=400) == delay


def test_write_then_read(tmp_path: Path) -> None:
    waveform = Waveform(tone(0.1)[None], 16000)
    audio.write(tmp_path / "out.wav", waveform)
    np.testing.assert_array_equal(audio.read(tmp_path / "out.wav").samples, waveform.samples)
    for name in ("mod\udce0.wav", "mod\udce0.flac"):
        audio.write(tmp_path / name, waveform)
        assert audio.read(tmp_path / name).num_samples == waveform.num_samples
    with pytest.raises(AudioError, match="cannot write audio"):
        audio.write(tmp_path / "no" / "out.wav", waveform)


def test_speech_like_is_seeded_and_neither_silent_nor_clipped() -> None:
    one = audio.speech_like(32000, 16000, 2, seed=1)
    assert one.samples.shape == (2, 32000)
    assert one.samples.dtype == np.float32
    assert np.array_equal(one.samples, audio.speech_like(32000, 16000, 2, seed=1).samples)
    assert not np.array_equal(one.samples, audio.speech_like(32000, 16000, 2, seed=2).samples)
    assert 0.1 < np.abs(one.samples).max() < 1
    assert audio.speech_like(100, 16000, channels=0).num_channels == 1
