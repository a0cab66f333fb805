"""SNAC's inference on a stream: layer after layer, one tile of time after the other.

Signals are rows, ``[time, channels]``: a tile is contiguous, and a strided or transposed
convolution whose kernel is twice its stride is two matrix products on the rows as they lie. Every
layer carries the few rows over that its next output looks back on and is told which tile is the
last, so nothing is computed twice and memory does not grow with the length. A stage cuts whatever
it is given into tiles of its own, small enough to stay in a core's cache and always the same: a
signal gives the same codes, to the bit, in one piece or in many.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional

from snac_eval.codecs.snac.attention import LocalAttention
from snac_eval.codecs.snac.layers import (
    DecoderBlock,
    EncoderBlock,
    NoiseBlock,
    NoiseSource,
    ResidualUnit,
    Snake1d,
)

if TYPE_CHECKING:
    from snac_eval.codecs.snac.model import SNAC, Decoder, Encoder

# Numbers of one tile: the fastest of 65536 to 524288 where a core has 1 MiB of second-level cache.
_TILE_NUMBERS = 262144
# With fewer rows, a matrix product takes longer to read its weights than to multiply.
_FEWEST_ROWS = 128
_SHAPES_PER_FUNCTION = 64

Function = Callable[[Tensor], Tensor]
Step = Callable[
    [Tensor, Sequence[Tensor | None], Tensor | None, bool],
    tuple[Tensor, Sequence[Tensor | None]],
]


class Layer(Protocol):
    """Rows to rows. ``carried`` is what it returned beside the last tile, None at the start."""

    def __call__(
        self, x: Tensor, carried: Tensor | None, last: bool
    ) -> tuple[Tensor, Tensor | None]: ...


class Stage:
    """Layers that work on tiles of ``rows`` rows; the last tile is shorter.

    With a noise block, the source's noise number ``noise_index`` is added before them.
    """

    def __init__(
        self,
        rows: int,
        layers: Sequence[Layer],
        noise_block: NoiseBlock | None = None,
        noise_index: int = 0,
    ) -> None:
        self.rows, self.noise_index = rows, noise_index
        self._layers = layers
        self._noise_gain = None if noise_block is None else noise_block.linear.weight[..., 0].t()
        self._compiled: Step | None = None

    def compile(self) -> None:
        """Compile what tiles between the first and the last go through, when the next one comes.

        Only where residual units are: elsewhere matrix products are all that takes time.
        """
        if any(isinstance(layer, _Unit) for layer in self._layers):
            self._compiled = torch.compile(self._step, dynamic=False)

    def run(self, pieces: Iterable[Tensor], source: NoiseSource | None) -> Iterator[Tensor]:
        """Tile after tile of the output, however the input is cut."""
        carried: Sequence[Tensor | None] = [None] * len(self._layers)
        for index, (tile, last) in enumerate(_with_last(_tiles(pieces, self.rows))):
            noise = None
            if self._noise_gain is not None and source is not None:
                noise = source(self.noise_index, tile.t()[None])[0].reshape(-1, 1)
            # First and last tiles have shapes of their own, which are not worth a compilation.
            step = self._step if index == 0 or last else self._compiled or self._step
            x, carried = step(tile, carried, noise, last)
            if len(x):
                yield x

    def _step(
        self, x: Tensor, carried: Sequence[Tensor | None], noise: Tensor | None, last: bool
    ) -> tuple[Tensor, Sequence[Tensor | None]]:
        if self._noise_gain is not None and noise is not None:
            # In two steps: a factor per row takes addcmul off its fast path.
            x = (x @ self._noise_gain).mul_(noise).add_(x)
        kept = []
        for layer, rows in zip(self._layers, carried, strict=True):
            x, keep = layer(x, rows, last)
            kept.append(keep)
        return x, kept


def run(
    stages: Sequence[Stage], pieces: Iterable[Tensor], source: NoiseSource | None = None
) -> Iterator[Tensor]:
    """Rows through stage after stage; each takes from the one before it as it needs."""
    for stage in stages:
        pieces = stage.run(pieces, source)
    return iter(pieces)


def compile_stages(stages: Sequence[Stage]) -> None:
    """Compile every stage for which that is worth it, at its first tile: minutes, once."""
    # All stages share one function, and torch gives up on it after eight shapes unless told.
    config = torch._dynamo.config
    limit = "recompile_limit" if hasattr(config, "recompile_limit") else "cache_size_limit"
    setattr(config, limit, max(getattr(config, limit), _SHAPES_PER_FUNCTION))
    for stage in stages:
        stage.compile()


def compile_problem() -> str:
    """Why torch.compile does not work on this machine's CPU; empty where it does."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of torch, about torch
            torch.compile(lambda x: x.sin() + 1)(torch.zeros(8))
    except Exception as error:  # noqa: BLE001 - torch raises what its compiler raises
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        return lines[0] if lines else type(error).__name__
    return ""


def encoding_stages(model: SNAC) -> list[Stage]:
    """Audio ``[time, 1]`` to codes ``[coarse frames, tokens in each]``."""
    quantizer, coarse = model.quantizer, model.config.vq_strides[0]

    def look_up(latents: Tensor) -> Tensor:
        return tokens_of(quantizer.encode(latents.t()[None]), len(latents) // coarse)

    rows = -(-_FEWEST_ROWS // coarse) * coarse
    return [*_encoder(model.encoder), Stage(rows, [_Alone(look_up)])]


def decoding_stages(model: SNAC) -> list[Stage]:
    """Codes ``[coarse frames, tokens in each]`` to audio ``[time, 1]``."""
    quantizer, strides = model.quantizer, model.config.vq_strides

    def latents(tokens: Tensor) -> Tensor:
        return quantizer.decode(streams_of(tokens[None], strides))[0].t().contiguous()

    rows = -(-_FEWEST_ROWS // strides[0])
    return [Stage(rows, [_Alone(latents)]), *_decoder(model.decoder)]


def tokens_of(streams: Sequence[Tensor], num_coarse: int) -> Tensor:
    """Codes ``[1, T_k]`` as ``[coarse frames, tokens in each]``, coarse stream first."""
    return torch.cat([stream.reshape(num_coarse, -1) for stream in streams], dim=1)


def streams_of(tokens: Tensor, strides: Sequence[int]) -> list[Tensor]:
    """Codes ``[batch, T_k]``, coarse to fine, of ``[batch, coarse frames, tokens in each]``."""
    streams, start = [], 0
    for stride in strides:
        end = start + strides[0] // stride
        if end <= tokens.shape[2]:
            streams.append(tokens[:, :, start:end].flatten(1))
        start = end
    return streams


def _encoder(encoder: Encoder) -> list[Stage]:
    stages, layers = list[Stage](), list[Layer]()
    for module in encoder.block:
        if isinstance(module, EncoderBlock):
            units, snake, conv = module.parts
            layers += [*map(_Unit, units), _Down(snake, conv)]
            # Whole strides, so that every tile leaves as many rows over.
            steps = max(_FEWEST_ROWS, _TILE_NUMBERS // conv.in_channels // conv.stride[0])
            stages.append(Stage(steps * conv.stride[0], layers))
            layers = []
        elif isinstance(module, LocalAttention):
            stages.append(_attention(module))
        elif isinstance(module, nn.Conv1d):
            layers.append(_Same(module))
    return [*stages, Stage(_FEWEST_ROWS, layers)]


def _decoder(decoder: Decoder) -> list[Stage]:
    *modules, snake, output, _ = decoder.model
    assert isinstance(snake, Snake1d)
    assert isinstance(output, nn.Conv1d)
    stages = [Stage(_FEWEST_ROWS, [_Same(one) for one in modules if isinstance(one, nn.Conv1d)])]
    stages += [_attention(one) for one in modules if isinstance(one, LocalAttention)]
    for index, block in enumerate(one for one in modules if isinstance(one, DecoderBlock)):
        before, conv, noise, units = block.parts
        rows = _TILE_NUMBERS // conv.out_channels
        stages.append(Stage(max(_FEWEST_ROWS, rows // conv.stride[0]), [_Up(before, conv)]))
        stages.append(Stage(rows, [*map(_Unit, units)], noise, index))
    rows = _TILE_NUMBERS // output.in_channels
    return [*stages, Stage(rows, [_Same(output, before=_Snake(snake)), _Alone(torch.tanh)])]


def _attention(module: LocalAttention) -> Stage:
    windows = -(-_FEWEST_ROWS // module.window_size)
    return Stage(windows * module.window_size, [_Alone(lambda x: module(x.t()[None])[0].t())])


class _Snake:
    """``x + sin^2(alpha x) / alpha``; zero stays zero, so padding may come before it."""

    def __init__(self, snake: Snake1d) -> None:
        self._alpha = snake.alpha.view(-1)
        self._inverse = (self._alpha + 1e-9).reciprocal()

    def __call__(self, x: Tensor) -> Tensor:
        return torch.addcmul(x, (x * self._alpha).sin_().square_(), self._inverse)


class _Same:
    """A convolution that keeps the length, after a function that keeps zeros."""

    def __init__(self, conv: nn.Conv1d, before: Function = lambda x: x) -> None:
        self._margin = int(conv.padding[0])
        self._before, self._convolve = before, _convolution(conv)

    def __call__(
        self, x: Tensor, carried: Tensor | None, last: bool
    ) -> tuple[Tensor, Tensor | None]:
        x = _joined(x, carried, last, self._margin)
        return self._convolve(self._before(x)), _tail(x, self._margin)


class _Unit:
    """A residual unit: a dilated convolution and a pointwise one around a skip connection."""

    def __init__(self, unit: ResidualUnit) -> None:
        first, dilated, second, pointwise = unit.parts
        self._margin = int(dilated.padding[0])
        self._first, self._second = _Snake(first), _Snake(second)
        self._dilated, self._pointwise = _convolution(dilated), _convolution(pointwise)

    def __call__(
        self, x: Tensor, carried: Tensor | None, last: bool
    ) -> tuple[Tensor, Tensor | None]:
        x = _joined(x, carried, last, self._margin)
        y = self._pointwise(self._second(self._dilated(self._first(x))))
        return y.add_(x[self._margin : self._margin + len(y)]), _tail(x, self._margin)


class _Down:
    """Snake and a convolution whose kernel is twice its stride."""

    def __init__(self, snake: Snake1d, conv: nn.Conv1d) -> None:
        self._stride, self._padding = int(conv.stride[0]), int(conv.padding[0])
        self._snake, self._bias = _Snake(snake), _bias(conv)
        taps, width = conv.weight.permute(2, 1, 0), self._stride * conv.in_channels
        self._early = taps[: self._stride].reshape(width, conv.out_channels)
        self._late = taps[self._stride :].reshape(width, conv.out_channels)

    def __call__(
        self, x: Tensor, carried: Tensor | None, last: bool
    ) -> tuple[Tensor, Tensor | None]:
        before = x.new_zeros(self._padding, x.shape[1]) if carried is None else carried
        after = x.new_zeros(self._stride - self._padding if last else 0, x.shape[1])
        x = torch.cat((before, self._snake(x), after))
        count = len(x) // self._stride
        groups = x[: count * self._stride].view(count, -1)
        y = torch.addmm(self._bias, groups[:-1], self._early).addmm_(groups[1:], self._late)
        return y, x[max(0, count - 1) * self._stride :]


class _Up:
    """Snake and a transposed convolution whose kernel is twice its stride."""

    def __init__(self, snake: Snake1d, conv: nn.ConvTranspose1d) -> None:
        self._stride, self._padding = int(conv.stride[0]), int(conv.padding[0])
        self._snake, self._channels = _Snake(snake), conv.out_channels
        self._bias = _bias(conv).repeat(self._stride)
        taps, width = conv.weight.permute(0, 2, 1), self._stride * conv.out_channels
        self._early = taps[:, : self._stride].reshape(conv.in_channels, width)
        self._late = taps[:, self._stride :].reshape(conv.in_channels, width)

    def __call__(
        self, x: Tensor, carried: Tensor | None, last: bool
    ) -> tuple[Tensor, Tensor | None]:
        before = x.new_zeros(1, x.shape[1]) if carried is None else carried
        after = x.new_zeros(1 if last else 0, x.shape[1])
        x = torch.cat((before, self._snake(x), after))
        y = torch.addmm(self._bias, x[1:], self._early).addmm_(x[:-1], self._late)
        y = y.view(-1, self._channels)
        start = self._padding if carried is None else 0
        end = len(y) - (self._stride - self._padding if last else 0)
        return y[start:end], x[-1:]


class _Alone:
    """A function of a tile that looks at nothing outside it."""

    def __init__(self, function: Function) -> None:
        self._function = function

    def __call__(
        self, x: Tensor, carried: Tensor | None, last: bool
    ) -> tuple[Tensor, Tensor | None]:
        return self._function(x), None


def _convolution(conv: nn.Conv1d) -> Function:
    """The convolution of rows, without padding: ``kernel - 1`` dilated rows are lost."""
    taps, dilation = conv.weight.permute(2, 1, 0).contiguous(), int(conv.dilation[0])
    bias = _bias(conv)
    if len(taps) == 1:
        return lambda x: torch.addmm(bias, x, taps[0])
    if conv.groups == conv.in_channels == conv.out_channels:
        return lambda x: _depthwise(x, taps[:, 0], bias, dilation)
    if conv.in_channels == 1:
        return lambda x: torch.addmm(bias, _windows(x, len(taps)), taps[:, 0])
    if conv.out_channels == 1:
        return lambda x: _summed(x @ taps[:, :, 0].t(), bias)
    return lambda x: _dense(x, taps, bias, dilation)


def _depthwise(x: Tensor, taps: Tensor, bias: Tensor, dilation: int) -> Tensor:
    # Shifted sums: within the cache they take a third of the library's time.
    count = max(0, len(x) - (len(taps) - 1) * dilation)
    total = torch.addcmul(bias, x[:count], taps[0])
    for index in range(1, len(taps)):
        total.addcmul_(x[index * dilation : index * dilation + count], taps[index])
    return total


def _dense(x: Tensor, taps: Tensor, bias: Tensor, dilation: int) -> Tensor:
    count = max(0, len(x) - (len(taps) - 1) * dilation)
    total = torch.addmm(bias, x[:count], taps[0])
    for index in range(1, len(taps)):
        total.addmm_(x[index * dilation : index * dilation + count], taps[index])
    return total


def _windows(x: Tensor, size: int) -> Tensor:
    """``[time, 1]`` to ``[time - size + 1, size]``."""
    return x[:, 0].unfold(0, size, 1) if len(x) >= size else x.new_zeros(0, size)


def _summed(products: Tensor, bias: Tensor) -> Tensor:
    """Products ``[time, taps]`` of each row with each tap to the output's one channel."""
    count = max(0, len(products) - products.shape[1] + 1)
    total = bias + products[:count, 0]
    for index in range(1, products.shape[1]):
        total += products[index : index + count, index]
    return total[:, None]


def _bias(conv: nn.Conv1d | nn.ConvTranspose1d) -> Tensor:
    assert conv.bias is not None
    return conv.bias


def _joined(x: Tensor, carried: Tensor | None, last: bool, margin: int) -> Tensor:
    """The tile with the rows before it, or zeros at the start, and zeros at the end."""
    if margin == 0:
        return x
    if carried is None:
        return functional.pad(x, (0, 0, margin, margin if last else 0))
    return torch.cat((carried, x, x.new_zeros(margin if last else 0, x.shape[1])))


def _tail(x: Tensor, margin: int) -> Tensor | None:
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
