"""One operation of a codec as a function to time, for the pytest fixture ``codec_benchmark``.

The protocol is that of :mod:`snac_eval.bench.measure`: audio is synthetic, seeded, speech-like;
clip ``i`` of a batch has the seed ``seed + i`` and is decoded with the seed ``i``; the device is
synchronised before and after; what is not timed is done before.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal, get_args

from snac_eval.audio import speech_like
from snac_eval.bench.measure import ANY_RATE_HZ, coder_of, synchroniser
from snac_eval.codecs.abilities import OpenCodec
from snac_eval.codecs.opening import open_model, opened
from snac_eval.errors import UsageError
from snac_eval.machine import resolve_device
from snac_eval.types import Codec, Codes

Timed = Literal["encode", "decode", "roundtrip"]


@dataclass(frozen=True, slots=True)
class Operation:
    """A function to time, and what is known of it."""

    run: Callable[[], None]
    audio_s: float
    """Seconds of audio that one call codes, all clips together."""
    facts: dict[str, object]
    """Codec, device, threads, length, batch size, seed, bits and bitrate."""

    def real_time_factor(self, seconds: float) -> float:
        """Of a call that took so long: its seconds over those of its audio."""
        return seconds / self.audio_s


def operation(
    codec: object,
    timed: Timed,
    seconds: float,
    batch_size: int,
    seed: int,
    device: str,
    threads: int,
    weights: str = "",
    cards: tuple[Path, ...] = (),
) -> Operation:
    """Open and prepare the codec, and code once.

    ``codec`` is a name as ``--model`` takes it, or a codec that was made already. Raises
    SnacEvalError for what cannot be opened or coded.
    """
    if timed not in get_args(Timed):
        raise UsageError(f"'{timed}' is no operation; use {', '.join(get_args(Timed))}")
    for name, value in (("seconds", seconds), ("batch_size", batch_size), ("threads", threads)):
        if not value > 0:
            raise UsageError(f"{name}={value}: must be above 0")
    name = codec if isinstance(codec, str) else f"this {type(codec).__name__}"
    found = _open(codec, name, weights, device, threads, cards)
    coder = coder_of(found, name)
    found.prepare()
    rate, channels = coder.card.sample_rate or ANY_RATE_HZ, coder.card.channels
    length = round(seconds * rate)
    if batch_size > 1 and coder.padded_length(length) is None:
        raise UsageError(f"{coder.card.name} codes one clip at a time: leave batch_size out")
    batch = [speech_like(length, rate, channels, seed + item) for item in range(batch_size)]
    codes = coder.encode(batch)
    audio_s = sum(one.duration_s for one in batch)
    bits = sum(one.num_bits for one in codes)
    steps: dict[str, Callable[[], object]] = {
        "encode": lambda: coder.encode(batch),
        "decode": lambda: _decode(coder, codes),
        "roundtrip": lambda: _decode(coder, coder.encode(batch)),
    }
    facts = {
        "codec": coder.card.name,
        "operation": timed,
        "device": coder.device,
        "threads": threads if coder.device == "cpu" else None,
        "audio_seconds": audio_s,
        "batch_size": batch_size,
        "seed": seed,
        "bits": bits,
        "bitrate_kbps": bits / audio_s / 1000,
    }
    run = partial(_synchronised, steps[timed], synchroniser(coder.device))
    return Operation(run, audio_s, facts)


def _open(
    codec: object, name: str, weights: str, device: str, threads: int, cards: tuple[Path, ...]
) -> OpenCodec:
    if not isinstance(codec, str):
        return opened(codec, name)
    return open_model(codec, cards, weights, resolve_device(device), threads)


def _decode(coder: Codec, codes: list[Codes]) -> None:
    coder.decode(codes, range(len(codes)))


def _synchronised(step: Callable[[], object], synchronise: Callable[[], None]) -> None:
    synchronise()
    step()
    synchronise()
