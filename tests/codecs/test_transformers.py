"""EnCodec, DAC and Mimi against transformers asked directly, with small random models."""

from __future__ import annotations

import contextlib
import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from snac_eval.api import load_codec
from snac_eval.codecs.contract import CHECKS, Subject, examine
from snac_eval.codecs.transformers.base import TransformersCodec
from snac_eval.errors import CheckpointError, CodecError
from snac_eval.registry import cards
from snac_eval.types import CodecCard, Codes, Waveform
from tests.conftest import tone
from tests.tiny_transformers import save_tiny

transformers = pytest.importorskip("transformers", reason="needs the extra transformers")

FAMILIES = ("encodec", "dac", "mimi")
CARDS = {
    path.stem: cards.read_codec_card(path)
    for path in cards.card_files("codecs").values()
    if cards.read_codec_card(path).family in FAMILIES
}
# One card per kind of model, with all codebooks or nearly; DAC at 24 kHz is DAC at 16 kHz.
NAMES = (
    "encodec_24khz_6kbps",
    "encodec_48khz_6kbps",
    "dac_16khz_3kbps",
    "dac_44khz_7.8kbps",
    "mimi_1.1kbps",
)


def model_name(card: CodecCard) -> str:
    return card.weights.partition("/")[2]


def open_tiny(name: str, tiny_models: dict[str, Path], device: str = "cpu") -> TransformersCodec:
    codec = load_codec(name, weights=str(tiny_models[model_name(CARDS[name])]), device=device)
    assert isinstance(codec, TransformersCodec)
    return codec


# What a masked batch of DAC at 44.1 kHz does, tests/contract asks.
@pytest.mark.parametrize("name", [name for name in NAMES if name != "dac_44khz_7.8kbps"])
def test_the_contract_holds(name: str, tiny_models: dict[str, Path]) -> None:
    codec = open_tiny(name, tiny_models)
    subject = Subject(codec, lambda _: open_tiny(name, tiny_models), 5.0, drops_streams=True)
    findings = [examine(check, CHECKS[check], subject) for check in CHECKS]
    assert [finding for finding in findings if finding.state == "failed"] == []


def clip(card: CodecCard, duration_s: float = 1.37, seed: int = 0) -> Waveform:
    rate = card.sample_rate
    channels = [
        tone(max(duration_s, 1 / rate), rate, seed + index) for index in range(card.channels)
    ]
    return Waveform(np.stack(channels), rate)


def direct(
    model: torch.nn.Module, card: CodecCard, waveform: Waveform
) -> tuple[Any, NDArray[np.float32]]:
    """What transformers makes of one clip: its output of encode, and its decoded audio."""
    values = torch.from_numpy(waveform.samples)[None]
    count = len(card.codebook_sizes)
    with torch.inference_mode():
        if card.family == "encodec":
            made = model.encode(values, bandwidth=card.nominal_bitrate_bps / 1000)
            pad = made.last_frame_pad_length
            audio = model.decode(made.audio_codes, made.audio_scales, last_frame_pad_length=pad)[0]
        elif card.family == "dac":
            values = torch.nn.functional.pad(
                values, (0, -values.shape[-1] % model.config.hop_length)
            )
            made = model.encode(values, n_quantizers=count)
            audio = model.decode(audio_codes=made.audio_codes)[0][:, None]
        else:
            made = model.encode(values, num_quantizers=count)
            audio = model.decode(made.audio_codes)[0]
    return made, audio[0, :, : waveform.num_samples].numpy()


@pytest.mark.parametrize("name", NAMES)
def test_codes_and_audio_equal_those_of_transformers_called_directly(
    name: str, tiny_models: dict[str, Path]
) -> None:
    codec, card = open_tiny(name, tiny_models), CARDS[name]
    model_class = getattr(transformers, f"{codec.model_type.capitalize()}Model")
    model = model_class.from_pretrained(tiny_models[model_name(card)]).eval()
    waveform = clip(card, 2.2)
    made, expected = direct(model, card, waveform)
    (codes,) = codec.encode([waveform])
    if card.family == "encodec":
        chunks = [chunk[0] for chunk in made.audio_codes]
        chunks[-1] = chunks[-1][:, : chunks[-1].shape[-1] - made.last_frame_pad_length]
        tokens = torch.cat(chunks, dim=-1)
    else:
        tokens = made.audio_codes[0]
    assert tokens.unique().numel() > 10
    assert (codec.encode([]), codec.decode([], [])) == ([], [])
    np.testing.assert_array_equal(np.stack(codes.streams), tokens.numpy())
    (estimate,) = codec.decode([codes], [0])
    filled = np.zeros_like(waveform.samples)
    filled[:, : expected.shape[-1]] = expected
    if name != "dac_16khz_3kbps":
        np.testing.assert_allclose(estimate.samples, filled, rtol=1e-4, atol=1e-6)
        return
    # Its decoder leaves out a sample less before the layers that make 8 of each; at either end
    # they see that.
    assert expected.shape[-1] == -(-waveform.num_samples // 320) * 320 - 8
    inner = slice(20 * 320, -20 * 320)
    late = estimate.samples[:, 8 : expected.shape[-1] + 8]
    np.testing.assert_allclose(late[:, inner], expected[:, inner], rtol=1e-4, atol=1e-6)
    assert np.abs(estimate.samples[:, :8]).min() > 0


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("num_samples", [1, 321, 15011])
def test_length_is_kept_and_bits_are_those_of_whole_frames(
    name: str, num_samples: int, tiny_models: dict[str, Path]
) -> None:
    codec, card = open_tiny(name, tiny_models), CARDS[name]
    long = clip(card, 1.0)
    waveform = Waveform(long.samples[:, :num_samples], long.sample_rate)
    (codes,) = codec.encode([waveform])
    frames = -(-num_samples // round(card.sample_rate / card.frame_rates_hz[0]))
    bits = frames * sum(np.log2(card.codebook_sizes))
    assert codes.num_bits == bits + (32 if card.channels == 2 else 0)
    (estimate,) = codec.decode([codes], [0])
    assert estimate.samples.shape == waveform.samples.shape
    assert estimate.samples.dtype == np.float32
    assert np.isfinite(estimate.samples).all()


# Around one stride (47520), one chunk (48000) and their doubles; the codes of 95041 and the audio
# of 47720 samples are what transformers itself fails at.
@pytest.mark.parametrize("num_samples", [47520, 47521, 47720, 48001, 95041])
def test_chunks_and_scales_of_encodec_48khz_are_counted(
    num_samples: int, tiny_models: dict[str, Path]
) -> None:
    name = "encodec_48khz_3kbps"
    codec = open_tiny(name, tiny_models)
    long = clip(CARDS[name], 2.1)
    waveform = Waveform(long.samples[:, :num_samples], 48000)
    starts = range(0, num_samples, 47520)
    frames = sum(-(-min(48000, num_samples - start) // 320) for start in starts)
    (codes,) = codec.encode([waveform])
    assert codes.num_tokens == 2 * frames
    assert codes.num_bits == 2 * frames * 10 + 32 * len(starts)
    (estimate,) = codec.decode([codes], [0])
    assert estimate.samples.shape == waveform.samples.shape
    assert np.isfinite(estimate.samples).all()


def _differing(codec: TransformersCodec, clips: list[Waveform], together: list[Codes]) -> int:
    """Tokens of the batch that the clip alone does not have."""
    pairs = zip(together, (codec.encode([one])[0] for one in clips), strict=True)
    return sum(int((np.stack(a.streams) != np.stack(b.streams)).sum()) for a, b in pairs)


def test_in_a_padded_batch_dac_codes_each_clip_as_alone(
    tiny_models: dict[str, Path], monkeypatch: pytest.MonkeyPatch, device: str
) -> None:
    monkeypatch.setattr("snac_eval.codecs.tiles.TILE_FRAMES", 20)
    codec = open_tiny("dac_16khz_3kbps", tiny_models, device)
    hop = codec.padded_length(1)
    assert hop is not None
    whole = clip(codec.card, 1.2)
    sizes = [whole.num_samples, 40 * hop, 40 * hop - 1, 25 * hop + 7, hop + 1, hop, 9, 1]
    clips = [replace(whole, samples=whole.samples[:, :size]) for size in sizes]
    together = codec.encode(clips)
    assert [one.num_samples for one in together] == sizes
    assert _differing(codec, clips, together) == 0
    decoded = codec.decode(together, [0] * len(clips))
    for one, estimate in zip(together, decoded, strict=True):
        (own,) = codec.decode([one], [0])
        atol = min(1e-6, 1e-5 * float(np.abs(own.samples).max()))
        np.testing.assert_allclose(own.samples, estimate.samples, rtol=0, atol=atol)
    monkeypatch.setattr(
        "snac_eval.codecs.transformers.dac.zeros_after", lambda *_: contextlib.nullcontext()
    )
    assert _differing(codec, clips, codec.encode(clips)) > 0


def test_encodec_and_mimi_take_one_clip_at_a_time(tiny_models: dict[str, Path]) -> None:
    for name in ("encodec_24khz_6kbps", "mimi_1.1kbps"):
        assert open_tiny(name, tiny_models).padded_length(1000) is None


@pytest.mark.parametrize(
    "name",
    [
        "dac_16khz_6kbps",
        "encodec_24khz_24kbps",
        "mimi_1.1kbps",
    ],
)
def test_tiles_change_nothing(
    name: str, tiny_models: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    codec = open_tiny(name, tiny_models)
    waveform = clip(codec.card, 3.3)
    (whole,) = codec.encode([waveform])
    (expected,) = codec.decode([whole], [0])

    def in_tiles(context: int) -> tuple[float, float]:
        monkeypatch.setattr("snac_eval.codecs.tiles.TILE_FRAMES", 50)
        monkeypatch.setattr("snac_eval.codecs.tiles.CONTEXT_FRAMES", context)
        (codes,) = codec.encode([waveform])
        (estimate,) = codec.decode([whole], [0])
        assert estimate.num_samples == waveform.num_samples
        same = float(np.mean(np.stack(codes.streams) == np.stack(whole.streams)))
        return same, float(np.abs(estimate.samples - expected.samples).max())

    scale = float(np.abs(expected.samples).max())
    same, error = in_tiles(24)
    # Rounding may turn a token of one of 32 codebooks, and those behind it with it.
    assert same > 0.99
    assert error < 1e-5 * scale
    same, error = in_tiles(0)
    assert same < 1
    assert error > 1e-5 * scale


def test_codes_of_different_lengths_decode_together(tiny_models: dict[str, Path]) -> None:
    codec = open_tiny("encodec_24khz_1.5kbps", tiny_models)
    codes = [codec.encode([clip(codec.card, seconds)])[0] for seconds in (0.5, 0.7)]
    together = codec.decode(codes, [0, 0])
    for one, estimate in zip(codes, together, strict=True):
        np.testing.assert_array_equal(codec.decode([one], [0])[0].samples, estimate.samples)


@pytest.mark.parametrize("name", sorted(CARDS))
def test_cards_agree_with_the_published_configurations(
    name: str, tiny_models: dict[str, Path]
) -> None:
    card = CARDS[name]
    open_tiny(name, tiny_models)
    rate = sum(
        frames * np.log2(size)
        for frames, size in zip(card.frame_rates_hz, card.codebook_sizes, strict=True)
    )
    assert card.nominal_bitrate_bps == pytest.approx(rate, abs=1e-3)
    named = float(name.rpartition("_")[2].removesuffix("kbps"))
    assert card.nominal_bitrate_bps / 1000 == pytest.approx(named, abs=0.06)
    assert len(card.revision) == 40
    assert card.licence
    assert card.citation


def test_first_codebooks_are_those_of_the_higher_bitrate(tiny_models: dict[str, Path]) -> None:
    for low, high in (
        ("encodec_24khz_1.5kbps", "encodec_24khz_24kbps"),
        ("dac_24khz_1.5kbps", "dac_24khz_6kbps"),
        ("mimi_1.1kbps", "mimi_4.4kbps"),
    ):
        few, many = open_tiny(low, tiny_models), open_tiny(high, tiny_models)
        assert few.fingerprint != many.fingerprint
        waveform = clip(few.card, 0.8)
        ((one,), (other,)) = few.encode([waveform]), many.encode([waveform])
        for mine, theirs in zip(one.streams, other.streams, strict=False):
            np.testing.assert_array_equal(mine, theirs)


def test_refuses_weights_that_are_not_the_cards(
    tiny_models: dict[str, Path], tmp_path: Path
) -> None:
    with pytest.raises(CodecError, match="the card 'dac_24khz_6kbps' does not describe"):
        load_codec("dac_24khz_6kbps", weights=str(tiny_models["dac_44khz"]), device="cpu")
    with pytest.raises(CheckpointError, match="model of type 'mimi', not 'encodec'"):
        load_codec("encodec_24khz_6kbps", weights=str(tiny_models["mimi"]), device="cpu")
    save_tiny("mimi", tmp_path)
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(CheckpointError, match="no valid configuration"):
        load_codec("mimi_1.1kbps", weights=str(tmp_path), device="cpu")


def test_refuses_broken_and_incomplete_weights(tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    save_tiny("encodec_24khz", tmp_path)
    weights = tmp_path / "model.safetensors"
    whole = load_file(weights)
    missing = next(key for key in whole if "decoder" in key)
    rest = {key: value for key, value in whole.items() if key != missing}
    save_file(rest, weights, metadata={"format": "pt"})
    with pytest.raises(CheckpointError, match="1 missing keys, such as decoder"):
        load_codec("encodec_24khz_6kbps", weights=str(tmp_path), device="cpu")
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(CheckpointError, match="cannot be loaded as EncodecModel") as caught:
        load_codec("encodec_24khz_6kbps", weights=str(tmp_path), device="cpu")
    assert "\n" not in str(caught.value)


def test_refuses_what_it_cannot_take(tiny_models: dict[str, Path]) -> None:
    codec = open_tiny("encodec_48khz_6kbps", tiny_models)
    for bad in (
        Waveform(np.zeros((1, 100), np.float32), 48000),
        Waveform(np.zeros((2, 100), np.float32), 24000),
        Waveform(np.full((2, 100), np.nan, np.float32), 48000),
    ):
        with pytest.raises(CodecError, match="encodec_48khz_6kbps"):
            codec.encode([bad])


def test_what_it_computes_with_is_named(tiny_models: dict[str, Path]) -> None:
    for name in NAMES:
        codec = open_tiny(name, tiny_models)
        weights = tiny_models[model_name(CARDS[name])] / "model.safetensors"
        assert codec.weights_sha256 == hashlib.sha256(weights.read_bytes()).hexdigest()
        assert codec.fingerprint.endswith(f"weights={codec.weights_sha256}")
        (network,) = codec.torch_modules
        assert type(network).__name__ == f"{codec.model_type.capitalize()}Model"


def test_saved_configurations_are_the_hubs_format(tiny_models: dict[str, Path]) -> None:
    for name, folder in tiny_models.items():
        config = json.loads((folder / "config.json").read_text())
        assert config["model_type"] == name.partition("_")[0]
        assert (folder / "model.safetensors").is_file()
