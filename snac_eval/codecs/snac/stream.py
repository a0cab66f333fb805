"""SNAC's inference on a stream: a snapshot of the model that works tile after tile.

A stage cuts whatever it is given into tiles of its own, small enough to stay in a core's cache and
always the same: a signal gives the same codes, to the bit, in one piece or in many, and memory does
not grow with its length.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from snac_eval.codecs.snac.attention import LocalAttention
from snac_eval.codecs.snac.config import SNACConfig
from snac_eval.codecs.snac.layers import (
    Decoder,
    DecoderBlock,
    Encoder,
    EncoderBlock,
    NoiseSource,
    Snake1d,
)
from snac_eval.codecs.snac.quantize import ResidualQuantizer
from snac_eval.codecs.snac.tiles import (
    Alone,
    Down,
    Same,
    Snake,
    Stage,
    Unit,
    Up,
    Windows,
    known,
    plain_copy,
)

# Numbers of one tile: the fastest of 65536 to 524288 where a core has 1 MiB of second-level cache.
_TILE_NUMBERS = 262144
# With fewer rows, a matrix product takes longer to read its weights than to multiply.
_FEWEST_ROWS = 256


class Streamer(nn.Module):
    """A snapshot of a SNAC's encoder, quantiser and decoder that codes streams and long signals.

    It has buffers of its own and no parameters, and shares no memory with the model: it stays as
    the model was. It can be copied, pickled and moved alone. Nothing is left in it
    between calls, so that several streams may run at once.

    Raises TypeError where a layer was replaced by one that it cannot rearrange.
    """

    # Whatever mode the caller is in, buffers must be tensors that can be moved and copied later.
    @torch.inference_mode(False)
    @torch.no_grad()
    def __init__(
        self, config: SNACConfig, encoder: Encoder, quantizer: ResidualQuantizer, decoder: Decoder
    ) -> None:
        super().__init__()
        self.config = config
        copied, coarse = plain_copy(quantizer), config.vq_strides[0]
        look_up = Alone(LookUp(copied, coarse))
        self.encoding = nn.ModuleList(
            [*_encoder(encoder), Stage(-(-_FEWEST_ROWS // coarse) * coarse, [look_up])]
        )
        latents = Alone(Latents(copied, config))
        self.decoding = nn.ModuleList(
            [Stage(-(-_FEWEST_ROWS // coarse), [latents]), *_decoder(decoder)]
        )

    @torch.no_grad()
    def encode(self, audio: Tensor) -> list[Tensor]:
        """Codes ``[batch, T_k]``, coarse to fine, of audio ``[batch, 1, time]``, item after item.

        The end is padded to whole frames (``config.pad_multiple`` samples).
        """
        config = self.config
        padded = audio.shape[-1] + -audio.shape[-1] % config.pad_multiple
        num_coarse = padded // (config.hop_length * config.vq_strides[0])
        shape = (len(audio), num_coarse, sum(config.tokens_per_frame))
        tokens = torch.empty(shape, dtype=torch.int64, device=audio.device)
        for rows, one in zip(tokens, audio, strict=True):
            _fill(rows, self._tokens([one[None]]))
        return streams_of(tokens, config)

    @torch.no_grad()
    def decode(self, codes: Sequence[Tensor], noise: NoiseSource) -> Tensor:
        """Audio ``[batch, 1, time]`` of codes ``[batch, T_k]``, all streams or the first few."""
        config = self.config
        num_samples = codes[0].shape[1] * config.vq_strides[0] * config.hop_length
        audio = next(self.buffers()).new_empty(len(codes[0]), num_samples, 1)
        for index, rows in enumerate(audio):
            one = [stream[index : index + 1] for stream in codes]
            _fill(rows, self._audio([one], noise.item(index)))
        return audio.transpose(1, 2)

    def encode_stream(self, blocks: Iterable[Tensor]) -> Iterator[list[Tensor]]:
        """Codes ``[1, T_k]`` as they get ready, of audio ``[1, 1, any time]`` as it comes in."""
        for tokens in self._tokens(blocks):
            yield streams_of(tokens[None].clone(), self.config)

    def decode_stream(
        self, blocks: Iterable[Sequence[Tensor]], noise: NoiseSource
    ) -> Iterator[Tensor]:
        """Audio ``[1, 1, time]`` as it gets ready, of codes ``[1, T_k]`` as they come in.

        Every block of codes holds whole frames of the coarse stream.
        """
        for rows in self._audio(blocks, noise):
            yield rows.t()[None].clone()

    def _tokens(self, blocks: Iterable[Tensor]) -> Iterator[Tensor]:
        rows = (block.reshape(-1, 1) for block in self._padded(blocks))
        return _run(self.encoding, rows)

    def _audio(self, blocks: Iterable[Sequence[Tensor]], noise: NoiseSource) -> Iterator[Tensor]:
        return _run(self.decoding, (tokens_of(codes, self.config) for codes in blocks), noise)

    def _padded(self, blocks: Iterable[Tensor]) -> Iterator[Tensor]:
        length, end = 0, torch.empty(1, 1, 0)
        for block in blocks:
            if block.shape[:-1] != (1, 1):
                raise ValueError(f"audio must be [batch, 1, time]; an item is {list(block.shape)}")
            length += block.shape[-1]
            end = block[..., :0]
            yield block
        yield functional.pad(end, (0, -length % self.config.pad_multiple))


class LookUp(nn.Module):
    """Latents ``[time, channels]`` to codes ``[coarse frames, tokens in each]``."""

    def __init__(self, quantizer: ResidualQuantizer, coarse_stride: int) -> None:
        super().__init__()
        self.quantizer, self.coarse_stride = quantizer, coarse_stride

    def forward(self, latents: Tensor) -> Tensor:
        num_coarse = len(latents) // self.coarse_stride
        streams = self.quantizer.encode(latents.t()[None])
        return torch.cat([stream.reshape(num_coarse, -1) for stream in streams], dim=1)


class Latents(nn.Module):
    """Codes ``[coarse frames, tokens in each]`` to latents ``[time, channels]``."""

    def __init__(self, quantizer: ResidualQuantizer, config: SNACConfig) -> None:
        super().__init__()
        self.quantizer, self.config = quantizer, config

    def forward(self, tokens: Tensor) -> Tensor:
        return self.quantizer.decode(streams_of(tokens[None], self.config))[0].t().contiguous()


def tokens_of(streams: Sequence[Tensor], config: SNACConfig) -> Tensor:
    """Codes ``[1, T_k]`` as ``[coarse frames, tokens in each]``, coarse stream first.

    Raises ValueError where the streams' lengths do not fit one another.
    """
    num_coarse, counts = streams[0].shape[-1], config.tokens_per_frame[: len(streams)]
    wanted = [(1, num_coarse * count) for count in counts]
    if (shapes := [tuple(stream.shape) for stream in streams]) != wanted:
        raise ValueError(f"codes of one clip must have the shapes {wanted}, not {shapes}")
    parts = zip(streams, counts, strict=True)
    return torch.cat([stream.reshape(num_coarse, count) for stream, count in parts], dim=1)


def streams_of(tokens: Tensor, config: SNACConfig) -> list[Tensor]:
    """Codes ``[batch, T_k]``, coarse to fine, of ``[batch, coarse frames, tokens in each]``."""
    streams, start = [], 0
    for count in config.tokens_per_frame:
        end = start + count
        if end <= tokens.shape[2]:
            streams.append(tokens[:, :, start:end].flatten(1))
        start = end
    return streams


@torch.inference_mode()
def _run(
    stages: Iterable[nn.Module], pieces: Iterable[Tensor], source: NoiseSource | None = None
) -> Iterator[Tensor]:
    """Rows through stage after stage; each takes from the one before it as it needs.

    They are inference tensors, which users could not train on: callers copy them.
    """
    for stage in stages:
        assert isinstance(stage, Stage)
        pieces = stage.run(pieces, source)
    yield from pieces


def _fill(rows: Tensor, parts: Iterable[Tensor]) -> None:
    """Put rows in their place one part at a time: kept, the parts would fragment the memory."""
    end = 0
    for part in parts:
        start, end = end, end + len(part)
        rows[start:end] = part


def _encoder(encoder: Encoder) -> list[Stage]:
    stages, layers = list[Stage](), list[nn.Module]()
    for module in encoder.block:
        if isinstance(module, EncoderBlock):
            units, snake, conv = known(module, EncoderBlock).parts
            layers += [*map(Unit, units), Down(snake, conv)]
            # Whole strides, so that every tile leaves as many rows over.
            steps = max(_FEWEST_ROWS, _TILE_NUMBERS // conv.in_channels // conv.stride[0])
            stages.append(Stage(steps * conv.stride[0], layers))
            layers = []
        elif isinstance(module, LocalAttention):
            stages.append(_attention(module))
        else:
            layers.append(Same(known(module, nn.Conv1d)))
    return [*stages, Stage(_FEWEST_ROWS, layers)]


def _decoder(decoder: Decoder) -> list[Stage]:
    *modules, snake, output, tanh = decoder.model
    blocks = [known(one, DecoderBlock) for one in modules if isinstance(one, DecoderBlock)]
    head = [one for one in modules if not isinstance(one, DecoderBlock)]
    attention = [one for one in head if isinstance(one, LocalAttention)]
    convs = [known(one, nn.Conv1d) for one in head if not isinstance(one, LocalAttention)]
    stages = [Stage(_FEWEST_ROWS, [Same(one) for one in convs]), *map(_attention, attention)]
    for index, block in enumerate(blocks):
        before, conv, noise, units = block.parts
        rows = _TILE_NUMBERS // conv.out_channels
        stages.append(Stage(max(_FEWEST_ROWS, rows // conv.stride[0]), [Up(before, conv)]))
        stages.append(Stage(rows, [*map(Unit, units)], noise, index, joins=False))
    output = known(output, nn.Conv1d)
    last = [Same(output, Snake(known(snake, Snake1d))), Alone(known(tanh, nn.Tanh))]
    return [*stages, Stage(_TILE_NUMBERS // output.in_channels, last)]


def _attention(module: LocalAttention) -> Stage:
    windows = -(-_FEWEST_ROWS // module.window_size)
    return Stage(windows * module.window_size, [Alone(Windows(module))])
