"""A codec behind a channel that loses packets or flips bits (:mod:`~snac_eval.codecs.losses`).

``NAME@packet_loss=0.05`` and ``NAME@bit_errors=0.001`` encode as NAME does: the bits and tokens
that are counted are those that were sent. What is lost of them is drawn for each clip by the seed
that decoding gets.

What stands in for what is lost, the codec says where it can (``decode_lossy``); else tokens are
repeated frame by frame, and of packets the samples of the lost moments are silence, while the
decoder's state goes on as if they had come.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from snac_eval.codecs.abilities import OpenCodec
from snac_eval.codecs.around import Around
from snac_eval.codecs.losses import (
    VERSION,
    Channel,
    damaged,
    muted,
    num_frames,
    plain,
    without_frames,
)
from snac_eval.types import Codec, Codes, Waveform

if TYPE_CHECKING:
    from snac_eval.codecs.losses import BoolArray

# Frames by which a codec of a fixed rate rounds a clip up; others share the clip evenly.
_MOST_PADDED = 4
_REPEATS = "lost frames of tokens are repeats of the last that came"
_NO_INDEX = "a token that arrives as no index of its codebook is a repeat of the one before"
_SILENCE = (
    "lost packets are silence, while the decoder's state goes on as if they had come; where it"
    " refuses damaged bits, every packet that was hit is lost"
)


def over_channel(opened: OpenCodec, channel: Channel) -> OpenCodec:
    """The codec whose packets or tokens go through the channel before they are decoded, with the
    same abilities but that to decode block by block."""
    if opened.coder is None:
        raise ValueError("reconstructions that are read from files are not sent")
    lossy = Lossy(opened, opened.coder, channel)
    return replace(
        opened,
        coder=lossy,
        notes=lambda: (*lossy.notes(), *opened.notes()),
        decode_blocks=None,
        decode_lossy=None,
    )


class Lossy(Around):
    """The codec that decodes what the channel leaves of its codes."""

    def __init__(self, opened: OpenCodec, codec: Codec, channel: Channel) -> None:
        card, words = codec.card, channel.words
        named = replace(
            card,
            name=f"{card.name}{channel.options}",
            label=card.label and f"{card.label}, {words}",
            series=card.series and f"{card.series}, {words}",
        )
        super().__init__(codec, named)
        self.channel = channel
        self._opened = opened

    @cached_property
    def fingerprint(self) -> str:
        """The codec's own, the channel, and what stands in for what is lost."""
        channel = ",".join(self.channel.options.split("@")[1:])
        return f"{self._codec.fingerprint};channel={VERSION}:{channel};conceals={self._conceals}"

    def notes(self) -> tuple[str, ...]:
        """What the channel does, and what stands in for what is lost."""
        channel, said = self.channel, []
        if channel.packet_loss:
            packet = f"{plain(channel.packet_ms)} ms"
            said.append(
                f"{plain(100 * channel.packet_loss)} % of packets of {packet} are lost, on average"
                f" {channel.mean_burst:.2g} in a row; bits are those that were sent"
            )
        if channel.bit_errors:
            said.append(
                f"each bit sent is flipped with probability {plain(channel.bit_errors)};"
                " header and side information are not; audio beyond full scale is clipped"
            )
        return (*said, self._conceals)

    def decode(self, codes: Sequence[Codes], seeds: Sequence[int]) -> list[Waveform]:
        """Audio of what arrives, as long as without losses. ``seeds`` draw the losses as well.

        What damaged bits make louder than full scale is clipped, as whatever plays it would.
        """
        decoded = self._decoded(codes, seeds)
        if not self.channel.bit_errors:
            return decoded
        return [replace(one, samples=np.clip(one.samples, -1, 1)) for one in decoded]

    def _decoded(self, codes: Sequence[Codes], seeds: Sequence[int]) -> list[Waveform]:
        conceal = self._opened.decode_lossy
        if conceal is not None:
            arrived = [self._arrived(*one)[0] for one in zip(codes, seeds, strict=True)]
            lost = [self._lost(*one) for one in zip(codes, seeds, strict=True)]
            return conceal(arrived, lost, seeds)
        if not all(num_frames(one) for one in codes):
            return [self._muted(*one) for one in zip(codes, seeds, strict=True)]
        received = [
            without_frames(self._arrived(one, seed)[0], self._lost(one, seed))
            for one, seed in zip(codes, seeds, strict=True)
        ]
        return self._codec.decode(received, seeds)

    @property
    def _conceals(self) -> str:
        if self._opened.conceals:
            return self._opened.conceals
        if not self.card.codebook_sizes:  # Whether it sends tokens is only known of its codes.
            return f"{_REPEATS}; {_SILENCE}"
        return _REPEATS if self.channel.packet_loss else _NO_INDEX

    def _arrived(self, codes: Codes, seed: int) -> tuple[Codes, BoolArray]:
        """The codes with bits flipped, and which packets were hit."""
        if not self.channel.bit_errors:
            return codes, np.zeros(len(codes.packets), np.bool_)
        return damaged(codes, self.channel, seed)

    def _lost(self, codes: Codes, seed: int) -> BoolArray:
        """Which packets, or frames of tokens, do not arrive."""
        count = len(codes.packets) or num_frames(codes)
        if not self.channel.packet_loss:
            return np.zeros(count, np.bool_)
        start_s, step_s = self._frames_at(codes, count)
        return self.channel.lost_frames(start_s + step_s * (np.arange(count) + 0.5), seed)

    def _frames_at(self, codes: Codes, count: int) -> tuple[float, float]:
        """When the first packet's or frame's audio begins, and how long each is, in seconds."""
        if self._opened.frames_at is not None:
            return self._opened.frames_at(codes)
        seconds = codes.num_samples / (self.card.sample_rate or 1)
        if codes.streams and self.card.frame_rates_hz:
            step_s = 1 / min(self.card.frame_rates_hz)
            if 0 <= count * step_s - seconds < _MOST_PADDED * step_s:
                return 0.0, step_s
        return 0.0, seconds / max(1, count)

    def _muted(self, codes: Codes, seed: int) -> Waveform:
        """Audio of packets, silent where they are lost."""
        arrived, hit = self._arrived(codes, seed)
        refused: list[tuple[float, float]] = []
        try:
            (whole,) = self._codec.decode([arrived], [seed])
        except Exception:  # Whatever a decoder raises of flipped bits: it refuses them.
            if not hit.any():
                raise
            (whole,) = self._codec.decode([codes], [seed])
            share_s = whole.duration_s / hit.size
            refused = [(share_s * one, share_s * (one + 1)) for one in np.flatnonzero(hit)]
        places = [*self._silences(whole.duration_s, seed), *refused]
        return replace(whole, samples=muted(whole.samples, places, whole.sample_rate))

    def _silences(self, duration_s: float, seed: int) -> list[tuple[float, float]]:
        """From when to when nothing arrives."""
        if not self.channel.packet_loss:
            return []
        packet_s = float(self.channel.packet_ms) / 1000
        lost = self.channel.lost(int(duration_s / packet_s) + 1, seed)
        return [(packet_s * one, packet_s * (one + 1)) for one in np.flatnonzero(lost)]
