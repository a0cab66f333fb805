"""Opus, MP3 and AAC: exact bitrates, no delay, nothing lost, and settings that are checked."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from snac_eval.codecs.pyav import PyavCodec
from snac_eval.errors import CardError, CodecError
from snac_eval.registry import plugins
from snac_eval.types import CodecCard, Waveform
from tests.conftest import tone

NAMES = ("opus_6kbps", "opus_12kbps", "opus_24kbps")
OTHERS = ("mp3_16kbps", "mp3_32kbps", "aac_16kbps", "aac_24kbps")


def codec(name: str) -> PyavCodec:
    return PyavCodec(plugins.codec_card(name))


def speech(card: CodecCard, duration_s: float) -> Waveform:
    return Waveform(tone(duration_s, card.sample_rate)[None], card.sample_rate)


def bitrate_kbps(name: str, duration_s: float = 10.0) -> float:
    one = codec(name)
    (codes,) = one.encode([speech(one.card, duration_s)])
    return codes.num_bits / duration_s / 1000


@pytest.mark.parametrize(("name", "kbps"), list(zip(NAMES, (6, 12, 24), strict=True)))
def test_opus_emits_its_bitrate(name: str, kbps: float) -> None:
    assert bitrate_kbps(name) == pytest.approx(kbps, abs=0.3)


@pytest.mark.parametrize("name", OTHERS)
def test_mp3_and_aac_emit_their_bitrate(name: str) -> None:
    assert bitrate_kbps(name) == pytest.approx(
        codec(name).card.nominal_bitrate_bps / 1000, rel=0.03
    )


@pytest.mark.parametrize("name", NAMES + OTHERS)
def test_the_decoder_covers_every_input_length(name: str) -> None:
    """Zero-padding would hide a lost tail, so count what the packets themselves decode to."""
    one = codec(name)
    rate = one.card.sample_rate
    steady = 0.5 * np.cos(2 * np.pi * 440 / rate * np.arange(rate, dtype=np.float32))
    for num_samples in (1, 479, 480, 481, 575, 577, 1023, 1024, 1025, 1152, 2304, 4001):
        clip = Waveform(steady[None, :num_samples], rate)
        (codes,) = one.encode([clip])
        longer = replace(codes, num_samples=10 * rate)
        (decoded,) = one.decode([longer], [0])
        unpadded = np.flatnonzero(decoded.samples[0])
        assert unpadded.size
        assert unpadded[-1] + 1 >= num_samples


def test_a_better_bitrate_is_nearer_to_the_input() -> None:
    errors = []
    for name in NAMES:
        one = codec(name)
        waveform = speech(one.card, 2.0)
        (estimate,) = one.decode(one.encode([waveform]), [0])
        errors.append(float(np.mean((estimate.samples - waveform.samples) ** 2)))
    assert errors == sorted(errors, reverse=True)


def test_stereo_keeps_its_channels_apart() -> None:
    for name in ("opus_24kbps", "mp3_32kbps", "aac_24kbps"):
        card = plugins.codec_card(name)
        options = {**card.options, "bit_rate": 64000}
        one = PyavCodec(replace(card, channels=2, options=options))
        left = speech(card, 1.0).samples[0]
        waveform = Waveform(np.stack([left, np.zeros_like(left)]), card.sample_rate)
        (estimate,) = one.decode(one.encode([waveform]), [0])
        assert np.corrcoef(estimate.samples[0], left)[0, 1] > 0.9
        assert np.abs(estimate.samples[1]).max() < 0.05


def test_fingerprint_names_versions_and_options() -> None:
    import av

    fingerprint = codec("opus_12kbps").fingerprint
    assert av.__version__ in fingerprint
    assert str(av.ffmpeg_version_info) in fingerprint
    assert "vbr=off" in fingerprint
    card = plugins.codec_card("opus_12kbps")
    other = PyavCodec(replace(card, options={**card.options, "encoder_options": {"vbr": "on"}}))
    assert other.fingerprint != fingerprint


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (
            {"encoder": "libfoo"},
            "'encoder' is 'libfoo'; it should be 'libopus', 'libmp3lame', 'aac'",
        ),
        ({"bit_rate": 0}, "'bit_rate' is 0; it should be greater than 0"),
        ({"bit_rate": True}, "'bit_rate' is True; it should be a whole number"),
        ({"bitrate": 6000}, "unknown key 'bitrate'; did you mean 'bit_rate'?"),
        ({"encoder_options": {"vbr": 1}}, "'encoder_options.vbr' is 1; it should be text"),
    ],
)
def test_a_card_with_wrong_options_is_refused(change: dict[str, Any], reason: str) -> None:
    card = plugins.codec_card("opus_6kbps")
    with pytest.raises(CardError, match=reason):
        PyavCodec(replace(card, options={**card.options, **change}))


def test_a_card_with_wrong_channels_is_refused() -> None:
    with pytest.raises(CardError, match="channels must be 1 or 2"):
        PyavCodec(replace(plugins.codec_card("opus_6kbps"), channels=6))


def test_an_option_that_ffmpeg_does_not_know_is_refused() -> None:
    card = plugins.codec_card("opus_6kbps")
    options = {**card.options, "encoder_options": {"vrb": "off"}}
    with pytest.raises(CardError, match="no encoder option 'vrb'"):
        PyavCodec(replace(card, options=options)).prepare()


def test_settings_that_ffmpeg_refuses_are_one_line() -> None:
    with pytest.raises(CodecError, match="opus_6kbps: FFmpeg refuses these settings") as caught:
        PyavCodec(replace(plugins.codec_card("opus_6kbps"), sample_rate=22050)).prepare()
    assert "\n" not in str(caught.value)


def test_damaged_packets_are_refused() -> None:
    one = codec("opus_12kbps")
    (codes,) = one.encode([speech(one.card, 0.2)])
    with pytest.raises(CodecError, match="cannot decode these packets"):
        one.decode([replace(codes, packets=(b"\xff\x00",))], [0])
    with pytest.raises(CodecError, match="hold no audio"):
        one.decode([replace(codes, packets=())], [0])
