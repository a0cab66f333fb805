"""Mimi (Défossez et al., arXiv 2410.00037) as transformers runs it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from snac_eval.codecs.tiles import fits_one, in_tiles
from snac_eval.codecs.transformers.base import TransformersCodec
from snac_eval.hub import weights_remedy, weights_state
from snac_eval.types import CodecCard, CodecRequest, Codes

if TYPE_CHECKING:
    from torch import Tensor


def load(request: CodecRequest) -> MimiCodec:
    """Entry point of the codec family ``mimi``."""
    return MimiCodec(request)


def state(card: CodecCard) -> str:
    """What ``snac-eval list`` shows of this family."""
    return weights_state(card)


def remedy(card: CodecCard) -> tuple[str, ...]:
    """Ways to get its weights where they are not here."""
    return weights_remedy(card)


class MimiCodec(TransformersCodec):
    """Mimi at 24 kHz: the first codebook is semantic, the others are residual. Mono.

    The convolutions of long clips go over tiles, while the transformers see all frames.
    """

    model_type = "mimi"

    def padded_length(self, num_samples: int) -> None:
        """None: the codec takes one clip at a time.

        torch.cdist, which looks tokens up, computes differently for more than 25 vectors, and that
        changes tokens.
        """

    def _encode(self, batch: Tensor, lengths: Sequence[int]) -> tuple[Tensor, list[bytes]]:
        model, hop = self._model, self._convolutions_hop
        num_frames = -(-batch.shape[-1] // hop)
        if fits_one(num_frames):
            tokens = model.encode(batch, num_quantizers=self._num_codebooks).audio_codes
        else:
            encoder = model.encoder
            latents = in_tiles([encoder.encoder_seanet], batch, num_frames, 1, hop)
            latents = encoder.downsample(_transform(encoder.encoder_transformer, latents))
            tokens = model.quantizer.encode(latents, self._num_codebooks).transpose(0, 1)
        return tokens, [b""] * len(tokens)

    def _decode(self, tokens: Tensor, codes: Sequence[Codes]) -> Tensor:
        model, hop = self._model, self._convolutions_hop
        decoder = model.decoder
        if fits_one(tokens.shape[-1] * model.config.latent_stride):
            decoded: Tensor = model.decode(tokens).audio_values
            return decoded
        latents = decoder.upsample(model.quantizer.decode(tokens))
        latents = _transform(decoder.decoder_transformer, latents)
        return in_tiles([decoder.decoder_seanet], latents, latents.shape[-1], hop, 1)

    @property
    def _convolutions_hop(self) -> int:
        return int(np.prod(self._model.config.upsampling_ratios))


def _transform(transformer: Any, latents: Tensor) -> Tensor:  # noqa: ANN401
    made = transformer(latents.transpose(1, 2)).last_hidden_state
    return cast("Tensor", made.transpose(1, 2))
