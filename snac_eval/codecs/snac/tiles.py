"""SNAC's layers on tiles of time, one after the other, so that a signal needs no more memory.

Signals are rows, ``[time, channels]``: a tile is contiguous, and a strided or transposed
convolution whose kernel is twice its stride is two matrix products on the rows as they lie. Every
layer carries the few rows over that its next output looks back on, and is told which tile is the
last, so nothing is computed twice.

Modules here are made from the layers of :mod:`layers`. They keep rearranged copies of the weights
as buffers and share no memory with what they are made from.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Sequence
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils import parametrize

from snac_eval.codecs.snac.attention import LocalAttention
from snac_eval.codecs.snac.cutting import in_parts, in_tiles, with_last
from snac_eval.codecs.snac.kernels import Kernels, kernels
from snac_eval.codecs.snac.layers import NoiseBlock, NoiseSource, ResidualUnit, Snake1d
from snac_eval.codecs.snac.products import product

Carried = Tensor | None
"""Rows that a layer keeps for the next tile; None at the start, and where it needs none."""
M = TypeVar("M", bound=nn.Module)


class Stage(nn.Module):
    """Layers that work on tiles of ``rows`` rows; the last tile is shorter.

    With a noise block, the source's noise number ``noise_index`` is added before them.
    """

    noise_gain: Tensor | None

    def __init__(
        self,
        rows: int,
        layers: Sequence[nn.Module],
        noise_block: NoiseBlock | None = None,
        noise_index: int = 0,
        joins: bool = True,
    ) -> None:
        """``joins`` says whether pieces of the input are put together until they are a tile."""
        super().__init__()
        self.rows, self.noise_index, self.joins = rows, noise_index, joins
        self.layers = nn.ModuleList(layers)
        gain = None
        if noise_block is not None:
            linear = known(known(noise_block, NoiseBlock).linear, nn.Conv1d)
            gain = linear.weight[..., 0].t().detach().clone()
        self.register_buffer("noise_gain", gain)

    def run(self, pieces: Iterable[Tensor], source: NoiseSource | None) -> Iterator[Tensor]:
        """Tile after tile of the output, however the input is cut."""
        carried: Sequence[Carried] = [None] * len(self.layers)
        tiles = in_tiles(pieces, self.rows) if self.joins else in_parts(pieces, self.rows)
        for tile, last in with_last(tiles):
            noise = None
            if self.noise_gain is not None and source is not None:
                noise = source(self.noise_index, tile.t()[None])[0].reshape(-1, 1)
            x, carried = self(tile, carried, noise, last)
            if len(x):
                yield x

    def forward(
        self, x: Tensor, carried: Sequence[Carried], noise: Tensor | None, last: bool
    ) -> tuple[Tensor, Sequence[Carried]]:
        """One tile; ``carried`` is what it returned beside the last one."""
        if self.noise_gain is not None and noise is not None:
            gained = product(x, self.noise_gain, odd=last)
            if (machine := _machine(x, gained, noise)) is None:
                # In two steps: a factor per row takes addcmul off its fast path.
                x = gained.mul_(noise).add_(x)
            else:
                machine.add_scaled(gained, noise, x)
                x = gained
        kept = []
        for layer, rows in zip(self.layers, carried, strict=True):
            x, keep = layer.forward(x, rows, last)
            kept.append(keep)
        return x, kept


class Alone(nn.Module):
    """A module that maps a tile to a tile and looks at nothing outside it."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, x: Tensor, carried: Carried, last: bool) -> tuple[Tensor, Carried]:
        return self.module(x), None


class Same(nn.Module):
    """A convolution that keeps the length, after a module that keeps zeros."""

    def __init__(self, conv: nn.Conv1d, before: nn.Module | None = None) -> None:
        super().__init__()
        self.margin = int(conv.padding[0])
        self.before = before or nn.Identity()
        self.convolve = convolution(conv)

    def forward(self, x: Tensor, carried: Carried, last: bool) -> tuple[Tensor, Carried]:
        x = _joined(x, carried, last, self.margin)
        return self.convolve(self.before(x)), _tail(x, self.margin)


class Unit(nn.Module):
    """A residual unit: a dilated convolution and a pointwise one around a skip connection."""

    def __init__(self, unit: ResidualUnit) -> None:
        super().__init__()
        first, dilated, second, pointwise = known(unit, ResidualUnit).parts
        self.margin = int(dilated.padding[0])
        self.first, self.dilated = Snake(first), convolution(dilated)
        self.second, self.pointwise = Snake(second), convolution(pointwise)

    def forward(self, x: Tensor, carried: Carried, last: bool) -> tuple[Tensor, Carried]:
        joined, start = _framed(x, carried, last, self.margin)
        y = self._at_once(x, joined, start)
        if y is None:
            joined[start : start + len(x)] = x
            y = self.second(self.dilated(self.first(joined)))
        skipped = joined[self.margin : self.margin + y.shape[0]]
        taps, bias = self.pointwise.taps, self.pointwise.bias
        return product(y, taps[0], bias, skipped, odd=last), _tail(joined, self.margin)

    def _at_once(self, x: Tensor, joined: Tensor, start: int) -> Tensor | None:
        """All before the pointwise convolution in one pass that puts x into its place."""
        count, dilated = joined.shape[0] - 2 * self.margin, self.dilated
        if count <= 0 or not isinstance(dilated, Depthwise):
            return None
        one, two = self.first, self.second
        weights = (one.alpha, one.inverse, dilated.taps, dilated.bias, two.alpha, two.inverse)
        if (machine := _machine(x, *weights)) is None:
            return None
        if not machine.knows(dilated.taps, dilated.dilation):
            return None
        out = x.new_empty(count, x.shape[1])
        fits = machine.unit(x, joined, start, weights, dilated.dilation, out)
        return out if fits else None


class Down(nn.Module):
    """Snake and a convolution whose kernel is twice its stride."""

    early: Tensor
    late: Tensor
    bias: Tensor

    def __init__(self, snake: Snake1d, conv: nn.Conv1d) -> None:
        super().__init__()
        conv = known(conv, nn.Conv1d)
        self.stride, self.padding = int(conv.stride[0]), int(conv.padding[0])
        self.snake = Snake(snake)
        taps, width = conv.weight.permute(2, 1, 0), self.stride * conv.in_channels
        early = taps[: self.stride].reshape(width, conv.out_channels)
        late = taps[self.stride :].reshape(width, conv.out_channels)
        _keep(self, early=early, late=late, bias=_bias(conv))

    def forward(self, x: Tensor, carried: Carried, last: bool) -> tuple[Tensor, Carried]:
        before = x.new_zeros(self.padding, x.shape[1]) if carried is None else carried
        x = self.snake.between(before, x, self.padding if last else 0)
        count = len(x) // self.stride
        groups = x[: count * self.stride].view(count, -1)
        y = product(groups[:-1], self.early, self.bias, odd=last)
        y = product(groups[1:], self.late, addend=y, odd=last)
        return y, x[max(0, count - 1) * self.stride :]


class Up(nn.Module):
    """Snake and a transposed convolution whose kernel is twice its stride."""

    early: Tensor
    late: Tensor
    bias: Tensor

    def __init__(self, snake: Snake1d, conv: nn.ConvTranspose1d) -> None:
        super().__init__()
        conv = known(conv, nn.ConvTranspose1d)
        self.stride, self.padding = int(conv.stride[0]), int(conv.padding[0])
        self.snake, self.channels = Snake(snake), conv.out_channels
        taps, width = conv.weight.permute(0, 2, 1), self.stride * conv.out_channels
        early = taps[:, : self.stride].reshape(conv.in_channels, width)
        late = taps[:, self.stride :].reshape(conv.in_channels, width)
        _keep(self, early=early, late=late, bias=_bias(conv).repeat(self.stride))

    def forward(self, x: Tensor, carried: Carried, last: bool) -> tuple[Tensor, Carried]:
        before = x.new_zeros(1, x.shape[1]) if carried is None else carried
        x = self.snake.between(before, x, 1 if last else 0)
        y = product(x[1:], self.early, self.bias, odd=last)
        y = product(x[:-1], self.late, addend=y, odd=last).view(-1, self.channels)
        start = self.padding if carried is None else 0
        end = len(y) - (self.stride - self.padding if last else 0)
        return y[start:end], x[-1:]


class Snake(nn.Module):
    """``x + sin^2(alpha x) / alpha``; zero stays zero, so padding may come before it."""

    alpha: Tensor
    inverse: Tensor

    def __init__(self, snake: Snake1d) -> None:
        super().__init__()
        alpha = known(snake, Snake1d).alpha.view(-1)
        _keep(self, alpha=alpha, inverse=(alpha + 1e-9).reciprocal())

    def forward(self, x: Tensor) -> Tensor:
        return self._into(torch.empty_like(x), x)

    def between(self, before: Tensor, x: Tensor, num_zeros: int) -> Tensor:
        """What comes before, Snake of ``x``, and rows of zeros."""
        start, end = len(before), len(before) + len(x)
        joined = x.new_empty(end + num_zeros, x.shape[1])
        joined[:start], joined[end:] = before, 0
        self._into(joined[start:end], x)
        return joined

    def _into(self, out: Tensor, x: Tensor) -> Tensor:
        machine = _machine(x, self.alpha, self.inverse)
        if machine is None or not machine.snake(x, self.alpha, self.inverse, out):
            torch.addcmul(x, (x * self.alpha).sin_().square_(), self.inverse, out=out)
        return out


class Windows(nn.Module):
    """Attention: a tile is whole windows."""

    def __init__(self, attention: LocalAttention) -> None:
        super().__init__()
        self.attention = plain_copy(known(attention, LocalAttention))

    def forward(self, x: Tensor) -> Tensor:
        attended: Tensor = self.attention(x.t()[None])
        return attended[0].t().contiguous()


class Convolution(nn.Module):
    """A convolution of rows, without padding: ``kernel - 1`` dilated rows are lost."""

    taps: Tensor
    bias: Tensor

    def __init__(self, conv: nn.Conv1d) -> None:
        super().__init__()
        self.dilation = int(conv.dilation[0])
        _keep(self, taps=conv.weight.permute(2, 1, 0).contiguous(), bias=_bias(conv))

    def forward(self, x: Tensor) -> Tensor:
        count = max(0, len(x) - (len(self.taps) - 1) * self.dilation)
        total = torch.addmm(self.bias, x[:count], self.taps[0])
        for index in range(1, len(self.taps)):
            start = index * self.dilation
            total.addmm_(x[start : start + count], self.taps[index])
        return total


class Depthwise(Convolution):
    """Every channel alone. Shifted sums: within the cache they take a third of torch's time."""

    def forward(self, x: Tensor) -> Tensor:
        taps = self.taps[:, 0]
        count = max(0, len(x) - (len(taps) - 1) * self.dilation)
        total = torch.addcmul(self.bias, x[:count], taps[0])
        for index in range(1, len(taps)):
            start = index * self.dilation
            total.addcmul_(x[start : start + count], taps[index])
        return total


class FromOne(Convolution):
    """One input channel: one product with every window."""

    def forward(self, x: Tensor) -> Tensor:
        size = len(self.taps)
        windows = x[:, 0].unfold(0, size, 1) if len(x) >= size else x.new_zeros(0, size)
        return torch.addmm(self.bias, windows, self.taps[:, 0])


class ToOne(Convolution):
    """One output channel: the products of each row with each tap, ``[time, taps]``, summed."""

    def forward(self, x: Tensor) -> Tensor:
        count = max(0, len(x) - len(self.taps) + 1)
        machine = _machine(x, self.taps, self.bias)
        if machine is not None and machine.knows(self.taps):
            machine.to_one(x, self.taps, self.bias, out := x.new_empty(count, 1))
            return out
        products = x @ self.taps[:, :, 0].t()
        total = self.bias + products[:count, 0]
        for index in range(1, products.shape[1]):
            total += products[index : index + count, index]
        return total[:, None]


def convolution(conv: nn.Conv1d) -> Convolution:
    """The convolution in the form that is fastest for its shape."""
    conv = known(conv, nn.Conv1d)
    kind = Convolution
    if conv.kernel_size[0] > 1:
        if conv.groups == conv.in_channels == conv.out_channels:
            kind = Depthwise
        elif conv.in_channels == 1:
            kind = FromOne
        elif conv.out_channels == 1:
            kind = ToOne
    return kind(conv)


def known(module: nn.Module, kind: type[M]) -> M:
    """The module, if it computes what ``kind`` does. Raises TypeError where it does something else.

    Weights may be parametrised; a replacement, or a hook that steps in, cannot be rearranged.
    """
    same = isinstance(module, kind) and type(module).forward is kind.forward
    if not same or module._forward_pre_hooks or module._forward_hooks:
        raise TypeError(
            f"a stream cannot rearrange {type(module).__name__} in the place of {kind.__name__}, or"
            " one with hooks; encode_whole and decode_whole call the layers as they are"
        )
    return module  # type: ignore[return-value]  # isinstance is in the name above


def plain_copy(module: M) -> M:
    """A copy without parameters: weights are plain buffers, weight normalisation folded in."""
    copied = copy.deepcopy(module)
    for part in list(copied.modules()):
        weights = dict(part.named_parameters(recurse=False))
        if parametrize.is_parametrized(part):
            weights |= {name: getattr(part, name) for name in part.parametrizations}  # type: ignore[union-attr]
            # torch's remove_parametrizations would change the class, which is the original's too.
            part.__class__ = parametrize.type_before_parametrizations(part)
            del part.parametrizations
        for name, value in weights.items():
            part._parameters.pop(name, None)
            part.register_buffer(name, value.detach())
    return copied


def _keep(module: nn.Module, **tensors: Tensor) -> None:
    # A clone keeps the order in memory, hence the rounding of the products.
    for name, tensor in tensors.items():
        module.register_buffer(name, tensor.detach().clone())


def _bias(conv: nn.Conv1d | nn.ConvTranspose1d) -> Tensor:
    assert conv.bias is not None
    return conv.bias


def _joined(x: Tensor, carried: Carried, last: bool, margin: int) -> Tensor:
    """The tile with the rows before it, or zeros at the start, and zeros at the end."""
    if margin == 0:
        return x
    if carried is None:
        return functional.pad(x, (0, 0, margin, margin if last else 0))
    return torch.cat((carried, x, x.new_zeros(margin if last else 0, x.shape[1])))


def _framed(x: Tensor, carried: Carried, last: bool, margin: int) -> tuple[Tensor, int]:
    """What :func:`_joined` gives, but without the tile, and the row where that belongs."""
    before = x.new_zeros(margin, x.shape[1]) if carried is None else carried
    start = before.shape[0]
    end = start + x.shape[0]
    joined = x.new_empty(end + (margin if last else 0), x.shape[1])
    joined[:start] = before
    if last:
        joined[end:] = 0
    return joined, start


def _machine(*tensors: Tensor) -> Kernels | None:
    """The kernels, where there are any and they can work on these."""
    fits = (
        one.dtype == torch.float32 and one.device.type == "cpu" and one.is_contiguous()
        for one in tensors
    )
    return kernels() if all(fits) else None


def _tail(x: Tensor, margin: int) -> Carried:
    return x[-2 * margin :] if margin else None
