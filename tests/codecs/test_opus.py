"""What Opus packets say of themselves, by RFC 6716."""

from __future__ import annotations

import pytest

from snac_eval.codecs import opus


@pytest.mark.parametrize(
    ("packet", "samples"),
    [
        (bytes([9 << 3, 1]), 960),  # SILK at 12 kHz, one frame of 20 ms.
        (bytes([11 << 3 | 1, 1]), 5760),  # Two of 60 ms.
        (bytes([12 << 3 | 2, 1]), 960),  # SILK under CELT, two of 10 ms.
        (bytes([31 << 3 | 3, 0x83]), 2880),  # CELT, three of 20 ms, of any length.
        (bytes([16 << 3]), 120),
    ],
)
def test_a_packet_says_how_long_it_is_and_its_stand_ins_are_as_long(
    packet: bytes, samples: int
) -> None:
    assert opus.num_samples([packet, packet, b"", b"\xff\xff"]) == samples
    standing = opus.stand_ins(packet)
    assert {len(one) for one in standing} == {1}
    assert sum(opus.num_samples([one]) for one in standing) == samples
