"""What every codec owes the harness, for each card that needs no weights."""

from __future__ import annotations

import pickle
from dataclasses import replace

import numpy as np
import pytest

from snac_eval import cards, plugins
from snac_eval.errors import CodecError
from snac_eval.types import Codec, CodecCard, CodecRequest, Codes, Waveform
from tests.conftest import tone

CARDS = {
    name: card
    for name, card in (
        (path.stem, cards.read_codec_card(path)) for path in cards.card_files("codecs").values()
    )
    if card.family in ("pyav", "pcm")
}
LENGTHS_S = {"one sample": 0.0, "50 ms": 0.05, "3 s": 3.0}


@pytest.fixture(params=sorted(CARDS))
def card(request: pytest.FixtureRequest) -> CodecCard:
    return CARDS[request.param]


@pytest.fixture
def codec(card: CodecCard) -> Codec:
    opened = plugins.open_codec(CodecRequest(card))
    assert isinstance(opened, Codec)
    opened.prepare()
    return opened


def speech(codec: Codec, duration_s: float = 1.0, seed: int = 0) -> Waveform:
    rate = codec.card.sample_rate or 16000
    samples = tone(max(duration_s, 1 / rate), rate, seed)
    return Waveform(np.tile(samples, (codec.card.channels, 1)), rate)


def round_trip(codec: Codec, waveform: Waveform, seed: int = 0) -> tuple[Codes, Waveform]:
    (codes,) = codec.encode([waveform])
    (estimate,) = codec.decode([codes], [seed])
    return codes, estimate


def test_the_cards_that_should_run_here_do() -> None:
    assert {"opus_6kbps", "opus_12kbps", "opus_24kbps", "mp3_32kbps", "aac_24kbps"} <= set(CARDS)
    assert {"pcm_8bit", "pcm_16bit"} <= set(CARDS)


@pytest.mark.parametrize("length", LENGTHS_S)
def test_length_rate_and_type_are_kept(codec: Codec, length: str) -> None:
    waveform = speech(codec, LENGTHS_S[length])
    codes, estimate = round_trip(codec, waveform)
    assert codes.num_samples == waveform.num_samples
    assert estimate.samples.shape == waveform.samples.shape
    assert estimate.sample_rate == waveform.sample_rate
    assert estimate.samples.dtype == np.float32
    assert np.isfinite(estimate.samples).all()


def test_speech_comes_back_recognisable_to_its_last_tenth_of_a_second(codec: Codec) -> None:
    waveform = speech(codec, 1.13)
    _, estimate = round_trip(codec, waveform)
    for part in (slice(None), slice(-waveform.sample_rate // 10, None)):
        reference, decoded = waveform.samples[0, part], estimate.samples[0, part]
        assert np.corrcoef(reference, decoded)[0, 1] > 0.7


def test_silence_stays_near_silence(codec: Codec) -> None:
    waveform = replace(speech(codec), samples=np.zeros_like(speech(codec).samples))
    codes, estimate = round_trip(codec, waveform)
    assert codes.num_bits > 0
    assert np.abs(estimate.samples).max() < 1e-3


def test_a_batch_gives_what_single_clips_give(codec: Codec) -> None:
    waveforms = [speech(codec, 0.3 + 0.21 * index, seed=index) for index in range(3)]
    batch = codec.encode(waveforms)
    assert batch == [codec.encode([waveform])[0] for waveform in waveforms]
    decoded = codec.decode(batch, [0, 1, 2])
    for one, codes in zip(decoded, batch, strict=True):
        assert np.array_equal(one.samples, codec.decode([codes], [9])[0].samples)


def test_a_repeat_gives_the_same_codes_and_audio(codec: Codec, card: CodecCard) -> None:
    waveform = speech(codec)
    codes, estimate = round_trip(codec, waveform)
    other = plugins.open_codec(CodecRequest(card))
    assert isinstance(other, Codec)
    assert other.fingerprint == codec.fingerprint
    again, second = round_trip(other, waveform)
    assert again == codes
    assert np.array_equal(estimate.samples, second.samples)


def test_input_is_left_alone(codec: Codec) -> None:
    waveform = speech(codec)
    before = waveform.samples.copy()
    round_trip(codec, waveform)
    assert np.array_equal(waveform.samples, before)


def test_bits_are_those_of_the_packets(codec: Codec) -> None:
    (codes,) = codec.encode([speech(codec)])
    assert codes.streams == ()
    assert codes.packets
    assert codes.num_bits == 8 * sum(len(packet) for packet in codes.packets)


def test_codes_survive_pickling_and_decode_elsewhere(codec: Codec, card: CodecCard) -> None:
    codes, estimate = round_trip(codec, speech(codec))
    copy = pickle.loads(pickle.dumps(codes))
    assert copy == codes
    fresh = plugins.open_codec(CodecRequest(card))
    assert isinstance(fresh, Codec)
    assert np.array_equal(fresh.decode([copy], [0])[0].samples, estimate.samples)


def test_fingerprints_tell_cards_apart() -> None:
    codecs = [plugins.open_codec(CodecRequest(card)) for card in CARDS.values()]
    assert len({codec.fingerprint for codec in codecs}) == len(CARDS)


def test_no_clips_give_no_codes(codec: Codec) -> None:
    assert codec.encode([]) == []
    assert codec.decode([], []) == []


def spoil(waveform: Waveform, how: str) -> Waveform:
    samples = waveform.samples.copy()
    if how in ("NaN", "infinity"):
        samples[0, 5] = np.nan if how == "NaN" else np.inf
    return {
        "NaN": Waveform(samples, waveform.sample_rate),
        "infinity": Waveform(samples, waveform.sample_rate),
        "empty": Waveform(samples[:, :0], waveform.sample_rate),
        "stereo": Waveform(np.repeat(samples, 2, axis=0), waveform.sample_rate),
        "flat": Waveform(samples[0], waveform.sample_rate),
        "no rate": Waveform(samples, 0),
    }[how]


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        ("NaN", "NaN or infinite"),
        ("infinity", "NaN or infinite"),
        ("empty", "empty"),
        ("stereo", "1 channel"),
        ("flat", r"\[channels, time\]"),
        ("no rate", "0 Hz"),
    ],
)
def test_bad_input_is_refused_in_one_line(codec: Codec, how: str, reason: str) -> None:
    with pytest.raises(CodecError, match=reason) as caught:
        codec.encode([spoil(speech(codec), how)])
    assert "\n" not in str(caught.value)
    assert codec.card.name in str(caught.value)


def test_codes_without_a_header_are_refused(codec: Codec) -> None:
    (codes,) = codec.encode([speech(codec)])
    with pytest.raises(CodecError, match="encode the clip again"):
        codec.decode([replace(codes, header=b"")], [0])


def test_another_sample_rate_is_refused(codec: Codec) -> None:
    if not codec.card.sample_rate:
        pytest.skip("this codec takes any sample rate")
    with pytest.raises(CodecError, match="resample"):
        codec.encode([replace(speech(codec), sample_rate=8000)])
