"""What every codec owes the harness, for each card that needs no weights."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from snac_eval.audio import speech_like
from snac_eval.codecs.contract import CHECKS, Subject, examine
from snac_eval.codecs.opening import opened
from snac_eval.errors import CodecError
from snac_eval.registry import cards, plugins
from snac_eval.types import Codec, CodecCard, CodecRequest, Codes, Waveform

CARDS = {
    name: card
    for name, card in (
        (path.stem, cards.read_codec_card(path)) for path in cards.card_files("codecs").values()
    )
    if card.family in ("pyav", "pcm", "codec2", "lc3")
}
# There is no GPU; delays are measured in tests/codecs/test_delays.py, on less.
_ELSEWHERE = ("device move", "delay")
_MODULES = {"codec2": "pycodec2", "lc3": "lc3"}
# Rates of one codec differ in a number: the lowest and the highest stand for the others.
_MIDDLE = {f"amr_nb_{rate}kbps" for rate in (5.15, 5.9, 6.7, 7.4, 7.95, 10.2)}
_MIDDLE |= {f"codec2_{rate}" for rate in (1200, 1300, 1400, 1600, 2400)}
_MIDDLE |= {"lc3_32kbps", "lc3_48kbps", "opus_12kbps", "opus_vbr_6kbps", "opus_vbr_24kbps"}


@pytest.fixture(params=sorted(set(CARDS) - _MIDDLE))
def card(request: pytest.FixtureRequest) -> CodecCard:
    return CARDS[request.param]


@pytest.fixture
def codec(card: CodecCard) -> Codec:
    return _open(card)


def _open(card: CodecCard) -> Codec:
    if module := _MODULES.get(card.family):
        pytest.importorskip(module, reason=f"needs the extra {card.family}")
    codec = opened(plugins.open_codec(CodecRequest(card)), card.family).coder
    assert codec is not None
    codec.prepare()
    return codec


def speech(codec: Codec, duration_s: float = 1.0, seed: int = 0) -> Waveform:
    rate = codec.card.sample_rate or 16000
    return speech_like(max(1, round(duration_s * rate)), rate, codec.card.channels, seed)


def round_trip(codec: Codec, waveform: Waveform, seed: int = 0) -> tuple[Codes, Waveform]:
    (codes,) = codec.encode([waveform])
    (estimate,) = codec.decode([codes], [seed])
    return codes, estimate


def test_the_cards_that_should_run_here_do() -> None:
    assert {"opus_6kbps", "opus_12kbps", "opus_24kbps", "mp3_32kbps", "aac_24kbps"} <= set(CARDS)
    assert {"pcm_8bit", "pcm_16bit"} <= set(CARDS)


@pytest.mark.parametrize("check", [name for name in CHECKS if name not in _ELSEWHERE])
def test_the_contract_holds(codec: Codec, card: CodecCard, check: str) -> None:
    subject = Subject(codec, lambda _: _open(card), long_s=5.0)
    finding = examine(check, CHECKS[check], subject)
    assert finding.state != "failed", finding.detail


def level(samples: NDArray[np.float32], window: int) -> NDArray[np.float64]:
    power = np.convolve(samples.astype(np.float64) ** 2, np.ones(window) / window, "same")
    return np.log10(power.clip(1e-6))


def test_speech_comes_back_recognisable_to_its_last_tenth_of_a_second(codec: Codec) -> None:
    waveform = speech(codec, 1.13, seed=3)  # talks to its very end
    _, estimate = round_trip(codec, waveform)
    before, after = waveform.samples[0], estimate.samples[0]
    window = waveform.sample_rate // 50
    assert np.corrcoef(level(before, window), level(after, window))[0, 1] > 0.8
    # A vocoder keeps no waveform; AMR's high-pass filter turns the phase of a low fundamental.
    if not codec.card.name.startswith(("codec2", "amr")):
        for part in (slice(None), slice(-waveform.sample_rate // 10, None)):
            assert np.corrcoef(before[part], after[part])[0, 1] > 0.7


def test_bits_are_those_of_the_packets(codec: Codec) -> None:
    (codes,) = codec.encode([speech(codec)])
    assert codes.streams == ()
    assert codes.packets
    sizes = [len(packet) for packet in codes.packets]
    if codes.packet_bits:
        assert set(sizes) == {-(-codes.packet_bits // 8)}
        assert codes.num_bits == len(sizes) * codes.packet_bits
    else:
        assert codes.num_bits == 8 * sum(sizes)


def test_fingerprints_tell_cards_apart() -> None:
    codecs = [opened(plugins.open_codec(CodecRequest(card)), "x") for card in CARDS.values()]
    assert len({codec.fingerprint for codec in codecs}) == len(CARDS)


def test_no_clips_give_no_codes(codec: Codec) -> None:
    assert codec.encode([]) == []
    assert codec.decode([], []) == []


def test_codes_of_something_else_are_refused(codec: Codec) -> None:
    (codes,) = codec.encode([speech(codec)])
    other = replace(codes, header=b"") if codes.header else replace(codes, packets=(b"other",))
    with pytest.raises(CodecError, match="encode the clip again"):
        codec.decode([other], [0])


def test_another_sample_rate_is_refused(codec: Codec) -> None:
    if not codec.card.sample_rate:
        pytest.skip("this codec takes any sample rate")
    with pytest.raises(CodecError, match="resample"):
        codec.encode([replace(speech(codec), sample_rate=11025)])
