"""Whether a codec gives the same answer twice, on codecs that fail to in every way."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from snac_eval.audio import speech_like
from snac_eval.codecs.opening import open_model
from snac_eval.codecs.repeats import LONGEST_S, Repeat, repeat
from snac_eval.types import Codec, Codes, Waveform

CLIP = speech_like(8000, 16000, 1, 0)


def _codec(model: str) -> Codec:
    opened = open_model(model)
    opened.prepare()
    assert opened.coder is not None
    return opened.coder


class Wavering:
    """PCM whose passes may differ: in ``tokens`` many tokens, by ``noise`` in the audio."""

    def __init__(self, tokens: int = 0, noise: float = 0.0, shorter: int = 0) -> None:
        pcm = _codec("pcm_8bit")
        self.card, self.device, self.fingerprint = pcm.card, "cpu", "wavering/1"
        self.tokens, self.noise, self.shorter = tokens, noise, shorter
        self.passes = 0
        self.lengths: list[int] = []

    def prepare(self) -> None:
        """Nothing to load."""

    def padded_length(self, num_samples: int) -> int:
        return num_samples

    def encode(self, waveforms: Sequence[Waveform]) -> list[Codes]:
        self.passes += 1
        (one,) = waveforms
        self.lengths.append(one.num_samples)
        stream = np.zeros(100, np.int32)
        if self.passes == 2:
            stream[: self.tokens] = 1
            stream = stream[: 100 - self.shorter]
        return [Codes(one.num_samples, (stream, np.zeros(10, np.int32)), (2, 2))]

    def decode(self, codes: Sequence[Codes], seeds: Sequence[int]) -> list[Waveform]:
        audio = np.full((1, codes[0].num_samples), 0.5, np.float32)
        return [Waveform(audio + np.float32(self.noise * (self.passes == 2)), 16000)]


@pytest.mark.parametrize("model", ["snac_16khz_mini", "opus_12kbps", "pcm_16bit"])
def test_codecs_of_ours_repeat_to_the_bit(model: str) -> None:
    codec = _codec(model)
    found = repeat(
        codec,
        speech_like(codec.card.sample_rate or 16000, codec.card.sample_rate or 16000, 1, 0),
        7,
    )
    assert found.is_same
    assert found.num_codes > 0
    assert found.sentence(model, "c") == ""


@pytest.mark.parametrize(
    ("codec", "expected", "words"),
    [
        (Wavering(tokens=3), Repeat(110, 3), "differ in 3 of 110 codes"),
        (Wavering(shorter=5), Repeat(110, 5), "differ in 5 of 110 codes"),
        (Wavering(noise=0.05), Repeat(110, 0, -20.0), "differ in their audio by -20 dB"),
        (
            Wavering(tokens=1, noise=0.5),
            Repeat(110, 1, 0.0),
            "differ in 1 of 110 codes and their audio by 0 dB",
        ),
    ],
)
def test_what_differs_is_counted_and_said(codec: Wavering, expected: Repeat, words: str) -> None:
    found = repeat(codec, CLIP, 0)
    assert not found.is_same
    if found.audio_db is not None:
        assert found.audio_db == pytest.approx(expected.audio_db, abs=0.01)
        found = replace(found, audio_db=expected.audio_db)
    assert found == expected
    said = found.sentence("wavering", "clip7")
    assert said == f"wavering is not deterministic: two passes over clip clip7 {words}"


def test_packets_are_compared_one_by_one() -> None:
    class Packets(Wavering):
        def encode(self, waveforms: Sequence[Waveform]) -> list[Codes]:
            self.passes += 1
            packets = [b"a", b"b", b"c"] if self.passes == 1 else [b"a", b"x"]
            return [Codes(waveforms[0].num_samples, packets=tuple(packets))]

    assert repeat(Packets(), CLIP, 0) == Repeat(3, 2)


def test_side_information_is_part_of_the_codes() -> None:
    class Scales(Wavering):
        def encode(self, waveforms: Sequence[Waveform]) -> list[Codes]:
            (codes,) = super().encode(waveforms)
            return [replace(codes, side_info=bytes([self.passes]))]

    assert repeat(Scales(), CLIP, 0) == Repeat(110, 1)


def test_audio_of_another_length_or_beside_silence_differs_wholly() -> None:
    class Shorter(Wavering):
        def decode(self, codes: Sequence[Codes], seeds: Sequence[int]) -> list[Waveform]:
            (audio,) = super().decode(codes, seeds)
            return [replace(audio, samples=audio.samples[:, : 9000 - 1000 * self.passes])]

    class Silent(Wavering):
        def decode(self, codes: Sequence[Codes], seeds: Sequence[int]) -> list[Waveform]:
            (audio,) = super().decode(codes, seeds)
            return [replace(audio, samples=audio.samples * np.float32(self.passes == 2))]

    for codec in (Shorter(), Silent()):
        found = repeat(codec, CLIP, 0)
        assert found.audio_db == math.inf
        assert found.sentence("c", "x").endswith("differ in their audio wholly")


def test_a_codec_that_fails_is_a_problem_and_not_a_verdict() -> None:
    class Failing(Wavering):
        def encode(self, waveforms: Sequence[Waveform]) -> list[Codes]:
            raise SystemExit("no\nluck")

    found = repeat(Failing(), CLIP, 0)
    assert not found.is_same
    said = found.sentence("failing", "x")
    assert said == "whether failing is deterministic could not be checked: SystemExit: no luck"


def test_of_a_long_clip_the_beginning_is_coded() -> None:
    codec = Wavering()
    assert repeat(codec, speech_like(20 * 16000, 16000, 1, 0), 0).is_same
    assert codec.lengths == [LONGEST_S * 16000] * 2


@pytest.mark.parametrize(
    "found", [Repeat(10), Repeat(10, 2, -31.5), Repeat(1, 0, math.inf), Repeat(problem="no")]
)
def test_facts_survive_json(found: Repeat) -> None:
    assert Repeat.from_facts(json.loads(json.dumps(found.facts(), allow_nan=False))) == found
