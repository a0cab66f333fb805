"""A codec after itself: what is left when its output is encoded again and again."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property

from snac_eval import audio
from snac_eval.codecs.abilities import OpenCodec
from snac_eval.types import Codec, Codes, Waveform


def after_itself(opened: OpenCodec, generation: int) -> OpenCodec:
    """The codec whose codes are those of the n-th encode of a clip, with the same abilities."""
    if opened.coder is None:
        raise ValueError("reconstructions that are read from files have no generations")
    whole_pass = opened.whole_pass

    def whole_passes(waveform: Waveform) -> None:
        # n encodes, the decodes between them and the last decode: n passes.
        for _ in range(generation):
            if whole_pass is not None:
                whole_pass(waveform)

    note = f"encode times are those of {generation} generations together"
    return replace(
        opened,
        coder=Generations(opened.coder, generation),
        delay_samples=lambda: generation * opened.delay_samples(),
        notes=lambda: (note, *opened.notes()),
        whole_pass=None if whole_pass is None else whole_passes,
        encode_blocks=None,
        decode_blocks=None,
    )


class Generations:
    """The codec whose codes are those of the n-th encode of a clip, n = ``generation``.

    Every metric then scores the n-th generation against the original. What the generations
    between draw is seeded by the clip's samples.
    """

    def __init__(self, codec: Codec, generation: int) -> None:
        self.card = replace(
            codec.card,
            name=f"{codec.card.name}@generation={generation}",
            label=codec.card.label and f"{codec.card.label}, generation {generation}",
        )
        self.device = codec.device
        self.generation = generation
        self._codec = codec

    @cached_property
    def fingerprint(self) -> str:
        """The codec's own, and the generation."""
        return f"{self._codec.fingerprint};generation={self.generation}"

    def prepare(self) -> None:
        """Prepare the codec."""
        self._codec.prepare()

    def padded_length(self, num_samples: int) -> int | None:
        """As the codec pads."""
        return self._codec.padded_length(num_samples)

    def encode(self, waveforms: Sequence[Waveform]) -> list[Codes]:
        """Codes of the last generation."""
        seeds = [_seed(waveform) for waveform in waveforms]
        codes = self._codec.encode(waveforms)
        for _ in range(self.generation - 1):
            decoded = self._codec.decode(codes, seeds)
            heard = [
                audio.as_heard(one, self.card.sample_rate, code.num_samples)
                for one, code in zip(decoded, codes, strict=True)
            ]
            codes = self._codec.encode(heard)
        return codes

    def decode(self, codes: Sequence[Codes], seeds: Sequence[int]) -> list[Waveform]:
        """Audio of the last generation."""
        return self._codec.decode(codes, seeds)


def _seed(waveform: Waveform) -> int:
    digest = hashlib.sha256(waveform.samples.tobytes()).digest()
    return int.from_bytes(digest[:8], "big") >> 1
