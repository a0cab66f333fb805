"""SNAC on a stream: the same codes and audio however the signal is cut, and whole-layer passes."""

from __future__ import annotations

import math
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from snac_eval.codecs.snac import SNAC, SNACConfig
from snac_eval.codecs.snac.layers import GivenNoise, SeededNoise
from tests.codecs.snac.models import SHAPES, SMALL, equal, random_audio, random_model


@pytest.fixture(params=sorted(SHAPES))
def model(request: pytest.FixtureRequest) -> SNAC:
    """A small model with random weights."""
    return random_model(SHAPES[request.param])


def _cut(signal: Tensor, sizes: tuple[int, ...]) -> Iterator[Tensor]:
    start = 0
    while start < signal.shape[-1]:
        for size in sizes:
            yield signal[..., start : start + size]
            start += size


def _joined(parts: Iterator[list[Tensor]]) -> list[Tensor]:
    return [torch.cat(one, dim=1) for one in zip(*parts, strict=True)]


@pytest.mark.parametrize("num_samples", [1, 97, 5000, 100_003])
def test_tiles_give_what_whole_layers_give(model: SNAC, num_samples: int) -> None:
    audio = random_audio(num_samples)
    expected = model.encode_whole(audio)
    noise = [torch.randn(1, 1, model.pad(audio).shape[-1]) for _ in SMALL.decoder_rates]
    whole = model.decode_whole(expected, GivenNoise(noise))
    codes = model.encode(audio)
    assert equal(codes, expected)
    decoded = model.decode(codes, noise=GivenNoise(noise))
    torch.testing.assert_close(decoded, whole, atol=1e-6, rtol=0)


@pytest.mark.parametrize("sizes", [(1000,), (37, 4096, 1), (200_000,)])
def test_codes_do_not_depend_on_how_the_audio_comes_in(model: SNAC, sizes: tuple[int, ...]) -> None:
    audio = random_audio(100_003)
    whole = model.encode(audio)
    parts = _joined(model.encode_stream(_cut(audio, sizes)))
    assert equal(parts, whole)


@pytest.mark.parametrize("num_frames", [1, 10, 1000])
def test_audio_does_not_depend_on_how_the_codes_come_in(model: SNAC, num_frames: int) -> None:
    codes = model.encode(random_audio(100_003))
    whole = model.decode(codes, seeds=[3])
    per_frame = [model.config.vq_strides[0] // stride for stride in model.config.vq_strides]
    blocks = zip(
        *(_cut(one, (num_frames * count,)) for one, count in zip(codes, per_frame, strict=True)),
        strict=True,
    )
    parts = list(model.decode_stream(blocks, seed=3))
    assert len(parts) > 1
    assert torch.equal(torch.cat(parts, dim=-1), whole)


def test_codes_are_there_before_all_audio_is(model: SNAC) -> None:
    read = []

    def blocks() -> Iterator[Tensor]:
        for block in _cut(random_audio(400_000), (10_000,)):
            read.append(block)
            yield block

    first = next(model.encode_stream(blocks()))
    assert first[0].shape[1] > 0
    assert len(read) < 40
    assert not torch.is_inference_mode_enabled()


def test_first_streams_decode_alone(model: SNAC) -> None:
    codes = model.encode(random_audio(3000))
    whole = model.decode_whole(codes[:2], SeededNoise([5]))
    torch.testing.assert_close(model.decode(codes[:2], seeds=[5]), whole, atol=1e-6, rtol=0)


def test_noise_is_the_same_in_any_pieces() -> None:
    whole, pieces = SeededNoise([1, 2]), SeededNoise([1, 2])
    expected = whole(1, torch.empty(2, 3, 10_000))
    lengths = (1, 4095, 0, 1000, 4904)
    drawn = [pieces(1, torch.empty(2, 3, length)) for length in lengths]
    assert torch.equal(torch.cat(drawn, dim=-1), expected)
    assert torch.equal(
        SeededNoise([1, 2]).item(1)(1, torch.empty(1, 1, 50))[0], expected[1, :, :50]
    )
    assert not torch.equal(SeededNoise([1, 2])(0, torch.empty(2, 1, 10_000)), expected)


@pytest.mark.parametrize("rates", [(1, 2, 4), (2, 1, 3), (1, 1, 4)])
def test_tiles_know_strides_of_one(rates: tuple[int, ...]) -> None:
    table = {**SMALL.to_dict(), "encoder_rates": rates, "decoder_rates": (math.prod(rates),)}
    model = random_model(SNACConfig(**table))
    for num_samples in (1, 5000, 100_003):
        audio = random_audio(num_samples)
        assert equal(model.encode(audio), model.encode_whole(audio))
