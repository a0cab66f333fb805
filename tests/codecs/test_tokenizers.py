"""Any audio codec of transformers against transformers asked directly, with small random models."""

from __future__ import annotations

import inspect
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch

import snac_eval
from snac_eval import audio
from snac_eval.codecs.abilities import OpenCodec
from snac_eval.codecs.container import packed, unpacked
from snac_eval.codecs.contract import CHECKS, Subject, examine, same_codes
from snac_eval.codecs.opening import open_model
from snac_eval.codecs.packing import pack, unpack
from snac_eval.codecs.transformers import kaldi
from snac_eval.codecs.transformers.tokenizer import AudioTokenizer
from snac_eval.errors import CheckpointError, CodecError, UsageError
from snac_eval.files.decoding import Output, decode
from snac_eval.files.encoding import CodingConfig, encode, encoded
from snac_eval.files.places import audio_inputs, codes_inputs
from snac_eval.files.working import Bar
from snac_eval.metrics.bitrate import Bitrate
from snac_eval.registry import cards
from snac_eval.types import CodecCard, Timing, Waveform
from tests.tiny_transformers import TOKENIZERS, save_tokenizer, tokenizer_parts

pytest.importorskip("transformers", reason="needs the extra transformers")

CARDS = [
    card
    for card in map(cards.read_codec_card, cards.card_files("codecs").values())
    if card.family == "transformers" and card.weights
]
# What torchaudio 2.11 makes of the tone below.
FBANK = [5.9555430, 2.5497046, 15.2306309, 9.4978638, -1.1612556]
RESAMPLED = [930.375854, 483.983521, -187.569992, -774.489746, -999.698730]
LATENTS = ("vibevoice_acoustic_tokenizer", "pocket_tts_audio_tokenizer")


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("tokenizers")
    return {name: save_tokenizer(name, root / name) for name in TOKENIZERS}


def opened(model: str) -> OpenCodec:
    codec = open_model(model)
    codec.prepare()
    return codec


def direct(
    model: torch.nn.Module, folder: Path, model_type: str, waveform: Waveform
) -> tuple[Any, Any]:
    """Codes or latents, and audio, of transformers' own calls."""
    _, extractor_class = tokenizer_parts(model_type)
    extractor = extractor_class.from_pretrained(folder)
    with torch.inference_mode():
        made = inspect.unwrap(extractor_class.__call__)(
            extractor,
            waveform.samples[0],
            sampling_rate=waveform.sample_rate,
            return_tensors="pt",
        )
        asked = inspect.signature(model.encode).parameters
        inputs = {name: value for name, value in made.items() if name in asked}
        settings = {"sample": False} if "sample" in asked else {}
        codes = model.encode(**inputs, **settings)
        codes = codes.latents if model_type in LATENTS else codes.audio_codes
        answer = model.decode(codes)
    heard = answer.audio if model_type.startswith("vibevoice") else answer.audio_values
    return codes[0].numpy(), heard[0].numpy()


@pytest.mark.parametrize("model_type", TOKENIZERS)
def test_codes_and_audio_are_those_of_transformers_to_the_bit(
    model_type: str, folders: dict[str, Path]
) -> None:
    folder = folders[model_type]
    codec = opened(f"transformers:{folder}")
    coder, card = codec.coder, codec.card
    assert isinstance(coder, AudioTokenizer)
    waveform = audio.speech_like(card.sample_rate + 123, card.sample_rate)
    (codes,) = coder.encode([waveform])
    (estimate,) = coder.decode([codes], [0])
    (network,) = coder.torch_modules
    expected, heard = direct(network, folder, model_type, waveform)
    if model_type in LATENTS:
        assert b"".join(codes.packets) == expected.tobytes()
    else:
        assert np.unique(expected).size > 5
        np.testing.assert_array_equal(np.stack(codes.streams), expected)
        assert codes.num_bits / waveform.duration_s == pytest.approx(
            card.nominal_bitrate_bps, rel=0.05
        )
    length = card.decoded_length(waveform.num_samples)
    assert estimate.sample_rate == card.decoded_rate
    assert estimate.num_samples == length
    filled = np.zeros_like(estimate.samples)
    filled[:, : heard.shape[-1]] = heard[:, :length]
    np.testing.assert_array_equal(estimate.samples, filled)
    for num_samples in (1, 321):
        short = Waveform(waveform.samples[:, :num_samples], waveform.sample_rate)
        (answer,) = coder.decode(coder.encode([short]), [0])
        assert answer.num_samples == card.decoded_length(num_samples)


def test_first_codebooks_by_number_and_by_rate(folders: dict[str, Path]) -> None:
    name = f"transformers:{folders['xcodec']}"
    waveform = audio.speech_like(8000, 16000)
    both = [opened(f"{name}{option}") for option in ("", "@k=5", "@kbps=2.5")]
    whole, few, same = (one.coder.encode([waveform])[0] for one in both if one.coder)
    assert [len(one.streams) for one in (whole, few, same)] == [8, 5, 5]
    assert same_codes(few, same)
    for one, other in zip(whole.streams, few.streams, strict=False):
        np.testing.assert_array_equal(one, other)
    assert both[1].card.nominal_bitrate_bps == 2500
    with pytest.raises(UsageError, match="no number of streams comes to that"):
        open_model(f"{name}@kbps=1.7")
    with pytest.raises(UsageError, match="give a rate or streams"):
        open_model(f"{name}@kbps=1@k=2")


def test_a_rate_comes_out_that_did_not_go_in(folders: dict[str, Path], tmp_path: Path) -> None:
    model = f"transformers:{folders['neucodec']}@generation=2"
    source = tmp_path / "in" / "a.wav"
    source.parent.mkdir()
    clip = audio.speech_like(4001, 8000, seed=3)
    soundfile.write(source, clip.samples[0], 8000)
    config = CodingConfig(model, tmp_path / "out")
    assert not encode(config, audio_inputs([str(source)])).failed
    assert not decode(config, Output(), codes_inputs([str(tmp_path / "out")])).failed
    written, rate = soundfile.read(tmp_path / "out" / "a.wav", dtype="float32")
    coder = opened(model).coder
    assert coder is not None
    heard = audio.resample(audio.read(source), 16000)
    (expected,) = coder.decode(coder.encode([heard]), [0])
    assert (rate, expected.sample_rate, expected.num_samples) == (24000, 24000, 12003)
    np.testing.assert_array_equal(written, expected.samples[0])
    # A second call finds what is there to be the codec's.
    assert decode(config, Output(), codes_inputs([str(tmp_path / "out")])).kept == 1
    result = snac_eval.evaluate(
        model, f"folder:{source.parent}", ["bitrate", "si_sdr", "token_agreement"], workers=0
    )
    assert list(result.scores["status"].unique()) == ["ok"]
    values = result.scores.set_index("metric")["value"]
    assert values["bitrate"] == pytest.approx(0.8, abs=0.05)


def test_the_contract_holds_for_it(folders: dict[str, Path]) -> None:
    name = f"transformers:{folders['neucodec']}"
    coder, again = opened(name).coder, opened(name).coder
    assert coder is not None
    assert again is not None
    subject = Subject(coder, lambda _: again, 2.0, drops_streams=True)
    for check in ("length kept", "stored codes decode", "silence", "long audio"):
        assert examine(check, CHECKS[check], subject).state == "ok"


def test_latents_are_kept_as_they_are_and_have_no_bits(
    folders: dict[str, Path], tmp_path: Path
) -> None:
    source = tmp_path / "a.wav"
    soundfile.write(source, audio.speech_like(6000, 24000).samples[0], 24000)
    name = f"transformers:{folders['pocket_tts_audio_tokenizer']}"
    setting = CodingConfig(name, tmp_path).setting()
    (clip,) = audio_inputs([str(source)]).clips
    coded = encoded(setting, audio.inspect(clip), Bar(1, enabled=False))
    codes = coded.codes
    assert codes.is_continuous
    assert math.isnan(codes.num_bits)
    for kept in (unpack(pack(codes)), unpacked(packed(coded)).codes):
        assert same_codes(kept, codes)
    lossy = opened(f"{name}@packet_loss=0.3").coder
    assert lossy is not None
    (heard,) = lossy.decode([codes], [0])
    assert heard.samples.shape == (1, 6000)
    with pytest.raises(CodecError, match="no bit can be flipped: its latents are continuous"):
        opened(f"{name}@bit_errors=0.01").coder.decode([codes], [0])  # type: ignore[union-attr]
    score = Bitrate().score_codes(codes, setting.codec.card, Timing(), 0.25)
    assert "latents are continuous" in score.reason


def test_what_cannot_be_opened_is_told_in_a_line(folders: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="name a model: transformers:OWNER/NAME"):
        open_model("transformers")
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(CheckpointError, match="type 'bert', no audio codec of transformers 5"):
        open_model(f"transformers:{tmp_path}")
    wrong = open_model("xcodec2_0.8kbps", weights=str(folders["xcodec"]))
    with pytest.raises(CheckpointError, match="type 'xcodec', not 'xcodec2'"):
        wrong.prepare()
    other = open_model("wavtokenizer_small_speech_0.9kbps", weights=str(folders["wavtokenizer"]))
    with pytest.raises(CodecError, match=r"4096 at 40 frames/s, which the card .* not describe"):
        other.prepare()


@pytest.mark.parametrize("card", CARDS, ids=[card.name for card in CARDS])
def test_cards_say_what_comes_to_their_rate(card: CodecCard) -> None:
    rates = zip(card.frame_rates_hz, card.codebook_sizes, strict=True)
    rate = sum(frames * math.log2(size) for frames, size in rates)
    assert card.nominal_bitrate_bps == rate or (math.isnan(card.nominal_bitrate_bps) and not rate)
    assert not rate or card.name.endswith(f"_{rate / 1000:g}kbps")
    assert card.options["model_type"] in TOKENIZERS


def test_the_filterbank_and_the_resampler_are_torchaudios() -> None:
    tone = 1000 * torch.sin(torch.arange(800) ** 1.5 / 40)[None]
    settings = {
        "num_mel_bins": 80,
        "frame_length": 25.0,
        "frame_shift": 10.0,
        "sample_frequency": 16000,
        "low_freq": 20,
        "high_freq": 8000,
        "window_type": "povey",
        "preemphasis_coefficient": 0.97,
        "remove_dc_offset": True,
        "use_log_fbank": True,
        "use_energy": False,
        "dither": 0.0,
        "snip_edges": True,
    }
    made = kaldi.fbank(tone, **settings)  # type: ignore[arg-type]
    assert made.shape == (3, 80)
    np.testing.assert_allclose(made[1, ::16].numpy(), FBANK, rtol=1e-5)
    at_16khz = kaldi.resample(tone, 24000, 16000)[0, 100:105]
    np.testing.assert_allclose(at_16khz, RESAMPLED, rtol=1e-5)
    with pytest.raises(ValueError, match="the filterbank without torchaudio has"):
        kaldi.fbank(tone, **{**settings, "dither": 1.0})  # type: ignore[arg-type]
