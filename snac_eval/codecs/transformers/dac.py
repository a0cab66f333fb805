"""DAC (Kumar et al., arXiv 2306.06546) as transformers runs it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from snac_eval.codecs.tiles import in_tiles
from snac_eval.codecs.transformers.base import TransformersCodec
from snac_eval.codecs.transformers.masks import zeros_after
from snac_eval.hub import weights_remedy, weights_state
from snac_eval.types import CodecCard, CodecRequest, Codes

if TYPE_CHECKING:
    from torch import Tensor, nn


def load(request: CodecRequest) -> DacCodec:
    """Entry point of the codec family ``dac``."""
    return DacCodec(request)


def state(card: CodecCard) -> str:
    """What ``snac-eval list`` shows of this family."""
    return weights_state(card)


def remedy(card: CodecCard) -> tuple[str, ...]:
    """Ways to get its weights where they are not here."""
    return weights_remedy(card)


class DacCodec(TransformersCodec):
    """DAC at 16, 24 or 44.1 kHz. Mono. Long clips are coded in tiles, in bounded memory.

    In a batch each clip is masked after its end: padding would change 7 % of its codes.

    The decoders of the 16 and 24 kHz models upsample by 8, 5, 4 and 2. In DAC's code and in
    transformers' port of it, a transposed convolution of stride s (kernel 2 s) leaves out
    ceil(s / 2) samples at either end, which for s = 5 is one too few in all: 8 samples (4 times 2)
    are missing at the end, and the published weights' output comes 8 samples early. Leaving out
    floor(s / 2) instead gives the same samples 8 later and one more, of which whole frames are
    kept. Even strides, all of those at 44.1 kHz, are not affected.
    """

    implementation = "3"
    model_type = "dac"

    def padded_length(self, num_samples: int) -> int:
        """``num_samples`` rounded up to whole frames, as DAC's own preprocessing does it."""
        hop = int(self._model.config.hop_length)
        return -(-num_samples // hop) * hop

    def _adjust(self, model: Any) -> None:  # noqa: ANN401
        from torch import nn

        for layer in model.decoder.modules():
            if isinstance(layer, nn.ConvTranspose1d) and layer.stride[0] % 2:
                layer.padding = (layer.stride[0] // 2,)

    def _encode(self, batch: Tensor, lengths: Sequence[int]) -> tuple[Tensor, list[bytes]]:
        model, hop = self._model, self._model.config.hop_length

        def encode(part: Tensor) -> Tensor:
            made = model.encode(part, n_quantizers=self._num_codebooks)
            return cast("Tensor", made.audio_codes)

        frames = [length // hop for length in lengths]
        masks = partial(_masks, model.encoder, frames, hop)
        tokens = in_tiles([encode], batch, batch.shape[-1] // hop, 1, hop, masks)
        return tokens, [b""] * len(tokens)

    def _decode(self, tokens: Tensor, codes: Sequence[Codes]) -> Tensor:
        model, hop = self._model, self._model.config.hop_length

        def decode(part: Tensor) -> Tensor:
            made = model.decode(audio_codes=part)
            return cast("Tensor", made.audio_values)[:, None]

        frames = [one.streams[0].size for one in codes]
        return in_tiles(
            [decode], tokens, tokens.shape[-1], hop, 1, partial(_masks, model.decoder, frames, 1)
        )


def _masks(
    part: nn.Module, frames: Sequence[int], in_per_frame: int, around: slice
) -> AbstractContextManager[None]:
    """Has the encoder or the decoder see zeros after each item's end, which lies ``frames`` from
    the clip's start, in the tile that begins at ``around.start``."""
    there = [min(max(0, one - around.start), around.stop - around.start) for one in frames]
    if min(there) == around.stop - around.start:
        return nullcontext()
    return zeros_after(part, [one * in_per_frame for one in there])
