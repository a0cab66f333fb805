"""Codes, audio, cards and requests as the wire carries them: JSON, bytes and arrays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from itertools import accumulate, pairwise
from typing import Any

import numpy as np

from snac_eval.audio import Fitted
from snac_eval.types import CodecCard, CodecRequest, Codes, Waveform

_TUPLES = ("codebook_sizes", "frame_rates_hz", "domains", "requirements")


def codes_sent(codes: Codes) -> dict[str, Any]:
    """Packets are one after the other, with their lengths beside them."""
    return {
        "num_samples": codes.num_samples,
        "streams": codes.streams,
        "codebook_sizes": codes.codebook_sizes,
        "packets": b"".join(codes.packets),
        "lengths": np.array([len(packet) for packet in codes.packets], np.int64),
        "packet_bits": codes.packet_bits,
        "side_info": codes.side_info,
        "header": codes.header,
        "is_continuous": codes.is_continuous,
    }


def codes_received(said: Mapping[str, Any]) -> Codes:
    """What :func:`codes_sent` gave."""
    ends = accumulate(map(int, said["lengths"]), initial=0)
    return Codes(
        num_samples=said["num_samples"],
        streams=tuple(said["streams"]),
        codebook_sizes=tuple(said["codebook_sizes"]),
        packets=tuple(said["packets"][start:end] for start, end in pairwise(ends)),
        packet_bits=said["packet_bits"],
        side_info=said["side_info"],
        header=said["header"],
        is_continuous=bool(said["is_continuous"]),
    )


def audio_sent(waveform: Waveform) -> dict[str, Any]:
    """With the samples that a decoder gave beyond the clip, where they were cut off."""
    said: dict[str, Any] = {"samples": waveform.samples, "sample_rate": waveform.sample_rate}
    return said | ({"excess": waveform.excess} if isinstance(waveform, Fitted) else {})


def audio_received(said: Mapping[str, Any]) -> Waveform:
    """What :func:`audio_sent` gave."""
    if "excess" in said:
        return Fitted(said["samples"], said["sample_rate"], said["excess"])
    return Waveform(said["samples"], said["sample_rate"])


def request_sent(request: CodecRequest) -> dict[str, Any]:
    """The card's options are what JSON has: they come from TOML."""
    return asdict(request)


def request_received(said: Mapping[str, Any]) -> CodecRequest:
    """What :func:`request_sent` gave."""
    return CodecRequest(**{**said, "card": card_received(said["card"])})


def card_received(said: Mapping[str, Any]) -> CodecCard:
    """A card, of its fields."""
    tuples = {name: tuple(said[name]) for name in _TUPLES if name in said}
    return CodecCard(**{**said, **tuples})
