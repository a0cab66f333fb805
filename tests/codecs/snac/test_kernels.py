"""The machine code and the library of products that SNAC uses on a CPU, against plain torch."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from snac_eval.codecs.opening import open_model
from snac_eval.codecs.snac import kernels as kernels_module
from snac_eval.codecs.snac import products, tiles
from snac_eval.codecs.snac.kernels import Kernels, kernels
from snac_eval.codecs.snac.layers import GivenNoise, ResidualUnit, Snake1d
from tests.codecs.snac.models import SHAPES, equal, liven, random_audio, random_model

AUDIO = random_audio(50_003)
_SEED = torch.Generator()


def _random(*shape: int, scale: float = 1.0) -> Tensor:
    return scale * torch.randn(*shape, generator=_SEED)


@pytest.fixture(autouse=True)
def _seeded() -> Iterator[None]:
    _SEED.manual_seed(0)
    yield
    kernels.cache_clear()
    products.onednn.cache_clear()


@pytest.fixture(params=[16, 8])
def machine(request: pytest.FixtureRequest) -> Kernels:
    """The kernels with vectors of 512 and of 256 bits; LLVM halves what the processor has not."""
    if kernels() is None:
        pytest.skip("no kernels for this processor")
    from llvmlite import binding

    return Kernels(request.param, binding.get_host_cpu_features().flatten())


def _snake(x: Tensor, alpha: Tensor) -> Tensor:
    wide, factor = x.double(), alpha.double()
    # The angle is a product in float32, as torch's.
    return wide + (x * alpha).double().sin().square() / factor


def _weights(channels: int) -> list[Tensor]:
    one, two = (0.5 + torch.rand(channels, generator=_SEED) for _ in range(2))
    taps, bias = _random(7, 1, channels), _random(channels)
    return [one, one.reciprocal(), taps, bias, two, two.reciprocal()]


def test_there_are_kernels_where_the_processor_has_what_they_need() -> None:
    info = Path("/proc/cpuinfo")
    flags = info.read_text().split() if info.is_file() else []
    if not {"lm", "avx2", "fma"} <= set(flags):
        pytest.skip("no x86-64 with fused multiply-add, as far as can be seen")
    assert kernels() is not None


@pytest.mark.parametrize("scale", [0.01, 30, 5000])
@pytest.mark.parametrize("channels", [1, 3, 20, 29, 48, 64])
def test_snake_is_as_near_as_torch_is(machine: Kernels, channels: int, scale: float) -> None:
    x, alpha = _random(500, channels, scale=scale), 0.5 + torch.rand(channels, generator=_SEED)
    inverse, out = alpha.reciprocal(), torch.full((500, channels), torch.nan)
    assert machine.snake(x, alpha, inverse, out)
    expected = _snake(x, alpha)
    by_torch = torch.addcmul(x, (x * alpha).sin().square(), inverse)
    limit = 1.1 * float((by_torch - expected).abs().max()) + 2e-7
    assert float((out - expected).abs().max()) < limit
    assert bool((out >= x).all())


def test_zero_stays_zero_and_what_is_no_number_stays_none(machine: Kernels) -> None:
    x = _random(3, 20)
    x[0, 0], x[1, 17], x[2, 3] = 0, torch.nan, torch.inf
    out, ones = torch.empty_like(x), torch.ones(20)
    machine.snake(x, ones, ones, out)
    assert out[0, 0] == 0
    assert out[1, 17].isnan()
    assert int(out.isnan().sum()) == 1 + int(out[2, 3].isnan())
    assert not machine.snake(x, ones, ones, out) or out[2, 3].isnan()


@pytest.mark.parametrize("angle", [2e5, -3e30, torch.inf])
def test_too_large_an_angle_is_reported_in_any_lane(machine: Kernels, angle: float) -> None:
    alpha = torch.ones(29)
    for place in ((0, 0), (4, 15), (2, 28)):
        x = _random(5, 29)
        assert machine.snake(x, alpha, alpha, torch.empty_like(x))
        x[place] = angle
        assert not machine.snake(x, alpha, alpha, torch.empty_like(x))


@pytest.mark.parametrize("dilation", [1, 3, 9])
@pytest.mark.parametrize("channels", [20, 64])
def test_a_unit_in_one_pass(machine: Kernels, channels: int, dilation: int) -> None:
    weights, x = _weights(channels), _random(100, channels)
    before, after = 2, 3
    joined = torch.full((105, channels), torch.nan)
    joined[:before], joined[before + 100 :] = _random(before, channels), 0
    expected = torch.cat((joined[:before], x, torch.zeros(after, channels)))
    rows = _snake(expected, weights[0])
    rows = functional.conv1d(
        rows.t()[None],
        weights[2].permute(2, 1, 0).double(),
        weights[3].double(),
        dilation=dilation,
        groups=channels,
    )[0].t()
    out = torch.full((105 - 6 * dilation, channels), torch.nan)
    assert machine.unit(x, joined, before, weights, dilation, out)
    assert torch.equal(joined, expected)
    torch.testing.assert_close(out.double(), _snake(rows, weights[4]), atol=1e-5, rtol=0)
    joined[50, 7] = torch.nan
    x[48, 7] = torch.nan
    machine.unit(x, joined, before, weights, dilation, out)
    reached = torch.zeros_like(out, dtype=torch.bool)
    reached[
        [row for row in range(len(out)) if (50 - row) in range(0, 7 * dilation, dilation)], 7
    ] = True
    assert torch.equal(out.isnan(), reached)


def test_scaled_rows_and_one_output_channel(machine: Kernels) -> None:
    for channels in (20, 29, 64):
        x, factors, addend = _random(50, channels), _random(50, 1), _random(50, channels)
        expected = x.double() * factors + addend
        machine.add_scaled(scaled := x.clone(), factors, addend)
        torch.testing.assert_close(scaled.double(), expected, atol=1e-6, rtol=0)
        taps, bias, out = _random(7, channels, 1), _random(1), torch.full((44, 1), torch.nan)
        machine.to_one(x, taps, bias, out)
        weight = taps.permute(2, 1, 0).double()
        expected = functional.conv1d(x.double().t()[None], weight, bias.double())[0].t()
        torch.testing.assert_close(out.double(), expected, atol=2e-5, rtol=0)


def test_shapes_that_do_not_fit_are_refused(machine: Kernels) -> None:
    x, ones, out = torch.zeros(60, 20), torch.ones(20), torch.zeros(54, 20)
    weights, taps = _weights(20), torch.zeros(7, 20, 1)
    calls = [
        lambda: machine.snake(x, ones, ones, out),
        lambda: machine.snake(x, ones[:9], ones, x),
        lambda: machine.unit(x, x, 0, weights, 9, out),
        lambda: machine.unit(x, x, 1, weights, 1, out),
        lambda: machine.unit(x, x, 0, _weights(16), 1, out),
        lambda: machine.unit(x, x, 0, [*weights[:5], ones[:3]], 1, out),
        lambda: machine.add_scaled(x, torch.ones(59, 1), x),
        lambda: machine.to_one(x, taps, ones[:1], torch.zeros(55, 1)),
        lambda: machine.to_one(x, taps[:5], ones[:1], torch.zeros(54, 1)),
    ]
    for call in calls:
        with pytest.raises(ValueError, match="do not fit"):
            call()


def test_noise_that_is_too_short_is_refused() -> None:
    model = random_model()
    codes = model.encode(AUDIO)
    short = [torch.zeros(1, 1, 3) for _ in model.config.decoder_rates]
    with pytest.raises((ValueError, RuntimeError)):
        model.decode(codes, noise=GivenNoise(short))


def test_what_the_kernels_cannot_work_on_goes_to_torch() -> None:
    x = torch.zeros(4, 6)
    others = [x.double(), x.bfloat16(), x.t(), x.to("meta")]
    assert all(tiles._machine(x, other) is None for other in others)
    assert tiles._machine(x, x) is kernels()


def test_angles_too_large_are_computed_by_torch() -> None:
    unit = liven(ResidualUnit(24, 3, 24))
    x = _random(200, 24)
    x[77, 5] = 1e7
    made = tiles.Unit(unit)
    with torch.no_grad():
        expected = unit(x.t()[None])[0].t()
        found, _ = made(x, None, True)
        scale = expected.abs().clamp(min=1)
        assert float(((found - expected) / scale).abs().max()) < 1e-5
        snake = liven(Snake1d(24))
        by_torch = torch.addcmul(
            x, (x * snake.alpha.view(-1)).sin().square(), tiles.Snake(snake).inverse
        )
        assert torch.equal(tiles.Snake(snake)(x), by_torch)


@pytest.mark.parametrize("shape", SHAPES)
def test_codes_are_the_same_without_kernels_and_onednn(
    shape: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, audio = random_model(SHAPES[shape]), AUDIO
    monkeypatch.setattr(products, "_is_amd", lambda: True)
    # Every product, however small.
    monkeypatch.setattr(products, "_WORTH_NEW_CODE", 0)
    codes = model.encode(audio)
    decoded = model.decode(codes, seeds=[3])
    monkeypatch.setattr(tiles, "kernels", lambda: None)
    monkeypatch.setattr(products, "onednn", lambda: None)
    assert equal(model.encode(audio), codes)
    plain = model.decode(codes, seeds=[3])
    torch.testing.assert_close(decoded, plain, atol=1e-6, rtol=0)
    if kernels() is not None:
        assert not torch.equal(decoded, plain)  # else both went the same way


def test_several_threads_may_code_at_once() -> None:
    model, audio = random_model(), AUDIO
    codes = model.encode(audio)
    with ThreadPoolExecutor(4) as pool:
        assert all(equal(one, codes) for one in pool.map(model.encode, [audio] * 8))


@pytest.mark.parametrize("odd", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_products_by_either_library(
    dtype: torch.dtype, odd: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(products, "_is_amd", lambda: True)
    if products.onednn() is None:
        pytest.skip("torch was built without oneDNN")
    for rows in (0, 1, 77):
        x, weight = _random(rows, 24).to(dtype), _random(24, 40).to(dtype)
        bias, addend = _random(40).to(dtype), _random(rows, 40).to(dtype)
        kept = addend.clone()
        plain = x.double() @ weight.double()
        found = products.product(x, weight, odd=odd), products.product(x, weight, bias, odd=odd)
        sums = (
            products.product(x, weight, bias, addend, odd),
            products.product(x, weight, addend=addend),
        )
        expected = plain, plain + bias, plain + bias + addend, plain + addend
        for one, other in zip((*found, *sums), expected, strict=True):
            torch.testing.assert_close(one, other.to(dtype), atol=2e-5, rtol=0)
        assert torch.equal(addend, kept)


def test_the_adapter_has_them_made_before_any_clip_is_timed() -> None:
    kernels.cache_clear()
    products.onednn.cache_clear()
    open_model("snac_16khz_mini").prepare()
    assert kernels.cache_info().currsize == 1
    assert products.onednn.cache_info().currsize == 1


def test_onednn_is_for_amd_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(products, "_is_amd", lambda: False)
    assert products.onednn() is None


def test_operators_that_are_gone_or_wrong_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(products, "_is_amd", lambda: True)
    wrong = SimpleNamespace(_linear_pointwise=lambda x, *_: torch.zeros(33, 24))
    wrong._linear_pointwise.binary = lambda x, *_: torch.zeros(33, 24)
    for operators in (SimpleNamespace(), wrong):
        monkeypatch.setattr(torch.ops, "mkldnn", operators)
        products.onednn.cache_clear()
        assert products.onednn() is None


def test_without_llvmlite_there_are_no_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "llvmlite", None)
    kernels.cache_clear()
    assert kernels() is None


def test_kernels_that_compute_something_else_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernels_module, "_SINE_SQUARED", (-0.33, 0.04))
    kernels.cache_clear()
    assert kernels() is None


@pytest.mark.parametrize("missing", ["fma", "avx2"])
def test_a_processor_without_fused_multiply_add_has_none(
    missing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from llvmlite import binding

    features = binding.get_host_cpu_features()
    features[missing] = False
    monkeypatch.setattr(binding, "get_host_cpu_features", lambda: features)
    kernels.cache_clear()
    assert kernels() is None
