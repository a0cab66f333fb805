"""SNAC behind the Codec protocol, and batches of it through the whole run."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile

from snac_eval import audio
from snac_eval.api import load_codec
from snac_eval.cli.main import main
from snac_eval.codecs.snac.adapter import SnacCodec
from snac_eval.errors import CodecError
from snac_eval.types import CodecCard, CodecRequest, Waveform
from tests.cli.helpers import repeatable, scores
from tests.codecs.snac.test_checkpoint import TINY, save_model
from tests.conftest import tone

CARD = """
name = "tiny_snac"
family = "snac"
description = "random weights"
sample_rate = 24000
channels = 1
codebook_sizes = [16, 16]
frame_rates_hz = [1500.0, 3000.0]
nominal_bitrate_bps = 18000
"""


@pytest.fixture
def cards(tmp_path: Path) -> Path:
    """A folder with a card of a tiny SNAC, and its weights beside it."""
    save_model(tmp_path / "weights")
    folder = tmp_path / "cards" / "codecs"
    folder.mkdir(parents=True)
    (folder / "tiny_snac.toml").write_text(f'{CARD}weights = "{tmp_path / "weights"}"\n')
    return tmp_path / "cards"


def _codec(cards: Path) -> SnacCodec:
    codec = load_codec("tiny_snac", card_dirs=[cards])
    assert isinstance(codec, SnacCodec)
    return codec


def _waveform(num_samples: int, seed: int = 0) -> Waveform:
    return Waveform(tone(num_samples / 24000, 24000, seed)[None, :num_samples], 24000)


def test_codes_are_counted_exactly_and_decode_to_the_same_length(cards: Path) -> None:
    codec = _codec(cards)
    waveform = _waveform(1001)
    (codes,) = codec.encode([waveform])
    frames = -(-1001 // TINY.pad_multiple)
    assert [stream.shape for stream in codes.streams] == [(frames,), (2 * frames,)]
    assert codes.num_bits == 3 * frames * 4
    (estimate,) = codec.decode([codes], [7])
    assert estimate.samples.shape == (1, 1001)
    assert estimate.sample_rate == 24000


def test_batch_equals_single_and_seed_repeats(cards: Path) -> None:
    codec = _codec(cards)
    waveforms = [_waveform(1000, 1), _waveform(1005, 2)]
    assert codec.padded_length(1000) == codec.padded_length(1005) == 1008
    together = codec.encode(waveforms)
    audio_together = codec.decode(together, [5, 6])
    for waveform, codes, estimate, seed in zip(
        waveforms, together, audio_together, (5, 6), strict=True
    ):
        (alone,) = codec.encode([waveform])
        for mine, theirs in zip(alone.streams, codes.streams, strict=True):
            np.testing.assert_array_equal(mine, theirs)
        (own,) = codec.decode([alone], [seed])
        np.testing.assert_allclose(own.samples, estimate.samples, atol=1e-6)
        (again,) = codec.decode([alone], [seed])
        np.testing.assert_array_equal(own.samples, again.samples)
        (other,) = codec.decode([alone], [seed + 100])
        assert not np.array_equal(own.samples, other.samples)


def test_refuses_what_it_cannot_take(cards: Path) -> None:
    codec = _codec(cards)
    for bad in (
        Waveform(np.zeros((2, 100), np.float32), 24000),
        Waveform(np.zeros((1, 100), np.float32), 16000),
        Waveform(np.full((1, 100), np.nan, np.float32), 24000),
    ):
        with pytest.raises(CodecError):
            codec.encode([bad])


def test_card_and_weights_must_agree(tmp_path: Path) -> None:
    save_model(tmp_path)
    card = CodecCard("other", "snac", "", 16000, 1, 1.0, (16, 16), weights=str(tmp_path))
    with pytest.raises(CodecError, match="the card 'other' says 16000 Hz"):
        SnacCodec(CodecRequest(card)).prepare()


def test_fingerprint_follows_the_weights(cards: Path, tmp_path: Path) -> None:
    before = _codec(cards).fingerprint
    assert _codec(cards).fingerprint == before
    save_model(tmp_path / "weights", seed=1)
    assert _codec(cards).fingerprint != before


def test_batched_run_equals_one_by_one(cards: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    for index, samples in enumerate((9600, 9600, 9601, 8000, 9600)):
        soundfile.write(data / f"{index}.wav", tone(0.4, 24000, index)[:samples], 24000)
    (data / "bad.wav").write_text("no audio")
    run = ["run", "--model", "tiny_snac", "--cards", str(cards), "--dataset", f"folder:{data}"]
    run += ["--metrics", "bitrate,mel_dac_paper", "--workers", "0", "--quiet"]
    run += ["--max-error-rate", "0.5"]
    assert main([*run, "--output", str(tmp_path / "one"), "--batch-size", "1"]) == 0
    assert main([*run, "--output", str(tmp_path / "three"), "--batch-size", "3"]) == 0
    one, three = (repeatable(scores(tmp_path / name)) for name in ("one", "three"))
    pd.testing.assert_frame_equal(one, three, rtol=1e-5)
    assert (one["status"] == "error").sum() == 2


def test_codec_that_fails_costs_its_clip_only(
    cards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = tmp_path / "data"
    data.mkdir()
    for index in range(3):
        soundfile.write(data / f"{index}.wav", tone(0.4, 24000, index) * (index != 1), 24000)
    whole = SnacCodec.encode

    def encode(self: SnacCodec, waveforms: list[Waveform]) -> object:
        if any(not waveform.samples.any() for waveform in waveforms):
            raise RuntimeError("out of\nmemory")
        return whole(self, waveforms)

    monkeypatch.setattr(SnacCodec, "encode", encode)
    run = ["run", "--model", "tiny_snac", "--cards", str(cards), "--dataset", f"folder:{data}"]
    run += ["--metrics", "bitrate", "--workers", "0", "--quiet", "--batch-size", "3"]
    assert main([*run, "--output", str(tmp_path / "run"), "--max-error-rate", "0.5"]) == 0
    frame = scores(tmp_path / "run").set_index("clip_id")
    assert frame.loc["1", "reason"] == "RuntimeError: out of memory"
    assert set(frame.loc[["0", "2"], "status"]) == {"ok"}
    # What failed is tried again; what was scored is not.
    monkeypatch.setattr(SnacCodec, "encode", whole)
    assert main([*run, "--output", str(tmp_path / "run")]) == 0
    assert set(scores(tmp_path / "run")["status"]) == {"ok"}


def test_stereo_is_mixed_down_for_a_mono_codec(cards: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    stereo = np.stack([tone(0.4, 24000, 1), tone(0.4, 24000, 2)], axis=1)
    soundfile.write(data / "stereo.wav", stereo, 24000, subtype="FLOAT")
    soundfile.write(data / "mono.wav", stereo.mean(axis=1), 24000, subtype="FLOAT")
    run = ["run", "--model", "pcm_16bit", "--dataset", f"folder:{data}"]
    run += ["--metrics", "mel_dac_paper", "--workers", "0", "--quiet"]
    assert main([*run, "--output", str(tmp_path / "run")]) == 0
    values = scores(tmp_path / "run").set_index("clip_id")["value"]
    assert values["stereo"] == pytest.approx(values["mono"], abs=1e-6)


def test_files_scores_what_is_on_disk(audio_dir: Path, tmp_path: Path) -> None:
    for path in audio_dir.rglob("*.wav"):
        copy = tmp_path / "made" / path.relative_to(audio_dir)
        copy.parent.mkdir(parents=True, exist_ok=True)
        waveform = audio.read(path)
        audio.write(copy, Waveform(waveform.samples * 0.5, waveform.sample_rate))
    (tmp_path / "made" / "music" / "c.wav").unlink()
    run = ["run", "--model", f"files:{tmp_path / 'made'}", "--dataset", f"folder:{audio_dir}"]
    run += ["--metrics", "si_sdr,bitrate,stft_distance", "--workers", "0", "--quiet"]
    assert main([*run, "--output", str(tmp_path / "run"), "--max-error-rate", "0.5"]) == 0
    frame = scores(tmp_path / "run").set_index(["clip_id", "metric"])
    assert frame.loc[("speech/a", "bitrate"), "status"] == "undefined"
    assert frame.loc[("speech/a", "stft_distance"), "value"] > 0
    assert "c" in frame.loc[("music/c", "si_sdr"), "reason"]
    assert frame.loc[("music/c", "si_sdr"), "status"] == "error"
