"""What codecs state of their delay is what is measured; what keeps no waveform is told apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from snac_eval import audio
from snac_eval.alignment import measure_lag
from snac_eval.codecs.contract import Broken, Skipped, Subject, delays
from snac_eval.codecs.delays import Measured, agrees, signals, stated_from
from snac_eval.codecs.generations import after_itself
from snac_eval.codecs.opening import open_model, opened
from snac_eval.codecs.pyav import PyavCodec
from snac_eval.registry import plugins
from snac_eval.types import CodecCard, Codes, Waveform


def lag(codec: Any, clip: Any) -> float:  # noqa: ANN401 - any codec, any array
    """Samples by which what comes out is late."""
    waveform = Waveform(clip[None], codec.card.sample_rate)
    (estimate,) = codec.decode(codec.encode([waveform]), [0])
    found = measure_lag(clip, estimate.samples[0], waveform.sample_rate)
    assert found is not None
    return found.seconds * waveform.sample_rate


@pytest.mark.parametrize(
    "name",
    ["opus_6kbps", "opus_12kbps", "opus_24kbps", "mp3_16kbps", "mp3_32kbps", "aac_16kbps",
     "aac_24kbps", "amr_nb_4.75kbps", "amr_nb_12.2kbps", "lc3_32kbps", "pcm_8bit"],
)  # fmt: skip
def test_what_is_stated_is_measured(name: str) -> None:
    if name.startswith("lc3"):
        pytest.importorskip("lc3", reason="needs the extra lc3")
    model = open_model(name)
    noise = np.concatenate(signals(model.card.sample_rate or 16000)["noise"])
    coder = model.coder
    assert coder is not None
    if not coder.card.sample_rate:
        coder.card = replace(coder.card, sample_rate=16000)
    assert lag(coder, noise) == pytest.approx(model.delay_samples(), abs=0.05)


def opus(rate: int, kbps: int, cutoff: int = 0, application: str = "audio") -> PyavCodec:
    card = plugins.codec_card("opus_24kbps")
    extra = {"cutoff": str(cutoff)} if cutoff else {}
    encoder_options = {"vbr": "off", "application": application, **extra}
    options = {"encoder": "libopus", "bit_rate": 1000 * kbps, "encoder_options": encoder_options}
    return PyavCodec(replace(card, sample_rate=rate, options=options))


@pytest.mark.parametrize("rate", [24000, 48000])
@pytest.mark.parametrize(
    ("kbps", "cutoff", "layer"),
    [
        (14, 4000, range(4)),
        (18, 6000, range(4, 8)),
        (24, 8000, range(8, 12)),
        (32, 0, range(12, 16)),
        (64, 0, range(16, 32)),
    ],
)
def test_opus_is_in_time_by_every_layer(rate: int, kbps: int, cutoff: int, layer: range) -> None:
    """Untouched, SILK would be early by 1.5 samples at 24 kHz, or late by 2."""
    codec, noise = opus(rate, kbps, cutoff), signals(rate)["noise"][0]
    (codes,) = codec.encode([Waveform(noise[None], rate)])
    assert np.mean([packet[0] >> 3 in layer for packet in codes.packets]) > 0.9
    assert lag(codec, noise) == pytest.approx(0, abs=0.05 * rate / 24000)


def test_opus_is_in_time_where_layers_change_within_a_clip() -> None:
    noise = signals(24000)["noise"][0]
    codec = opus(24000, 24)
    parts = [opus(24000, 18, 6000), opus(24000, 64)]  # SILK at 12 kHz, CELT
    made = [one.encode([Waveform(noise[None], 24000)])[0] for one in parts]
    middle = len(made[0].packets) // 2
    mixed = replace(made[0], packets=made[0].packets[:middle] + made[1].packets[middle:])
    (decoded,) = codec.decode([mixed], [0])
    half = middle * 480
    for part in (slice(2400, half - 2400), slice(half + 2400, None)):
        found = measure_lag(noise[part], decoded.samples[0, part], 24000)
        assert found is not None
        assert found.seconds * 24000 == pytest.approx(0, abs=0.05)


class Late:
    """Keeps samples, and gives them late, at twice the rate; or with another phase each time."""

    card = CodecCard("late", "late", "a codec", 8000, output_sample_rate=16000)
    device = "cpu"
    fingerprint = "late"
    delay_samples = 2.5
    is_vocoder = False

    def prepare(self) -> None:
        return

    def padded_length(self, num_samples: int) -> int | None:
        return None

    def encode(self, waveforms: Sequence[Waveform]) -> list[Codes]:
        return [Codes(one.num_samples, packets=(one.samples.tobytes(),)) for one in waveforms]

    def decode(self, codes: Sequence[Codes], seeds: Sequence[int]) -> list[Waveform]:
        return [self._decode(np.frombuffer(one.packets[0], np.float32)) for one in codes]

    def _decode(self, samples: Any) -> Waveform:  # noqa: ANN401 - any array
        if self.is_vocoder:
            rng = np.random.default_rng(3)
            turn = np.exp(2j * np.pi * rng.random(len(samples) // 2 + 1))
            samples = np.fft.irfft(np.fft.rfft(samples) * turn, len(samples))
        doubled = audio.resample(Waveform(np.float32(samples)[None], 8000), 32000).samples[0]
        return Waveform(np.pad(doubled, (5, 0))[None, :-5:2], 16000)


def test_validate_says_what_to_state() -> None:
    codec = Late()
    assert delays(Subject(codec, lambda _: codec, delay_samples=lambda: 2.5)).count("+2.50") == 2
    with pytest.raises(Broken, match=r"states \+0 samples, .*state delay_samples = 2\.5"):
        delays(Subject(codec, lambda _: codec))
    twice = after_itself(opened(codec, "a test"), 2)
    assert twice.delay_samples() == 5.0


def test_a_vocoder_has_no_delay_to_state() -> None:
    codec = Late()
    codec.is_vocoder = True
    with pytest.raises(Skipped, match="keeps no waveform: none"):
        delays(Subject(codec, lambda _: codec))


def test_a_codec_may_state_a_delay_between_those_of_speech_and_noise() -> None:
    speech, noise = Measured(-0.3, 0.02, 0.9), Measured(0.0, 0.001, 0.9)
    for stated, right in ((-0.38, True), (-0.15, True), (0.04, True), (-0.4, False), (0.06, False)):
        assert agrees(stated, {"speech": speech, "noise": noise}) is right
    unkept = replace(noise, samples=5.0, kept=0.1)
    assert not agrees(5.0, {"speech": speech, "noise": unkept})
    assert stated_from({"speech": speech, "noise": noise}) == -0.3
    assert stated_from({"speech": unkept, "noise": unkept}) is None
