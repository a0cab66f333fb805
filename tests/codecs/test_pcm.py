"""PCM: theory says what its noise must be."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from snac_eval.codecs.pcm import PcmCodec
from snac_eval.errors import CardError, CodecError
from snac_eval.registry import plugins
from snac_eval.types import Waveform


def codec(bits: int) -> PcmCodec:
    return PcmCodec(plugins.codec_card(f"pcm_{bits}bit"))


def snr_db(bits: int, samples: NDArray[Any]) -> float:
    one = codec(bits)
    waveform = Waveform(samples.astype(np.float32)[None], 48000)
    (estimate,) = one.decode(one.encode([waveform]), [0])
    error = estimate.samples.astype(np.float64) - waveform.samples
    return float(10 * np.log10(np.sum(waveform.samples.astype(np.float64) ** 2) / np.sum(error**2)))


@pytest.mark.parametrize("bits", [8, 16])
def test_full_scale_noise_has_six_db_a_bit(bits: int) -> None:
    noise = np.random.default_rng(0).uniform(-1, 1, 200_000)
    assert snr_db(bits, noise) == pytest.approx(20 * np.log10(2**bits - 2), abs=0.1)
    assert snr_db(bits, noise) / bits == pytest.approx(6.02, abs=0.03)


@pytest.mark.parametrize("bits", [8, 16])
def test_a_full_scale_sine_has_the_textbook_figure(bits: int) -> None:
    sine = np.sin(2 * np.pi * 997 / 48000 * np.arange(48000))
    assert snr_db(bits, sine) == pytest.approx(6.02 * bits + 1.76, abs=0.3)


@pytest.mark.parametrize(("bits", "rate"), [(8, 16000), (16, 44100)])
def test_rate_is_kept_and_payload_is_exact(bits: int, rate: int) -> None:
    one = codec(bits)
    (codes,) = one.encode([Waveform(np.zeros((1, 1000), np.float32), rate)])
    assert codes.num_bits == 1000 * bits
    (estimate,) = one.decode([codes], [0])
    assert estimate.sample_rate == rate
    assert not estimate.samples.any()


def test_polarity_does_not_matter_and_louder_audio_clips() -> None:
    one = codec(8)
    samples = np.array([[-2, -1, -0.5, -0.003, 0, 0.003, 0.5, 1, 2]], np.float32)
    (estimate,) = one.decode(one.encode([Waveform(samples, 8000)]), [0])
    assert np.array_equal(estimate.samples, -estimate.samples[:, ::-1])
    assert estimate.samples[0, [0, 1, 4, 7, 8]].tolist() == [-1, -1, 0, 1, 1]


def test_channels_are_interleaved_and_come_back() -> None:
    one = PcmCodec(replace(plugins.codec_card("pcm_16bit"), channels=2))
    samples = np.stack([np.full(5, 0.5), np.full(5, -0.25)]).astype(np.float32)
    (estimate,) = one.decode(one.encode([Waveform(samples, 8000)]), [0])
    assert estimate.samples == pytest.approx(samples, abs=1e-4)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "'bits' is missing"),
        ({"bits": 12}, "'bits' is 12; it should be 8 or 16"),
        ({"bits": "8"}, "'bits' is '8'; it should be 8 or 16"),
        ({"bits": 8, "dither": True}, "unknown key 'dither'; known: bits"),
    ],
)
def test_other_options_are_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(CardError, match=f"codec card 'pcm_8bit', options: {words}"):
        PcmCodec(replace(plugins.codec_card("pcm_8bit"), options=options))


def test_a_short_payload_is_refused() -> None:
    one = codec(16)
    (codes,) = one.encode([Waveform(np.zeros((1, 10), np.float32), 8000)])
    with pytest.raises(CodecError, match="hold 3 bytes, not the 20"):
        one.decode([replace(codes, packets=(b"abc",))], [0])
