"""Training on a GPU: its kernels compute what torch's layers do, and its graph trains.

Without a GPU the kernels run in Triton's interpreter, where Triton is installed::

    TRITON_INTERPRET=1 python -m pytest tests/test_training_gpu.py
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from torch import Tensor, nn

from snac_eval.codecs.snac.layers import FreshNoise, NoiseBlock, ResidualUnit, Snake1d
from tests.conftest import tone
from tests.test_training import tiny
from training.train import train
from training.trainer import Trainer, build_model

pytest.importorskip("triton", reason="needs Triton, which comes with torch for a GPU")
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
pytestmark = pytest.mark.skipif(
    DEVICE == "cpu" and os.environ.get("TRITON_INTERPRET") != "1",
    reason="needs a GPU, or TRITON_INTERPRET=1 from the start",
)


@pytest.fixture(autouse=True)
def _exact() -> Iterator[None]:
    before = torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    yield
    torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32 = before


def outcome(layer: nn.Module, *inputs: Tensor) -> list[Tensor]:
    """What ``layer`` makes of the inputs, and all gradients of a weighted sum of it."""
    first = inputs[0].clone().requires_grad_()
    given = layer(first, *inputs[1:])
    weights = torch.linspace(-1, 1, given.numel(), device=given.device).view_as(given)
    gradients = torch.autograd.grad((given * weights).sum(), [first, *layer.parameters()])
    return [given.detach(), *gradients]


def assert_alike(layer: nn.Module, *inputs: Tensor) -> None:
    from training.gpu.layers import use_kernels

    expected = outcome(layer, *inputs)
    use_kernels(layer)
    for ours, theirs in zip(outcome(layer, *inputs), expected, strict=True):
        # Products in tf32 on a GPU.
        apart = (ours - theirs).norm() / theirs.norm()
        assert float(apart) < (5e-3 if DEVICE == "cuda" else 1e-4)


@pytest.mark.parametrize("channels", [20, 80])
@pytest.mark.parametrize("dilation", [1, 9])
def test_kernels_of_a_residual_unit(channels: int, dilation: int) -> None:
    torch.manual_seed(0)
    unit = ResidualUnit(channels, dilation, channels).to(DEVICE)
    for snake in (unit.parts[0], unit.parts[2]):
        nn.init.uniform_(snake.alpha, 0.5, 2.0)
    assert_alike(unit, torch.randn(2, channels, 75, device=DEVICE))


@pytest.mark.parametrize("channels", [20, 80])
def test_kernels_of_a_noise_block(channels: int) -> None:
    torch.manual_seed(0)
    block = NoiseBlock(channels).to(DEVICE)
    x, noise = (torch.randn(2, size, 1100, device=DEVICE) for size in (channels, 1))
    assert_alike(block, x, noise)


def test_kernels_of_snake() -> None:
    torch.manual_seed(0)
    snake = Snake1d(3).to(DEVICE)
    nn.init.uniform_(snake.alpha, 0.5, 2.0)
    assert_alike(snake, torch.randn(2, 3, 1100, device=DEVICE))


class Whole(nn.Module):
    """A model with the same noise every time."""

    def __init__(self) -> None:
        super().__init__()
        self.model = build_model(tiny())

    def forward(self, audio: Tensor) -> Tensor:
        torch.manual_seed(1)
        estimate, _ = self.model(audio, FreshNoise())
        return estimate


@pytest.mark.skipif(DEVICE == "cuda", reason="tf32 products choose other codes now and then")
def test_the_model_on_kernels_is_the_model() -> None:
    torch.manual_seed(0)
    audio = torch.from_numpy(tone(0.016)).view(2, 1, 128).to(DEVICE)
    assert_alike(Whole().to(DEVICE), audio)


@pytest.mark.skipif(DEVICE == "cpu", reason="needs a GPU")
def test_a_graph_of_steps_trains(tmp_path: Path) -> None:
    for index in range(3):
        soundfile.write(tmp_path / f"{index}.flac", tone(1.5, seed=index), 16000)
    config = tiny(steps=200)
    config["log"]["every_steps"] = 20
    means = list(train(config, tmp_path, None, tmp_path / "run", False, "cuda"))
    assert np.isfinite([list(one.values()) for one in means]).all()
    assert means[-1]["mel"] < 0.8 * means[0]["mel"]
    trainer = Trainer(config, "cuda")
    trainer.load(tmp_path / "run" / "checkpoint.pt")
    assert trainer.step >= 200
    with torch.no_grad():
        audio = torch.from_numpy(tone(0.5)).to("cuda")[None, None]
        estimate, _ = trainer.average(audio, FreshNoise())
    assert torch.isfinite(estimate).all()


@pytest.mark.skipif(DEVICE == "cpu", reason="needs a GPU")
def test_a_step_that_is_not_finite_is_left_out() -> None:
    trainer = Trainer(tiny(), "cuda")
    trainer.set_learning_rate()
    audio = torch.from_numpy(tone(0.16)).to("cuda")[None, None]
    trainer.learn(audio)
    before = [one.detach().clone() for one in trainer.model.parameters()]
    trainer.learn(audio * float("nan"))
    assert all(map(torch.equal, before, trainer.model.parameters()))
    trainer.learn(audio)
    assert not all(map(torch.equal, before, trainer.model.parameters()))
