"""The bundled model loads by its name and codes speech as its card says."""

from __future__ import annotations

import numpy as np
import pytest

import snac_eval
from snac_eval import audio
from snac_eval.codecs.snac import SNAC
from snac_eval.codecs.snac.adapter import SnacCodec
from snac_eval.hub import BUNDLED_MODEL


@pytest.fixture(scope="module")
def codec() -> SnacCodec:
    """The bundled model as a codec."""
    opened = snac_eval.load_codec(BUNDLED_MODEL)
    assert isinstance(opened, SnacCodec)
    return opened


def test_it_is_what_its_card_says(codec: SnacCodec) -> None:
    model = SNAC.from_pretrained(BUNDLED_MODEL)
    assert model.config.bitrate_bps == codec.card.nominal_bitrate_bps == 1875.0
    assert model.config.frame_rates_hz == codec.card.frame_rates_hz
    assert sum(parameter.numel() for parameter in model.parameters()) < 4e6
    assert codec.card.sha256 == codec.weights_sha256
    assert codec.card.sha256 in codec.fingerprint
    (loaded,) = codec.torch_modules
    assert len(list(loaded.parameters())) == len(list(model.parameters()))


def test_it_codes_speech(codec: SnacCodec) -> None:
    clip = next(clip for clip in snac_eval.load_dataset("demo").clips if clip.domain == "speech")
    reference = audio.resample(audio.read_clip(clip, 60), 16000)
    (codes,) = codec.encode([reference])
    first, again, other = (codec.decode([codes], [seed])[0] for seed in (1, 1, 2))
    assert first.samples.shape == reference.samples.shape
    np.testing.assert_array_equal(first.samples, again.samples)
    assert not np.array_equal(first.samples, other.samples)
    kbps = codes.num_bits / reference.duration_s / 1000
    assert kbps == pytest.approx(1.875, rel=0.03)
    # Not a figure to quote, but far above what noise or another model's weights would reach.
    score = snac_eval.load_metric("stoi").score_pair(reference.samples, first.samples, 16000)
    assert score.value is not None
    assert score.value > 0.65
