"""Codecs behind a channel: what the codec does about losses, and that nothing else changes."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from snac_eval import load_metric
from snac_eval.audio import speech_like
from snac_eval.codecs.channels import per_channel
from snac_eval.codecs.losses import Channel
from snac_eval.codecs.lossy import over_channel
from snac_eval.codecs.opening import ModelName, open_model, opened
from snac_eval.errors import UsageError
from snac_eval.types import CodecCard, Codes, Waveform

SEED = 11


def _clip(rate: int = 16000, seconds: float = 2.0) -> Waveform:
    return speech_like(round(seconds * rate), rate)


def _through(model: str, seconds: float = 2.0) -> tuple[Codes, Waveform]:
    codec = open_model(model).coder
    assert codec is not None
    codec.prepare()
    (codes,) = codec.encode([_clip(codec.card.sample_rate or 16000, seconds)])
    (audio,) = codec.decode([codes], [SEED])
    return codes, audio


def _same_codes(one: Codes, other: Codes) -> bool:
    return (one.packets, one.num_bits) == (other.packets, other.num_bits)


def test_a_name_says_what_is_lost() -> None:
    plain, lossy = open_model("opus_6kbps"), open_model("opus_6kbps@packet_loss=0.05@burst=3")
    assert lossy.card.name == "opus_6kbps@packet_loss=0.05@burst=3"
    assert lossy.card.label == "Opus, 6 kbps, 5 % loss, burst ratio 3"
    assert lossy.card.series == "Opus, 5 % loss, burst ratio 3"
    assert lossy.fingerprint.startswith(f"{plain.fingerprint};channel=1:packet_loss=0.05,burst=3;")
    assert "3.2 in a row" in lossy.notes()[0]
    assert "libopus conceals" in lossy.notes()[1]
    both = open_model("pcm_16bit@bit_errors=0.01@noise_db=15@generation=2")
    assert both.card.name == "pcm_16bit@generation=2@noise_db=15@bit_errors=0.01"
    wanted = ModelName("a", channel=Channel(Decimal("0.1")))
    assert ModelName.parse("a@packet_loss=0.1", {"a"}) == wanted
    for model, words in [
        ("pcm_16bit@packet_loss=5", "for 5 % give 0.05"),
        ("pcm_16bit@burst=3", "@burst is of losses"),
        ("pcm_16bit@packet_loss=0.1@packet_loss=0.2", "says @packet_loss twice"),
        ("files@packet_loss=0.1:.", "nothing gets lost"),
    ]:
        with pytest.raises(UsageError, match=words):
            open_model(model)


@pytest.mark.parametrize("model", ["opus_12kbps", "mp3_16kbps", "aac_16kbps"])
def test_where_nothing_happens_to_get_lost_nothing_changes(model: str) -> None:
    codes, clean = _through(model)
    sent, audio = _through(f"{model}@packet_loss=0.000001")
    assert _same_codes(codes, sent)
    np.testing.assert_array_equal(clean.samples, audio.samples)


@pytest.mark.parametrize("model", ["opus_12kbps", "lc3_32kbps", "amr_nb_12.2kbps"])
def test_a_decoder_that_conceals_beats_silence(model: str) -> None:
    """In the lost moments there is sound, and spectra are nearer to those without losses than with
    silence there."""
    codes, clean = _through(model)
    sent, audio = _through(f"{model}@packet_loss=0.1@burst=1")
    assert _same_codes(codes, sent)
    assert audio.samples.shape == clean.samples.shape
    rate = audio.sample_rate
    lost = np.repeat(Channel(Decimal("0.1"), Decimal(1)).lost(100, SEED), rate // 50)
    assert 0.03 < lost.mean() < 0.3
    muted = np.where(lost, 0, clean.samples)
    power = [np.square(one[:, lost]).mean() for one in (audio.samples, clean.samples)]
    assert power[0] > 0.2 * power[1]
    mel = load_metric("mel_dac_paper")
    away = [mel.score_pair(clean.samples, one, rate).value for one in (audio.samples, muted)]
    assert away[0] is not None
    assert away[1] is not None
    assert away[0] < 0.7 * away[1]


def test_lc3_does_of_a_lost_frame_what_its_library_does_of_none() -> None:
    import lc3

    codes, _ = _through("lc3_32kbps", 0.5)
    ours, theirs = (lc3.Decoder(10000, 16000) for _ in range(2))
    for place, packet in enumerate(codes.packets):
        if place % 7 != 5:
            assert ours.decode(packet) == theirs.decode(packet)
            continue
        inner: Any = theirs
        heard = (ctypes.c_float * 160)()
        state = inner._Decoder__decoders[0]
        assert inner.lib.lc3_decode(state, None, 0, 3, heard, 1) == 1
        np.testing.assert_array_equal(ours.decode(b"\xff" * len(packet)), heard)


def test_codecs_without_concealment_are_silent_where_packets_are_lost() -> None:
    lost = np.repeat(Channel(Decimal("0.2")).lost(100, SEED), 320)
    _, clean = _through("pcm_16bit")
    codes, audio = _through("pcm_16bit@packet_loss=0.2")
    np.testing.assert_array_equal(audio.samples, np.where(lost, 0, clean.samples))
    assert codes.num_bits == 2 * 16000 * 16
    _, mp3 = _through("mp3_16kbps@packet_loss=0.2")
    assert np.abs(mp3.samples).max() > 0.01
    silent = np.square(mp3.samples[0]).reshape(-1, 160).max(axis=1) == 0
    assert silent.mean() > 0.05


@pytest.mark.parametrize("model", ["opus_12kbps", "aac_16kbps"])
def test_damaged_bits_are_heard_or_concealed_and_the_length_stays(model: str) -> None:
    codes, clean = _through(model)
    sent, audio = _through(f"{model}@bit_errors=0.01")
    assert _same_codes(codes, sent)
    assert audio.samples.shape == clean.samples.shape
    assert audio.samples.dtype == np.float32
    assert np.isfinite(audio.samples).all()
    assert 0 < np.abs(audio.samples - clean.samples).max() <= 2
    assert np.abs(audio.samples).max() <= 1


class Ramp:
    """Tokens are the samples, frame by frame; packets their bytes, each of 100 ms. It refuses what
    is below zero."""

    def __init__(self, as_packets: bool) -> None:
        self.card = CodecCard("ramp", "own", "", 100, codebook_sizes=() if as_packets else (128,))
        self.device, self.fingerprint, self._as_packets = "cpu", "ramp", as_packets

    def prepare(self) -> None:
        pass

    def padded_length(self, num_samples: int) -> int | None:
        return None

    def encode(self, waveforms: Sequence[Waveform]) -> list[Codes]:
        return [self._encode(one) for one in waveforms]

    def _encode(self, waveform: Waveform) -> Codes:
        tokens = (100 * waveform.samples[0]).astype(np.int32)
        if not self._as_packets:
            return Codes(tokens.size, (tokens,), (128,))
        parts = tokens.astype(np.int8).reshape(-1, 10)
        return Codes(tokens.size, packets=tuple(part.tobytes() for part in parts))

    def decode(self, codes: Sequence[Codes], seeds: Sequence[int]) -> list[Waveform]:
        return [self._decode(one) for one in codes]

    def _decode(self, codes: Codes) -> Waveform:
        if codes.packets:
            found = np.frombuffer(b"".join(codes.packets), np.int8)
            if found.min() < 0:
                raise ValueError("damaged")
        else:
            found = codes.streams[0]
        return Waveform(found[None].astype(np.float32) / 100, 100)


class Concealing(Ramp):
    """Puts ones where packets are lost, and says so."""

    conceals = "ones"

    def frames_at(self, codes: Codes) -> tuple[float, float]:
        return 0.0, 0.1

    def decode_lossy(
        self, codes: Sequence[Codes], lost: Sequence[Any], seeds: Sequence[int]
    ) -> list[Waveform]:
        whole = self.decode(codes, seeds)
        return [
            Waveform(np.where(np.repeat(gone, 10), np.float32(1), one.samples), 100)
            for one, gone in zip(whole, lost, strict=True)
        ]


def _own(codec: Ramp, **channel: str) -> tuple[Waveform, Any]:
    lossy = over_channel(
        opened(codec, "own"), Channel(**{k: Decimal(v) for k, v in channel.items()})
    )
    assert lossy.coder is not None
    clip = Waveform(np.linspace(0.1, 0.9, 200, dtype=np.float32)[None], 100)
    codes = lossy.coder.encode([clip])
    return lossy.coder.decode(codes, [SEED])[0], lossy


def test_ones_own_codec_says_what_stands_in_or_gets_repeats_and_silence() -> None:
    clean = _own(Ramp(True), packet_loss="0.000001")[0].samples[0]
    gone = Channel(Decimal("0.3")).lost_frames((np.arange(200) + 0.5) / 100, SEED)
    packets = np.repeat(Channel(Decimal("0.3")).lost_frames((np.arange(20) + 0.5) / 10, SEED), 10)
    tokens, lossy = _own(Ramp(False), packet_loss="0.3")
    assert "repeats of the last" in lossy.notes()[1]
    held = np.maximum.accumulate(np.where(gone, 0, clean))
    np.testing.assert_array_equal(tokens.samples[0], held)
    silent, lossy = _own(Ramp(True), packet_loss="0.3")
    assert "silence" in lossy.notes()[1]
    np.testing.assert_array_equal(silent.samples[0], np.where(gone, 0, clean))
    ones, lossy = _own(Concealing(True), packet_loss="0.3")
    assert lossy.notes()[1] == "ones"
    assert lossy.fingerprint.endswith(";conceals=ones")
    np.testing.assert_array_equal(ones.samples[0], np.where(packets, 1, clean))


def test_packets_that_a_decoder_refuses_are_lost() -> None:
    clean = _own(Ramp(True), packet_loss="0.000001")[0].samples[0].reshape(20, 10)
    audio = _own(Ramp(True), bit_errors="0.01")[0].samples[0].reshape(20, 10)
    hit = (audio != clean).any(axis=1)
    assert 0 < hit.sum() < 20
    assert not audio[hit].any()


def test_each_channel_of_stereo_meets_losses_of_its_own() -> None:
    codec = per_channel(open_model("lc3_16kbps@packet_loss=0.2"))
    assert codec.coder is not None
    assert codec.decode_lossy is None
    clip = _clip()
    both = Waveform(np.concatenate([clip.samples] * 2), clip.sample_rate)
    (audio,) = codec.coder.decode(codec.coder.encode([both]), [SEED])
    assert audio.samples.shape == both.samples.shape
    assert not np.array_equal(*audio.samples)
