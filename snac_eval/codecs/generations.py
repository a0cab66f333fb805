"""A codec after itself: what is left when its output is encoded again and again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property

from snac_eval import audio
from snac_eval.codecs.abilities import OpenCodec
from snac_eval.codecs.around import Around, seed_of
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


class Generations(Around):
    """The codec whose codes are those of the n-th encode of a clip, n = ``generation``.

    Every metric then scores the n-th generation against the original. What the generations
    between draw is seeded by the clip's samples.
    """

    def __init__(self, codec: Codec, generation: int) -> None:
        card = replace(
            codec.card,
            name=f"{codec.card.name}@generation={generation}",
            label=codec.card.label and f"{codec.card.label}, generation {generation}",
        )
        super().__init__(codec, card)
        self.generation = generation

    @cached_property
    def fingerprint(self) -> str:
        """The codec's own, and the generation."""
        return f"{self._codec.fingerprint};generation={self.generation}"

    def encode(self, waveforms: Sequence[Waveform]) -> list[Codes]:
        """Codes of the last generation."""
        seeds = [seed_of(waveform) for waveform in waveforms]
        codes = self._codec.encode(waveforms)
        for _ in range(self.generation - 1):
            decoded = self._codec.decode(codes, seeds)
            heard = [
                audio.as_heard(one, self.card.sample_rate, code.num_samples)
                for one, code in zip(decoded, codes, strict=True)
            ]
            codes = self._codec.encode(heard)
        return codes
