"""EnCodec (Défossez et al., arXiv 2210.13438) as transformers runs it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from snac_eval.codecs.tiles import fits_one, in_tiles
from snac_eval.codecs.transformers.base import TransformersCodec
from snac_eval.hub import weights_remedy, weights_state
from snac_eval.types import CodecCard, CodecRequest, Codes

if TYPE_CHECKING:
    from torch import Tensor

# EnCodec's own bit stream sends the scale of a chunk as one float32.
_SCALE = np.dtype("<f4")


def load(request: CodecRequest) -> EncodecCodec:
    """Entry point of the codec family ``encodec``."""
    return EncodecCodec(request)


def state(card: CodecCard) -> str:
    """What ``snac-eval list`` shows of this family."""
    return weights_state(card)


def remedy(card: CodecCard) -> tuple[str, ...]:
    """Ways to get its weights where they are not here."""
    return weights_remedy(card)


class EncodecCodec(TransformersCodec):
    """EnCodec at 24 kHz (mono, causal) or 48 kHz (stereo, in chunks).

    Long clips take bounded memory: the 48 kHz model has its chunks; the convolutions of the 24 kHz
    model go over tiles, while its LSTM sees all frames.
    """

    model_type = "encodec"

    def _chunks(self, num_samples: int) -> Iterator[tuple[slice, slice]]:
        """Samples and frames of each chunk: one for the whole clip where the model has none."""
        config = self._model.config
        size, stride = config.chunk_length or num_samples, config.chunk_stride or num_samples
        first_frame = 0
        for start in range(0, num_samples, stride):
            end = min(start + size, num_samples)
            end_frame = first_frame - (start - end) // config.hop_length
            yield slice(start, end), slice(first_frame, end_frame)
            first_frame = end_frame

    def _encode(self, batch: Tensor, lengths: Sequence[int]) -> tuple[Tensor, list[bytes]]:
        import torch

        parts, scales = [], []
        # Chunk by chunk: given the whole clip, transformers fails for some lengths, where the last
        # two chunks are both short.
        for samples, frames in self._chunks(batch.shape[-1]):
            num_frames = frames.stop - frames.start
            tokens, scale = self._encode_chunk(batch[..., samples], num_frames)
            parts.append(tokens[:, : self._num_codebooks, :num_frames])
            if scale is not None:
                scales.append(scale.reshape(-1))
        tokens = torch.cat(parts, dim=-1)
        if not scales:
            return tokens, [b""] * len(tokens)
        per_clip = torch.stack(scales, dim=-1).cpu().numpy()
        return tokens, [row.astype(_SCALE).tobytes() for row in per_clip]

    def _encode_chunk(self, audio: Tensor, num_frames: int) -> tuple[Tensor, Tensor | None]:
        model = self._model
        if fits_one(num_frames) or model.config.normalize:
            made = model.encode(audio, bandwidth=self._bandwidth)
            return made.audio_codes[0], made.audio_scales[0]
        layers = model.encoder.layers
        lstm = _index_of_lstm(layers)
        latents = in_tiles(layers[:lstm], audio, num_frames, 1, model.config.hop_length)
        for layer in layers[lstm:]:
            latents = layer(latents)
        return model.quantizer.encode(latents, self._bandwidth).transpose(0, 1), None

    def _decode_chunk(self, tokens: Tensor, scale: Tensor | None) -> Tensor:
        model, num_frames = self._model, tokens.shape[-1]
        if fits_one(num_frames) or model.config.normalize:
            decoded: Tensor = model.decode(tokens[None], [scale])[0]
            return decoded
        latents = model.quantizer.decode(tokens.transpose(0, 1))
        layers = model.decoder.layers
        after = _index_of_lstm(layers) + 1
        for layer in layers[:after]:
            latents = layer(latents)
        return in_tiles(layers[after:], latents, num_frames, model.config.hop_length, 1)

    def _decode(self, tokens: Tensor, codes: Sequence[Codes]) -> Tensor:
        import torch

        chunks = list(self._chunks(codes[0].num_samples))
        scales: list[Tensor | None] = [None] * len(chunks)
        if self._model.config.normalize:
            sent = np.stack([np.frombuffer(one.side_info, dtype=_SCALE) for one in codes], axis=-1)
            scales = list(torch.from_numpy(sent.astype(np.float32)).to(self.device))
        decoded = (
            self._decode_chunk(tokens[..., frames], scale)
            for (_, frames), scale in zip(chunks, scales, strict=True)
        )
        if len(chunks) == 1:
            (whole,) = decoded
            return whole
        return _overlap_add(decoded, self._model.config.chunk_stride, codes[0].num_samples)


def _index_of_lstm(layers: Sequence[Any]) -> int:
    from torch import nn

    return next(
        index
        for index, layer in enumerate(layers)
        if any(isinstance(part, nn.LSTM) for part in layer.modules())
    )


def _overlap_add(chunks: Iterator[Tensor], stride: int, length: int) -> Tensor:
    """Chunks ``[batch, channel, time]`` that start every ``stride`` samples, cross-faded linearly.

    A triangle over a whole chunk weighs each sample, as EnCodec does it, so that where two chunks
    overlap the first fades out while the second fades in.
    """
    import torch

    first = next(chunks)
    ramp = torch.linspace(0, 1, first.shape[-1] + 2, device=first.device)[1:-1]
    triangle = 0.5 - (ramp - 0.5).abs()
    total = first.new_zeros(*first.shape[:-1], length)
    weights = first.new_zeros(length)
    for start, chunk in zip(range(0, length, stride), (first, *chunks), strict=True):
        size = min(chunk.shape[-1], length - start)
        total[..., start : start + size] += triangle[:size] * chunk[..., :size]
        weights[start : start + size] += triangle[:size]
    return total / weights
