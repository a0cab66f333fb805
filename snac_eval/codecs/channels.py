"""A mono codec for audio of several channels: each is coded as a signal of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from typing import TypeVar

import numpy as np

from snac_eval.codecs.abilities import OpenCodec
from snac_eval.codecs.around import Around
from snac_eval.errors import CodecError, UsageError
from snac_eval.types import Codec, Codes, Waveform

_Part = TypeVar("_Part", bytes, tuple[bytes, ...])
_NOTE = (
    "each channel was coded on its own: bits are those of all channels, the nominal bitrate is that"
    " of one, scores are means over channels"
)


def per_channel(opened: OpenCodec) -> OpenCodec:
    """The codec once for each channel, with the same abilities. Raises UsageError for what is no
    mono codec."""
    if opened.coder is None or opened.card.channels != 1:
        raise UsageError(f"--channels each is for mono codecs; {opened.card.name} is none")
    whole_pass = opened.whole_pass

    def whole_passes(waveform: Waveform) -> None:
        for samples in waveform.samples[:, None]:
            if whole_pass is not None:
                whole_pass(replace(waveform, samples=samples))

    return replace(
        opened,
        coder=PerChannel(opened.coder),
        notes=lambda: (_NOTE, *opened.notes()),
        whole_pass=None if whole_pass is None else whole_passes,
        encode_blocks=None,
        decode_blocks=None,
        decode_lossy=None,
    )


class PerChannel(Around):
    """The mono codec, once for each channel. Its card has ``channels`` 0: as many as there are.

    Codes hold the channels one after the other, in each stream and in the packets, so that bits
    add up and codebooks are judged on all channels; the header begins with their number.
    """

    def __init__(self, codec: Codec) -> None:
        name = f"{codec.card.name}@channels=each"
        super().__init__(codec, replace(codec.card, name=name, channels=0))

    @cached_property
    def fingerprint(self) -> str:
        """The codec's own, and that channels are coded apart."""
        return f"{self._codec.fingerprint};channels=each"

    def encode(self, waveforms: Sequence[Waveform]) -> list[Codes]:
        """Codes of ``[channels, time]`` with any number of channels."""
        return [self._encode(waveform) for waveform in waveforms]

    def decode(self, codes: Sequence[Codes], seeds: Sequence[int]) -> list[Waveform]:
        """As many channels as were coded; they draw from seeds one after the other."""
        return [self._decode(*one) for one in zip(codes, seeds, strict=True)]

    def _encode(self, waveform: Waveform) -> Codes:
        channels = waveform.samples[:, None]
        parts = [self._encode_one(replace(waveform, samples=samples)) for samples in channels]
        first = parts[0]
        if any(_shape(part) != _shape(first) for part in parts):
            raise CodecError(
                f"{self.card.name}: channels of one length gave codes of different lengths, which"
                " cannot be told apart again; run with --channels downmix"
            )
        return replace(
            first,
            streams=tuple(map(np.concatenate, zip(*(part.streams for part in parts), strict=True))),
            packets=tuple(packet for part in parts for packet in part.packets),
            side_info=b"".join(part.side_info for part in parts),
            header=bytes([len(parts)]) + b"".join(part.header for part in parts),
        )

    def _encode_one(self, waveform: Waveform) -> Codes:
        # One call for each channel: a codec that batches is free to refuse another batch size.
        (codes,) = self._codec.encode([waveform])
        return codes

    def _decode(self, codes: Codes, seed: int) -> Waveform:
        if not codes.header:
            raise CodecError(f"{self.card.name}: codes have no header; encode the clip again")
        count = codes.header[0]
        parts = [
            replace(
                codes,
                streams=tuple(np.split(stream, count)[index] for stream in codes.streams),
                packets=_part(codes.packets, index, count),
                side_info=_part(codes.side_info, index, count),
                header=_part(codes.header[1:], index, count),
            )
            for index in range(count)
        ]
        decoded = [
            self._codec.decode([part], [seed + index])[0] for index, part in enumerate(parts)
        ]
        samples = np.concatenate([one.samples for one in decoded])
        return replace(decoded[0], samples=samples)


def _shape(codes: Codes) -> tuple[object, ...]:
    lengths = tuple(stream.size for stream in codes.streams)
    return lengths, len(codes.packets), len(codes.side_info), len(codes.header)


def _part(whole: _Part, index: int, count: int) -> _Part:
    size = len(whole) // count
    return whole[index * size : (index + 1) * size]
