"""DAC (Kumar et al., arXiv 2306.06546) as transformers runs it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

from snac_eval.codecs.transformers.base import TransformersCodec
from snac_eval.codecs.transformers.tiles import in_tiles
from snac_eval.hub import weights_state
from snac_eval.types import CodecCard, CodecRequest, Codes

if TYPE_CHECKING:
    from torch import Tensor


def load(request: CodecRequest) -> DacCodec:
    """Entry point of the codec family ``dac``."""
    return DacCodec(request)


def state(card: CodecCard) -> str:
    """What ``snac-eval list`` shows of this family."""
    return weights_state(card)


class DacCodec(TransformersCodec):
    """DAC at 16, 24 or 44.1 kHz. Mono. Long clips are coded in tiles, in bounded memory."""

    model_type = "dac"
    model_class = "DacModel"

    def padded_length(self, num_samples: int) -> int:
        """``num_samples`` rounded up to whole frames, as DAC's own preprocessing does it."""
        hop = int(self._model.config.hop_length)
        return -(-num_samples // hop) * hop

    def _describe(self, config: Any) -> tuple[int, int, int, int, float]:  # noqa: ANN401
        frames = config.sampling_rate / config.hop_length
        return config.sampling_rate, 1, config.codebook_size, config.n_codebooks, frames

    def _encode(self, batch: Tensor) -> tuple[Tensor, list[bytes]]:
        def encode(part: Tensor) -> Tensor:
            made = self._model.encode(part, n_quantizers=self._num_codebooks)
            return cast("Tensor", made.audio_codes)

        hop = self._model.config.hop_length
        tokens = in_tiles([encode], batch, batch.shape[-1] // hop, 1, hop)
        return tokens, [b""] * len(tokens)

    def _decode(self, tokens: Tensor, codes: Sequence[Codes]) -> Tensor:
        def decode(part: Tensor) -> Tensor:
            made = self._model.decode(audio_codes=part)
            return cast("Tensor", made.audio_values)[:, None]

        return in_tiles([decode], tokens, tokens.shape[-1], self._model.config.hop_length, 1)
