"""A codec in noise: what it hears, what it is called, and that its clips stay as they are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from snac_eval import evaluate
from snac_eval.codecs.opening import ModelName, open_model
from snac_eval.errors import UsageError
from snac_eval.types import Waveform
from tests.conftest import tone


def _heard(name: str, waveform: Waveform) -> Waveform:
    codec = open_model(name).coder
    assert codec is not None
    (decoded,) = codec.decode(codec.encode([waveform]), [0])
    return decoded


def test_noise_is_as_loud_as_was_said_and_the_same_each_time() -> None:
    clip = Waveform(0.3 * tone(2.0)[None], 16000)
    noisy = _heard("pcm_16bit@noise_db=20", clip)
    error = (noisy.samples - clip.samples).astype(np.float64)
    power = np.square(clip.samples, dtype=np.float64).mean()
    assert 10 * np.log10(power / np.square(error).mean()) == pytest.approx(20, abs=0.1)
    spectrum = np.abs(np.fft.rfft(error[0])) ** 2
    assert spectrum[:8000].sum() == pytest.approx(spectrum[8000:].sum(), rel=0.05)
    np.testing.assert_array_equal(noisy.samples, _heard("pcm_16bit@noise_db=20", clip).samples)
    assert not np.array_equal(noisy.samples, _heard("pcm_16bit@noise_db=21", clip).samples)
    silence = Waveform(np.zeros((1, 100), np.float32), 16000)
    assert not _heard("pcm_16bit@noise_db=0", silence).samples.any()


def test_what_it_is_called() -> None:
    plain, noisy = open_model("opus_6kbps"), open_model("opus_6kbps@noise_db=15")
    assert noisy.card.name == "opus_6kbps@noise_db=15"
    assert noisy.card.label == f"{plain.card.label}, noise at 15 dB"
    assert noisy.card.series != plain.card.series
    assert noisy.fingerprint == f"{plain.fingerprint};white_noise_db=15"
    assert "white noise at 15 dB SNR" in noisy.notes()[0]
    both = open_model("pcm_16bit@noise_db=15@generation=2")
    assert both.card.name == "pcm_16bit@generation=2@noise_db=15"
    assert ModelName.parse("a@noise_db=0", {"a"}) == ModelName("a", noise_db=0)
    for model, reason in (
        ("pcm_16bit@noise_db=-5", "give an option and a number"),
        ("files@noise_db=20:.", "cannot be encoded again"),
    ):
        with pytest.raises(UsageError, match=reason):
            open_model(model)


def test_clips_in_noise_are_scored_against_the_clips_without(audio_dir: Path) -> None:
    found = evaluate(
        models=["pcm_16bit", "pcm_16bit@noise_db=20"],
        dataset=f"folder:{audio_dir}",
        metrics=["si_sdr"],
        limit=2,
        workers=0,
    )
    means = found.summary.set_index("codec")["mean"]
    assert means["pcm_16bit"] > 40
    assert means["pcm_16bit@noise_db=20"] == pytest.approx(20, abs=0.5)
