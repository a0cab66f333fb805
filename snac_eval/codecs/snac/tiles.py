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
from snac_eval.codecs.snac.layers import NoiseBlock, NoiseSource, ResidualUnit, Snake1d

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
    ) -> None:
        super().__init__()
        self.rows, self.noise_index = rows, noise_index
        self.layers = nn.ModuleList(layers)
        gain = None
        if noise_block is not None:
            linear = known(known(noise_block, NoiseBlock).linear, nn.Conv1d)
            gain = linear.weight[..., 0].t().detach().clone()
        self.register_buffer("noise_gain", gain)

    def run(self, pieces: Iterable[Tensor], source: NoiseSource | None) -> Iterator[Tensor]:
        """Tile after tile of the output, however the input is cut."""
        carried: Sequence[Carried] = [None] * len(self.layers)
        for index, (tile, last) in enumerate(_with_last(_tiles(pieces, self.rows))):
            noise = None
            if self.noise_gain is not None and source is not None:
                noise = source(self.noise_index, tile.t()[None])[0].reshape(-1, 1)
            # What torch compiled is behind the call alone. First and last tiles go past it: they
            # have shapes of their own, which are not worth a compilation.
            step = self.forward if index == 0 or last else self
            x, carried = step(tile, carried, noise, last)
            if len(x):
                yield x

    def forward(
        self, x: Tensor, carried: Sequence[Carried], noise: Tensor | None, last: bool
    ) -> tuple[Tensor, Sequence[Carried]]:
        """One tile; ``carried`` is what it returned beside the last one."""
        if self.noise_gain is not None and noise is not None:
            # In two steps: a factor per row takes addcmul off its fast path.
            x = (x @ self.noise_gain).mul_(noise).add_(x)
        kept = []
        for layer, rows in zip(self.layers, carried, strict=True):
            x, keep = layer(x, rows, last)
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
        x = _joined(x, carried, last, self.margin)
        y: Tensor = self.pointwise(self.second(self.dilated(self.first(x))))
        return y.add_(x[self.margin : self.margin + len(y)]), _tail(x, self.margin)


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
        after = x.new_zeros(self.padding if last else 0, x.shape[1])
        x = torch.cat((before, self.snake(x), after))
        count = len(x) // self.stride
        groups = x[: count * self.stride].view(count, -1)
        y = torch.addmm(self.bias, groups[:-1], self.early).addmm_(groups[1:], self.late)
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
        after = x.new_zeros(1 if last else 0, x.shape[1])
        x = torch.cat((before, self.snake(x), after))
        y = torch.addmm(self.bias, x[1:], self.early).addmm_(x[:-1], self.late)
        y = y.view(-1, self.channels)
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
        return torch.addcmul(x, (x * self.alpha).sin_().square_(), self.inverse)


class Windows(nn.Module):
    """Attention: a tile is whole windows."""

    def __init__(self, attention: LocalAttention) -> None:
        super().__init__()
        self.attention = plain_copy(known(attention, LocalAttention))

    def forward(self, x: Tensor) -> Tensor:
        attended: Tensor = self.attention(x.t()[None])
        return attended[0].t()


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
        products = x @ self.taps[:, :, 0].t()
        count = max(0, len(products) - products.shape[1] + 1)
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


def _tail(x: Tensor, margin: int) -> Carried:
    return x[-2 * margin :] if margin else None


def _tiles(pieces: Iterable[Tensor], rows: int) -> Iterator[Tensor]:
    """The rows of the pieces, ``rows`` at a time; fewer at the end."""
    held, count = list[Tensor](), 0
    for piece in pieces:
        start = 0
        while count + len(piece) - start >= rows:
            held.append(piece[start : start + rows - count])
            start += rows - count
            yield torch.cat(held) if len(held) > 1 else held[0]
            held, count = [], 0
        if start < len(piece):
            held.append(piece[start:])
            count += len(piece) - start
    if held:
        yield torch.cat(held)


def _with_last(tiles: Iterable[Tensor]) -> Iterator[tuple[Tensor, bool]]:
    before = None
    for tile in tiles:
        if before is not None:
            yield before, False
        before = tile
    if before is not None:
        yield before, True
