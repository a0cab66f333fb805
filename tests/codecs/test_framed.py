"""Codec 2 and LC3: cards that make no sense, delay, and Codec 2's own generator."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from snac_eval import audio
from snac_eval.codecs import codec2, lc3
from snac_eval.codecs.framed import FramedCodec
from snac_eval.errors import CardError, CodecError
from snac_eval.registry import plugins
from snac_eval.types import CodecRequest, Waveform
from tests.conftest import tone


def _open(name: str) -> FramedCodec:
    card = plugins.codec_card(name)
    pytest.importorskip({"codec2": "pycodec2", "lc3": "lc3"}[card.family], reason="needs the extra")
    codec = plugins.open_codec(CodecRequest(card))
    assert isinstance(codec, FramedCodec)
    codec.prepare()
    return codec


@pytest.mark.parametrize(
    ("name", "changes", "reason"),
    [
        ("codec2_1300", {"options": {}}, "'bit_rate' is missing"),
        ("codec2_1300", {"options": {"bit_rate": 1000}}, "Codec 2 has the bit rates 700, 1200"),
        ("codec2_1300", {"sample_rate": 16000}, "8000 Hz"),
        ("codec2_1300", {"channels": 2}, "mono"),
        ("lc3_16kbps", {"options": {"bit_rate": "fast"}}, "'bit_rate' is 'fast'"),
        ("lc3_16kbps", {"channels": 2}, "mono"),
    ],
)
def test_cards_that_make_no_sense_are_refused(
    name: str, changes: dict[str, object], reason: str
) -> None:
    card = replace(plugins.codec_card(name), **changes)  # type: ignore[arg-type]
    with pytest.raises(CardError, match=reason):
        (codec2 if card.family == "codec2" else lc3).load(CodecRequest(card))


def test_a_rate_that_lc3_lacks_is_refused() -> None:
    codec = _open("lc3_16kbps")
    card = replace(codec.card, sample_rate=22050)
    with pytest.raises(CodecError, match="refuses the card"):
        lc3.load(CodecRequest(card)).prepare()


@pytest.mark.parametrize("name", ["lc3_16kbps", "lc3_48kbps", "lc3_64kbps"])
def test_lc3_comes_back_in_step(name: str) -> None:
    codec = _open(name)
    rate = codec.card.sample_rate
    waveform = Waveform(tone(1.0, rate)[None], rate)
    (estimate,) = codec.decode(codec.encode([waveform]), [0])
    assert audio.measure_delay(waveform.samples[0], estimate.samples[0], 500) == 0


def test_what_codec2_decoded_before_changes_nothing() -> None:
    """Its library draws phases from one generator for the whole process."""
    codec = _open("codec2_1300")
    noise = np.random.default_rng(0).standard_normal(8000).astype(np.float32) * 0.1
    codes = codec.encode([Waveform(noise[None], 8000), Waveform(tone(1.0, 8000)[None], 8000)])
    first = codec.decode([codes[0]], [0])[0].samples
    codec.decode([codes[1]], [0])
    assert np.array_equal(first, codec.decode([codes[0]], [0])[0].samples)


def test_a_decoder_that_fails_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    codec = _open("codec2_1300")
    codes = codec.encode([Waveform(tone(0.2, 8000)[None], 8000)])
    monkeypatch.setattr("snac_eval.codecs.codec2.sys.executable", "/bin/false")
    with pytest.raises(CodecError, match="its decoder failed"):
        codec.decode(codes, [0])
