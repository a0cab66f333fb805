"""The shape of a SNAC model, as the published ``config.json`` writes it."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, fields
from pathlib import Path
from typing import Any

from snac_eval.errors import CheckpointError, detail
from snac_eval.writing import read_text

# PyPI's snac takes this window where config.json names none; null means no attention.
_UNNAMED_WINDOW = 32
# Channels of one head of attention.
HEAD_CHANNELS = 64


@dataclass(frozen=True, slots=True)
class SNACConfig:
    """A model's shape. Raises ValueError where the numbers do not fit one another."""

    sampling_rate: int
    """Samples per second, Hz."""
    encoder_dim: int
    """Channels of the encoder's first layer; every block doubles them."""
    encoder_rates: tuple[int, ...]
    """Strides of the encoder's blocks."""
    decoder_dim: int
    """Channels of the decoder's first layer; every block halves them."""
    decoder_rates: tuple[int, ...]
    """Strides of the decoder's blocks; their product is that of ``encoder_rates``."""
    vq_strides: tuple[int, ...]
    """Latent frames per token of each stream, coarse to fine; each divides the first."""
    latent_dim: int | None = None
    """Channels of the latents; None, or what the encoder ends with."""
    attn_window_size: int | None = None
    """Latent frames in one window of attention; None for no attention."""
    codebook_size: int = 4096
    """Entries of each codebook."""
    codebook_dim: int = 8
    """Numbers in each entry."""
    noise: bool = True
    """Whether the decoder's blocks add noise."""
    depthwise: bool = True
    """Whether the wide convolutions work on each channel alone."""

    def __post_init__(self) -> None:
        if wrong := self._wrong_kinds():
            raise ValueError("; ".join(wrong))
        if misfit := self._misfit():
            raise ValueError(misfit)

    @classmethod
    def from_json(cls, path: Path) -> SNACConfig:
        """Read ``config.json``; unknown keys are left aside. Raises CheckpointError."""
        try:
            table = json.loads(read_text(path, "utf-8-sig"))
            if not isinstance(table, dict):
                raise ValueError("it holds no table of names and values")
            return cls.from_dict({"attn_window_size": _UNNAMED_WINDOW, **table})
        except (OSError, ValueError, RecursionError) as error:
            raise CheckpointError(
                f"{path}: no valid SNAC configuration: {detail(error)}"
            ) from error

    @classmethod
    def from_dict(cls, table: Mapping[str, Any]) -> SNACConfig:
        """From names and values, lists for tuples. Raises ValueError where a name is missing."""
        needed = [one.name for one in fields(cls) if one.default is MISSING]
        if missing := [name for name in needed if name not in table]:
            raise ValueError(f"{', '.join(missing)} missing")
        known = {one.name for one in fields(cls)} & table.keys()
        values: dict[str, Any] = {
            name: tuple(table[name]) if isinstance(table[name], list) else table[name]
            for name in known
        }
        return cls(**values)

    def to_dict(self) -> dict[str, Any]:
        """As ``config.json`` holds it."""
        return asdict(self)

    @property
    def hop_length(self) -> int:
        """Samples per latent frame."""
        return math.prod(self.encoder_rates)

    @property
    def pad_multiple(self) -> int:
        """Samples that the input is padded to a multiple of."""
        return self.hop_length * math.lcm(self.vq_strides[0], self.attn_window_size or 1)

    @property
    def channels(self) -> int:
        """Channels of the latents."""
        return self.encoder_dim << len(self.encoder_rates)

    @property
    def tokens_per_frame(self) -> tuple[int, ...]:
        """Tokens of each stream in one frame of the coarse stream."""
        return tuple(self.vq_strides[0] // stride for stride in self.vq_strides)

    @property
    def frame_rates_hz(self) -> tuple[float, ...]:
        """Tokens per second of each stream, coarse to fine."""
        return tuple(self.sampling_rate / (self.hop_length * stride) for stride in self.vq_strides)

    @property
    def bitrate_bps(self) -> float:
        """Bits per second, all streams together."""
        return sum(self.frame_rates_hz) * math.log2(self.codebook_size)

    def _wrong_kinds(self) -> list[str]:
        wrong = []
        for name, value in self.to_dict().items():
            if name in ("encoder_rates", "decoder_rates", "vq_strides"):
                fits = isinstance(value, tuple) and value and all(map(_is_count, value))
                wanted = "a list of positive whole numbers"
            elif name in ("noise", "depthwise"):
                fits, wanted = isinstance(value, bool), "true or false"
            elif name in ("latent_dim", "attn_window_size"):
                fits, wanted = value is None or _is_count(value), "a positive whole number or null"
            else:
                fits, wanted = _is_count(value), "a positive whole number"
            if not fits:
                wrong.append(f"{name} must be {wanted}, not {value!r}")
        return wrong

    def _misfit(self) -> str:
        if math.prod(self.encoder_rates) != math.prod(self.decoder_rates):
            return "encoder_rates and decoder_rates have different products"
        if min(self.decoder_rates) < 2:
            return (
                "decoder_rates must be at least 2: with SNAC's padding there is no transposed"
                " convolution of stride 1, and PyPI's snac cannot decode with one either"
            )
        if (num_frames := self._num_frames()) * self.hop_length != self.pad_multiple:
            return (
                f"encoder_rates turn {self.pad_multiple} samples into {num_frames} latent frames,"
                f" not {self.pad_multiple // self.hop_length}: each stride of 1 adds a frame, which"
                " the next block must drop"
            )
        if any(self.vq_strides[0] % stride for stride in self.vq_strides):
            return "every one of vq_strides must divide the first"
        if self.latent_dim not in (None, self.channels):
            return f"latent_dim must be the {self.channels} channels that the encoder ends with"
        if self.decoder_dim < 2 ** len(self.decoder_rates):
            return "decoder_dim cannot be halved in every block"
        if self.attn_window_size and (
            self.channels % HEAD_CHANNELS or self.decoder_dim % HEAD_CHANNELS
        ):
            return (
                f"attention needs multiples of {HEAD_CHANNELS} channels, not {self.channels} in the"
                f" encoder and {self.decoder_dim} in the decoder"
            )
        return ""

    def _num_frames(self) -> int:
        """Latent frames that the encoder's layers give for ``pad_multiple`` samples."""
        length = self.pad_multiple
        for rate in self.encoder_rates:
            length = (length + 2 * math.ceil(rate / 2) - 2 * rate) // rate + 1
        return length


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0
