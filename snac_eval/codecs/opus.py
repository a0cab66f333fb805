"""What Opus packets say of themselves (RFC 6716, 3.1), and what its decoder gets for a lost one."""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Sequence

_PRE_SKIP = struct.Struct("<10xH")
# Frames of SILK, of SILK under CELT, and of CELT, in samples at 48 kHz.
_SILK, _HYBRID, _CELT = (480, 960, 1920, 2880), (480, 960), (120, 240, 480, 960)


def num_samples(packets: Sequence[bytes]) -> int:
    """How long most of these packets are, in samples at 48 kHz: some may be damaged."""
    lengths = Counter(_num_frames(one) * _frame_length(one) for one in packets if one)
    return max(lengths, key=lengths.__getitem__, default=0)


def stand_ins(last: bytes) -> list[bytes]:
    """Packets that say of each frame of the last that came that the next has no data, so that the
    decoder conceals as many (RFC 6716, 3.2.1: a frame of no bytes is one that was lost)."""
    return [bytes([last[0] & 0xFC])] * _num_frames(last) if last else []


def without_data(last: bytes, size: int) -> bytes:
    """One such packet for all frames of the last, of so many bytes: padding fills it (3.2.5)."""
    frames = _num_frames(last)
    if size < 2:
        return bytes([last[0] & 0xFC])[:size]
    head = bytes([last[0] & 0xFC | 3, frames | (0x40 if size > 2 else 0)])
    longer, rest = divmod(size - 3, 255) if size > 2 else (0, -1)
    return head + b"\xff" * longer + bytes([rest] * (size > 2)) + bytes(254 * longer + max(0, rest))


def pre_skip(opus_head: bytes) -> int:
    """How many samples at 48 kHz the decoder drops at the beginning (RFC 7845, 5.1)."""
    return int(_PRE_SKIP.unpack_from(opus_head)[0]) if len(opus_head) >= _PRE_SKIP.size else 0


def _num_frames(packet: bytes) -> int:
    code = packet[0] & 3
    if code == 3:
        return max(1, packet[1] & 63) if len(packet) > 1 else 1
    return 2 if code else 1


def _frame_length(packet: bytes) -> int:
    config = packet[0] >> 3
    if config < 12:
        return _SILK[config % 4]
    return _HYBRID[config % 2] if config < 16 else _CELT[config % 4]
