"""Clips of different length in one batch: each has the codes and the audio that it has alone."""

from __future__ import annotations

import sys
from functools import partial
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode
from torch.nn import functional

from snac_eval.codecs.snac import SNAC, SNACConfig, fused
from snac_eval.codecs.snac.layers import Ends, FreshNoise, SeededNoise, Snake1d
from tests.codecs.snac.models import SHAPES, random_audio, random_model

# Whole frames and parts of one, down to a single sample.
LENGTHS = [2500, 2304, 1800, 1536, 1153, 700, 64, 1]
SEEDS = list(range(40, 48))


def _batch(device: str) -> Tensor:
    audio = random_audio(max(LENGTHS), len(LENGTHS))
    for row, length in zip(audio, LENGTHS, strict=True):
        row[:, length:] = 0
    return audio.to(device)


def _frames(model: SNAC, length: int) -> list[int]:
    """Tokens of each stream, and samples that are decoded, of a clip alone."""
    config = model.config
    padded = -(-length // config.pad_multiple) * config.pad_multiple
    return [*(padded // config.hop_length // stride for stride in config.vq_strides), padded]


def _differing(model: SNAC, audio: Tensor, codes: list[Tensor]) -> int:
    """Tokens of the batch that the clip alone does not have."""
    count = 0
    for item, length in enumerate(LENGTHS):
        alone = model.encode_whole(audio[item : item + 1, :, :length])
        for one, stream in zip(alone, codes, strict=True):
            count += int((stream[item, : one.shape[1]] != one[0]).sum())
    return count


@pytest.mark.parametrize("shape", SHAPES)
def test_codes_in_a_padded_batch_are_those_of_the_clip_alone(shape: str, device: str) -> None:
    model, audio = random_model(SHAPES[shape]).to(device), _batch(device)
    assert _differing(model, audio, model.encode_whole(audio, LENGTHS)) == 0
    assert _differing(model, audio, model.encode_whole(audio)) > 0


@pytest.mark.parametrize("shape", SHAPES)
def test_audio_in_a_padded_batch_is_that_of_the_clip_alone(shape: str, device: str) -> None:
    model, audio = random_model(SHAPES[shape]).to(device), _batch(device)
    codes = model.encode_whole(audio, LENGTHS)
    decoded = model.decode_whole(codes, SeededNoise(SEEDS), LENGTHS)
    apart = []
    for item, (length, seed) in enumerate(zip(LENGTHS, SEEDS, strict=True)):
        *counts, padded = _frames(model, length)
        one = [s[item : item + 1, :count] for s, count in zip(codes, counts, strict=True)]
        alone = model.decode_whole(one, SeededNoise([seed]))
        assert alone.shape[-1] == padded
        apart.append(float((alone[0] - decoded[item, :, :padded]).abs().max()))
        if device == "cpu":
            streamed = model.decode(one, seeds=[seed])
            apart.append(float((streamed[0] - decoded[item, :, :padded]).abs().max()))
    assert max(apart) < 1e-6
    unmasked = model.decode_whole(codes, SeededNoise(SEEDS))
    assert float((unmasked - decoded)[-1, :, : _frames(model, 1)[-1]].abs().max()) > 1e-4


def test_what_follows_an_item_changes_nothing(device: str) -> None:
    model, audio = random_model().to(device), _batch(device)
    codes = model.encode_whole(audio, LENGTHS)
    others = [stream.clone() for stream in codes]
    for item, length in enumerate(LENGTHS):
        for stream, count in zip(others, _frames(model, length), strict=False):
            stream[item, count:] = 1
    decoded = [model.decode_whole(each, SeededNoise(SEEDS), LENGTHS) for each in (codes, others)]
    for item, length in enumerate(LENGTHS):
        assert torch.equal(*(audio[item, :, :length] for audio in decoded))


def test_ends_zero_what_follows_at_every_rate() -> None:
    ends = Ends(torch.tensor([4, 1, 3]), 4)
    for time in (4, 12):
        zeroed = ends.zeroed(torch.ones(3, 2, time))
        assert zeroed.sum(dim=2).tolist() == [[share * time // 4] * 2 for share in (4, 1, 3)]


def _said_to_be_on_a_gpu(config: SNACConfig, mode: FakeTensorMode) -> SNAC:
    with torch.device("meta"):
        model = SNAC(config).eval()
    # With its number: torch would have to ask a driver which GPU is meant.
    gpu = torch.device("cuda:0")
    for module in model.modules():
        for tensors in (module._parameters, module._buffers):
            for name, tensor in tensors.items():
                if tensor is not None:
                    fake = FakeTensor(mode, tensor.detach(), gpu)
                    is_weight = tensors is module._parameters
                    tensors[name] = nn.Parameter(fake, requires_grad=False) if is_weight else fake
    return model


@pytest.mark.parametrize("shape", SHAPES)
def test_tensors_that_are_only_said_to_be_on_a_gpu_pass_through(
    shape: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A torch that was built without CUDA asks its driver before this one operation.
    copied = partial(torch.clone, memory_format=torch.contiguous_format)
    monkeypatch.setattr(Tensor, "contiguous", lambda tensor: copied(tensor))
    with FakeTensorMode() as mode:
        model = _said_to_be_on_a_gpu(SHAPES[shape], mode)
        audio = torch.empty(8, 1, max(LENGTHS), device="cuda:0")
        codes = model.encode(audio)
        masked = model.encode_whole(audio, LENGTHS)
        decoded = model.decode_whole(masked, FreshNoise(), LENGTHS)
        whole = model.decode_whole(codes, FreshNoise())
    counts = _frames(model, max(LENGTHS))
    for one, other, count in zip(codes, masked, counts, strict=False):
        assert (one.shape, one.device.type) == ((8, count), "cuda")
        assert (other.shape, other.device.type) == ((8, count), "cuda")
    assert (decoded.shape, decoded.device.type) == ((8, 1, counts[-1]), "cuda")
    assert (whole.shape, whole.device.type) == ((8, 1, counts[-1]), "cuda")


def _layers_for_kernels() -> SimpleNamespace:
    """What the kernels compute, by torch's functions."""

    def snake(
        x: Tensor, alpha: Tensor, ends: Tensor | None = None, bias: Tensor | None = None
    ) -> Tensor:
        if bias is not None:
            x = x + bias[:, None]
        if ends is not None:
            x = x * (torch.arange(x.shape[-1]) < ends[:, None, None])
        return x + torch.sin(alpha * x) ** 2 / (alpha + 1e-9)

    def depthwise_snake(
        x: Tensor, weight: Tensor, bias: Tensor, dilation: int, alpha: Tensor
    ) -> Tensor:
        padding = dilation * (weight.shape[-1] // 2)
        made = functional.conv1d(x, weight, bias, 1, padding, dilation, x.shape[1])
        return snake(made, alpha)

    return SimpleNamespace(snake=snake, depthwise_snake=depthwise_snake)


@pytest.mark.parametrize("shape", SHAPES)
def test_fewer_trips_through_memory_give_what_the_layers_give(
    shape: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, audio = random_model(SHAPES[shape]), _batch("cpu")
    codes = model.encode_whole(audio, LENGTHS)
    decoded = model.decode_whole(codes, SeededNoise(SEEDS), LENGTHS)
    whole = model.encode_whole(audio)
    calls: list[bool] = []

    def fits(*_: object) -> bool:
        calls.append(True)
        return True

    import snac_eval.codecs.snac as package

    kernels = _layers_for_kernels()
    monkeypatch.setitem(sys.modules, "snac_eval.codecs.snac.gpu_kernels", kernels)
    monkeypatch.setattr(package, "gpu_kernels", kernels, raising=False)
    monkeypatch.setattr(fused, "is_on_gpu", fits)
    monkeypatch.setattr(fused, "problem", lambda _: "")
    before = audio.clone()
    assert all(map(torch.equal, model.encode_whole(audio, LENGTHS), codes))
    assert all(map(torch.equal, model.encode_whole(audio), whole))
    again = model.decode_whole(codes, SeededNoise(SEEDS), LENGTHS)
    torch.testing.assert_close(again, decoded, atol=1e-6, rtol=0)
    assert torch.equal(audio, before)
    assert len(calls) == 3


def test_a_replaced_layer_goes_past_the_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    model, audio = random_model(), _batch("cpu")
    model.encoder.block[1].block[0] = nn.Identity()  # type: ignore[index, operator]
    model.decoder.model[2].block[-1].register_forward_hook(lambda *_: None)  # type: ignore[index, operator]
    monkeypatch.setattr(fused, "is_on_gpu", lambda _: True)
    monkeypatch.setattr(fused, "problem", lambda _: "")
    codes = model.encode_whole(audio, LENGTHS)
    assert _differing(model, audio, codes) == 0
    assert model.decode_whole(codes, SeededNoise(SEEDS), LENGTHS).isfinite().all()


def test_without_triton_or_a_gpu_that_it_knows_the_layers_remain() -> None:
    fused.problem.cache_clear()
    assert fused.problem(torch.device("meta"))
    fused.problem.cache_clear()


def test_the_kernels_give_what_the_layers_give(device: str) -> None:
    pytest.importorskip("triton", reason="needs Triton and a GPU: pytest --device cuda")
    if device != "cuda":
        pytest.skip("needs a GPU: pytest --device cuda")
    from snac_eval.codecs.snac import gpu_kernels as kernels

    assert fused.problem(torch.device("cuda:0")) == ""
    torch.manual_seed(0)
    for batch, channels, time in ((2, 3, 2500), (1, 64, 16384), (3, 5, 1), (8, 48, 1001)):
        x = 10 * torch.randn(batch, channels, time, device="cuda:0")
        snake = Snake1d(channels).to(device).requires_grad_(False)
        snake.alpha.uniform_(0.3, 3)
        bias = torch.randn(channels, device="cuda:0")
        frames = torch.randint(0, time + 1, (batch,), device="cuda:0")
        found = kernels.snake(x, snake.alpha, frames, bias)
        expected = snake(Ends(frames, time).zeroed(x + bias[:, None]))
        torch.testing.assert_close(found, expected, atol=2e-5, rtol=1e-6)
        for dilation in (1, 3, 9):
            conv = nn.Conv1d(
                channels, channels, 7, dilation=dilation, padding=3 * dilation, groups=channels
            )
            conv.to(device).requires_grad_(False)
            assert conv.bias is not None
            made = kernels.depthwise_snake(x, conv.weight, conv.bias, dilation, snake.alpha)
            torch.testing.assert_close(made, snake(conv(x)), atol=2e-5, rtol=1e-5)


@pytest.mark.parametrize("length", [1, 15, 4095, 4096, 4097, 100_000])
def test_one_draw_gives_the_noise_of_many(length: int) -> None:
    noise = SeededNoise([3, 4])(1, torch.empty(2, 5, length))
    for item, seed in enumerate((3, 4)):
        root = torch.Generator().manual_seed(seed)
        own = int(torch.randint(2**62, (2,), generator=root)[1])
        generator = torch.Generator().manual_seed(own)
        pieces = [torch.randn(4096, generator=generator) for _ in range(-(-length // 4096))]
        assert torch.equal(noise[item, 0], torch.cat(pieces)[:length])
