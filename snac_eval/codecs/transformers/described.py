"""What the configuration of an audio model of transformers says of its codes and its audio."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

# The names that configurations have for one thing; the first that is there counts. A hop beside
# ``encoder_hop_length`` or ``frame_size`` is that of something else.
_RATES = ("input_sampling_rate", "sampling_rate", "sample_rate")
_HOPS = ("encoder_hop_length", "frame_size", "hop_length")
_COUNTS = ("num_quantizers", "n_codebooks")
_CHANNELS = ("audio_channels", "channels")


@dataclass(frozen=True, slots=True)
class Described:
    """A model: rates in Hz of what goes in and what comes out, codebooks, frames per second."""

    sample_rate: int
    decoded_rate: int
    channels: int
    codebook_size: int
    """0: its latents are continuous."""
    num_codebooks: int
    frame_rate_hz: float

    def __str__(self) -> str:
        """As an error message says it."""
        rates = f"{self.sample_rate} Hz"
        if self.decoded_rate != self.sample_rate:
            rates += f" in and {self.decoded_rate} Hz out"
        codes = "continuous latents"
        if self.codebook_size:
            books = "codebook" if self.num_codebooks == 1 else "codebooks"
            codes = f"{self.num_codebooks} {books} of {self.codebook_size}"
        return f"{rates}, {self.channels} channel(s), {codes} at {self.frame_rate_hz:g} frames/s"


def described(config: Any, extractor_rate: int = 0) -> Described:  # noqa: ANN401
    """What ``config`` says; ``extractor_rate`` stands in for a rate that it leaves to its feature
    extractor."""
    rate = _first(config, _RATES) or extractor_rate
    levels = getattr(config, "quantization_levels", None)
    size = math.prod(levels) if levels else getattr(config, "codebook_size", 0)
    return Described(
        sample_rate=rate,
        decoded_rate=getattr(config, "output_sampling_rate", rate),
        channels=_first(config, _CHANNELS) or 1,
        codebook_size=size,
        num_codebooks=(_first(config, _COUNTS) or 1) if size else 0,
        frame_rate_hz=rate / _first(config, _HOPS),
    )


def _first(config: Any, names: tuple[str, ...]) -> int:  # noqa: ANN401
    found = (getattr(config, name, None) for name in names)
    return int(next((value for value in found if value), 0))
