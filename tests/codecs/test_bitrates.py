"""Names at a rate that the user chose: opus@kbps=9, encodec_24khz@kbps=3, dac_44khz@k=3."""

from __future__ import annotations

from pathlib import Path

import pytest

from snac_eval.codecs.contract import same_codes
from snac_eval.codecs.opening import model_card, open_model
from snac_eval.errors import SnacEvalError
from snac_eval.run.config import RunConfig
from snac_eval.run.naming import default_output
from snac_eval.types import Codec, Waveform
from tests.conftest import tone


def opened(model: str, weights: str = "") -> Codec:
    codec = open_model(model, weights=weights)
    assert codec.coder is not None
    codec.prepare()
    return codec.coder


@pytest.mark.parametrize(
    ("model", "rate", "sample_rate"),
    [
        ("opus@kbps=9.5", 9500, 24000),
        ("opus_vbr@kbps=32", 32000, 24000),
        ("mp3@kbps=24", 24000, 16000),
        ("mp3@kbps=40", 40000, 24000),
        ("aac@kbps=32", 32000, 24000),
        ("amr_nb@kbps=5.9", 5900, 8000),
    ],
)
def test_a_rate_of_ones_own_is_in_name_card_and_bits(
    model: str, rate: int, sample_rate: int
) -> None:
    codec = opened(model)
    card = codec.card
    assert (card.name, card.nominal_bitrate_bps, card.sample_rate) == (model, rate, sample_rate)
    assert f"{rate / 1000:g} kbit/s" in card.description
    assert f"bit_rate={rate}" in codec.fingerprint
    waveform = _speech(codec)
    (codes,) = codec.encode([waveform])
    tolerance = 0.2 if "vbr" in model else 0.05
    assert codes.num_bits / waveform.duration_s == pytest.approx(rate, rel=tolerance)


def test_lc3_has_rates_of_ones_own() -> None:
    pytest.importorskip("lc3", reason="needs the extra lc3")
    codec = opened("lc3@kbps=24")
    waveform = _speech(codec)
    (codes,) = codec.encode([waveform])
    assert codes.num_bits / waveform.duration_s == pytest.approx(24000, rel=0.02)


@pytest.mark.parametrize(
    ("model", "card"), [("opus@kbps=12", "opus_12kbps"), ("mp3@kbps=32.0", "mp3_32kbps")]
)
def test_the_rate_of_a_card_is_that_card(model: str, card: str) -> None:
    one, other = opened(model), opened(card)
    waveform = _speech(one)
    assert one.fingerprint == other.fingerprint
    assert same_codes(one.encode([waveform])[0], other.encode([waveform])[0])


def test_streams_and_rates_of_a_codec_of_tokens(tiny_models: dict[str, Path]) -> None:
    weights = str(tiny_models["encodec_24khz"])
    names = ("encodec_24khz_3kbps", "encodec_24khz@k=4", "encodec_24khz@kbps=3")
    three = [open_model(name, weights=weights) for name in names]
    assert len({one.fingerprint for one in three}) == 1
    by_rate = opened("encodec_24khz@kbps=3", weights)
    waveform = _speech(by_rate, 0.5)
    (codes,) = by_rate.encode([waveform])
    assert len(codes.streams) == 4
    assert codes.num_bits / waveform.duration_s == pytest.approx(3000, rel=0.05)
    (estimate,) = by_rate.decode([codes], [0])
    assert estimate.samples.shape == waveform.samples.shape


@pytest.mark.parametrize(
    ("model", "count"),
    [
        ("dac_44khz@kbps=2.6", 3),
        ("dac_44khz@kbps=2.58", 3),
        ("mimi@kbps=1.1", 8),
        ("mimi@k=12", 12),
        ("lyra_v2@kbps=3.4", 17),
    ],
)
def test_a_rate_stands_for_so_many_streams(model: str, count: int) -> None:
    card = model_card(model)
    assert (card.name, len(card.codebook_sizes)) == (model, count)


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        ("opus", "opus: give a rate, such as opus@kbps=24 or opus_6kbps"),
        ("opus@kbps=5", "no rate of 5 kbps; there is 6 to 256"),
        ("opus@kbps=9.12345", "whole bits"),
        ("opus@kbps=9@k=2", "not both"),
        ("opus@k=2", "emits no streams of tokens"),
        ("opus@kbps=0", "must be above 0"),
        ("opus@kbps=1e3", "give an option and a number"),
        ("opus@kbps=9." + "1" * 40, "give an option and a number"),
        ("opuss@kbps=9", "did you mean 'opus'?"),
        ("mp3@kbps=41", "there is 8, 16, 24"),
        ("aac@kbps=300", "12 to 96"),
        ("amr_nb@kbps=6", "4.75, 5.15"),
        ("mimi", "give a rate, such as mimi@k=32 or mimi_1.1kbps"),
        ("encodec_24khz@kbps=2", "1.5 (@k=2), 2.25 (@k=3)"),
        ("encodec_24khz@k=33", "has 32 streams"),
        ("opus_6kbps@kbps=9", "has a rate of its own; write opus@kbps="),
        ("snac_24khz@kbps=0.4", "write @k= for fewer streams"),
        ("pcm_8bit@kbps=64", "leave out @kbps"),
        ("module:Codec@kbps=3", "@kbps is for codecs that have a card"),
    ],
)
def test_what_there_is_not_is_refused_in_one_line(model: str, reason: str) -> None:
    with pytest.raises(SnacEvalError) as refused:
        open_model(model)
    assert reason in str(refused.value)
    assert "\n" not in str(refused.value)


def test_rates_have_folders_of_their_own() -> None:
    models = ["opus@kbps=9", "opus@kbps=9.5", "opus@kbps=95", "opus_6kbps"]
    folders = {str(default_output(RunConfig(one, "demo", Path("runs")))) for one in models}
    assert len(folders) == len(models)
    assert "runs/opus_kbps_9.5_demo" in folders


def _speech(codec: Codec, duration_s: float = 4.0) -> Waveform:
    rate = codec.card.sample_rate
    return Waveform(tone(duration_s, rate)[None], rate)
