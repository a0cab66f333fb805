"""A codec that hears its clips in noise, and is still scored against the clips as they are.

``NAME@noise_db=20`` adds white noise 20 dB below the mean power of what the codec would hear, drawn
by the samples themselves: the same in every run. The reference stays the clean clip, as work on
noise-robust tokens and on speech enhancement has it. How much of the loss is the noise's own says
``pcm_16bit@noise_db=20``: the noisy clip itself, not coded.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property

from snac_eval.audio import with_white_noise
from snac_eval.codecs.abilities import OpenCodec
from snac_eval.codecs.around import Around, seed_of
from snac_eval.types import Codec, Codes, Waveform


def in_noise(opened: OpenCodec, snr_db: int) -> OpenCodec:
    """The codec that hears noise so many dB below each clip, with the same abilities but that to
    encode block by block: how loud a clip is shows at its end."""
    if opened.coder is None:
        raise ValueError("reconstructions that are read from files hear nothing")
    note = (
        f"the codec heard each clip with white noise at {snr_db} dB SNR; what it gave is compared"
        " with the clip without it"
    )
    return replace(
        opened,
        coder=InNoise(opened.coder, snr_db),
        notes=lambda: (note, *opened.notes()),
        encode_blocks=None,
    )


class InNoise(Around):
    """The codec whose codes are those of its input in noise."""

    def __init__(self, codec: Codec, snr_db: int) -> None:
        card = codec.card
        named = replace(
            card,
            name=f"{card.name}@noise_db={snr_db}",
            label=card.label and f"{card.label}, noise at {snr_db} dB",
            series=card.series and f"{card.series}, noise at {snr_db} dB",
        )
        super().__init__(codec, named)
        self.snr_db = snr_db

    @cached_property
    def fingerprint(self) -> str:
        """The codec's own, and the noise."""
        return f"{self._codec.fingerprint};white_noise_db={self.snr_db}"

    def encode(self, waveforms: Sequence[Waveform]) -> list[Codes]:
        """Codes of the waveforms with noise."""
        return self._codec.encode(
            [with_white_noise(one, self.snr_db, seed_of(one)) for one in waveforms]
        )
