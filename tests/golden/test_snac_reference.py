"""Our SNAC against PyPI's ``snac`` 1.2.1, with random weights in the published configurations."""

from __future__ import annotations

import warnings
from typing import Any
from unittest import mock

import pytest
import torch
from torch import Tensor, nn

from snac_eval.codecs.snac import SNAC, SNACConfig
from snac_eval.codecs.snac.checkpoint import fold_weight_norm
from snac_eval.codecs.snac.layers import GivenNoise
from tests.codecs.snac.models import PUBLISHED, equal, liven, random_audio


def _reference(name: str) -> nn.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the reference uses a deprecated part of torch
        import snac

    torch.manual_seed(0)
    table = {key: list(v) if isinstance(v, tuple) else v for key, v in PUBLISHED[name].items()}
    model: nn.Module = snac.SNAC(**table)
    return liven(model).eval()


@pytest.fixture(scope="module", params=sorted(PUBLISHED))
def pair(request: pytest.FixtureRequest) -> tuple[str, SNAC, nn.Module]:
    """Our model and the reference with the same weights."""
    reference = _reference(request.param)
    ours = SNAC(SNACConfig(**PUBLISHED[request.param])).eval()
    ours.load_state_dict(fold_weight_norm(reference.state_dict()))
    return request.param, ours, reference


def test_codes_are_identical_and_audio_agrees(pair: tuple[str, SNAC, nn.Module]) -> None:
    _, ours, reference = pair
    audio = random_audio(30000)
    drawn: list[Tensor] = []

    def record(size: Any, **_: Any) -> Tensor:  # noqa: ANN401
        drawn.append(torch.rand(size, generator=generator) * 2 - 1)
        return drawn[-1]

    generator = torch.Generator().manual_seed(2)
    with torch.inference_mode(), mock.patch("torch.randn", record):
        codes = reference.encode(audio)  # type: ignore[operator]
        expected = reference.decode(codes)  # type: ignore[operator]
    mine = ours.encode(audio)
    assert equal(mine, codes)
    assert len({int(code) for stream in mine for code in stream.flatten()}) > 10
    estimate = ours.decode(mine, noise=GivenNoise(drawn))
    assert len(drawn) == 4
    torch.testing.assert_close(estimate, expected, atol=1e-5, rtol=0)


def test_counts_and_rates(pair: tuple[str, SNAC, nn.Module]) -> None:
    name, ours, _ = pair
    millions = sum(parameter.numel() for parameter in ours.parameters()) / 1e6
    bps = ours.config.bitrate_bps
    published = {
        "snac_24khz": (19.8, 984.375, 2048),
        "snac_32khz": (54.5, 1875.0, 12288),
        "snac_44khz": (54.5, 2583.984375, 12288),
    }[name]
    assert (round(millions, 1), bps, ours.config.pad_multiple) == published


def test_batch_equals_single(pair: tuple[str, SNAC, nn.Module]) -> None:
    name, ours, _ = pair
    if name != "snac_24khz":
        pytest.skip("one configuration is enough")
    audio = random_audio(6000, batch=3)
    codes = ours.encode(audio)
    together = ours.decode(codes, 6000, seeds=[5, 6, 7])
    assert together.shape == audio.shape
    for item in range(3):
        own = ours.encode(audio[item : item + 1])
        assert equal([one[item : item + 1] for one in codes], own)
        alone = ours.decode(own, 6000, seeds=[5 + item])
        torch.testing.assert_close(alone[0], together[item], atol=1e-6, rtol=0)
    other = ours.decode([one[:1] for one in codes], 6000, seeds=[99])
    assert not torch.equal(other[0], together[0])
