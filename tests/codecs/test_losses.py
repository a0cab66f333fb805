"""What is lost: as much as was asked, in bursts as long as asked, and nothing else."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest

from snac_eval.codecs import losses
from snac_eval.codecs.losses import Channel, damaged, repeated, without_frames
from snac_eval.errors import CodecError, UsageError
from snac_eval.types import Codes


def _channel(loss: str = "0", burst: str = "2", ms: str = "20", errors: str = "0") -> Channel:
    return Channel(*map(Decimal, (loss, burst, ms, errors)))


@pytest.mark.parametrize(("loss", "burst"), [("0.05", "1"), ("0.05", "3"), ("0.2", "2")])
def test_as_much_is_lost_as_asked_in_bursts_as_long(loss: str, burst: str) -> None:
    channel = _channel(loss, burst)
    lost = [channel.lost(400, seed) for seed in range(500)]
    rate, mean = float(loss), float(burst) / (1 - float(loss))
    found = np.array(lost)
    # The variance of a mean over a chain is larger by (1 + c) / (1 - c), c its correlation.
    spread = np.sqrt(rate * (1 - rate) * (2 * float(burst) - 1) / found.size)
    assert found.mean() == pytest.approx(rate, abs=4 * spread)
    assert found[:, 0].mean() == pytest.approx(rate, abs=4 * np.sqrt(rate * (1 - rate) / 500))
    begun, ended = found[:, :-1] & ~found[:, 1:], found[:, :-1].sum()
    assert ended / begun.sum() == pytest.approx(mean, rel=0.05)
    assert channel.mean_burst == pytest.approx(mean)


def test_conditions_differ_by_as_little_as_they_can() -> None:
    few, many = _channel("0.05").lost(2000, 7), _channel("0.1").lost(2000, 7)
    assert 0 < few.sum() < many.sum()
    assert not (few & ~many).any()
    np.testing.assert_array_equal(_channel("0.1").lost(500, 7), many[:500])
    assert not np.array_equal(_channel("0.1").lost(2000, 8), many)


def test_frames_of_any_length_lose_the_same_moments() -> None:
    channel = _channel("0.2")
    packets = channel.lost(100, 3)
    halves = channel.lost_frames((np.arange(200) + 0.5) / 100, 3)
    np.testing.assert_array_equal(halves, np.repeat(packets, 2))
    late = channel.lost_frames(-0.0065 + (np.arange(101) + 0.5) / 50, 3)
    np.testing.assert_array_equal(late[:100], packets)
    long = channel.lost_frames((np.arange(25) + 0.5) * 0.08, 3)
    np.testing.assert_array_equal(long, packets[2::4])
    slow = _channel("0.2", ms="40").lost_frames((np.arange(100) + 0.5) / 50, 3)
    np.testing.assert_array_equal(slow, np.repeat(channel.lost(50, 3), 2))


def test_bits_are_flipped_at_the_rate_and_where_bits_are_sent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(losses, "_AT_ONCE", 1000)
    channel = _channel(errors="0.01")
    flips = channel.flips(1_000_000, 5)
    assert flips.size == pytest.approx(10_000, abs=4 * np.sqrt(9900))
    assert (np.diff(flips) > 0).all()
    sent = Codes(10, packets=(bytes(3),) * 4000, packet_bits=20, side_info=b"s", header=b"h")
    arrived, hit = damaged(sent, channel, 5)
    bits = np.unpackbits(np.frombuffer(b"".join(arrived.packets), np.uint8)).reshape(-1, 24)
    np.testing.assert_array_equal(np.flatnonzero(bits[:, :20]), channel.flips(80_000, 5))
    assert not bits[:, 20:].any()
    np.testing.assert_array_equal(hit, bits.any(axis=1))
    assert replace(arrived, packets=()) == replace(sent, packets=())


def test_tokens_are_hit_in_their_bits_and_stay_in_their_codebooks() -> None:
    generator, sizes = np.random.default_rng(0), (1000, 4)
    streams = tuple(generator.integers(0, size, 20_000, np.int32) for size in sizes)
    channel = _channel(errors="0.02")
    arrived, _ = damaged(Codes(10, streams, sizes), channel, 1)
    for sent, found, size, width in zip(streams, arrived.streams, sizes, (10, 2), strict=True):
        assert found.dtype == sent.dtype
        assert 0 <= found.min() <= found.max() < size
        share = 1 - 0.98**width
        changed = np.mean(found != sent)
        assert changed == pytest.approx(share, abs=4 * np.sqrt(share * (1 - share) / sent.size))
    # Of 1000 entries 24 indices of 10 bits are none: what was there before stands in.
    gone = arrived.streams[0] != streams[0]
    assert (arrived.streams[0][1:] == arrived.streams[0][:-1])[gone[1:]].any()
    for codes in (Codes(10, streams[:1], (0,)), Codes(10)):
        with pytest.raises(CodecError, match="no bit can be flipped"):
            damaged(codes, channel, 1)


def test_a_lost_frame_takes_its_tokens_of_every_stream() -> None:
    stream = np.array([5, 6, 7, 8], np.int32)
    assert repeated(stream, np.array([True, False, True, True])).tolist() == [0, 6, 6, 6]
    codes = Codes(8, (np.array([1, 2, 3]), np.arange(10, 16), np.arange(20, 32)), (4, 16, 32))
    left = without_frames(codes, np.array([False, True, False]))
    assert [one.tolist() for one in left.streams] == [
        [1, 1, 3],
        [10, 11, 11, 11, 14, 15],
        [20, 21, 22, 23, 23, 23, 23, 23, 28, 29, 30, 31],
    ]


def test_a_channel_is_read_from_options_and_written_as_such() -> None:
    said = {"packet_loss": Decimal("0.050"), "burst": Decimal(2), "bit_errors": Decimal("1e-3")}
    channel = Channel.of(said)
    assert channel is not None
    assert channel.options == "@packet_loss=0.05@bit_errors=0.001"
    assert channel.words == "5 % loss, bit errors 0.001"
    assert Channel.of({"k": Decimal(2)}) is None
    wrong = {
        "packet_loss=5: .*; for 5 % give 0.05": {"packet_loss": Decimal(5)},
        "packet_loss=1: is no share": {"packet_loss": Decimal(1)},
        "packet_loss=0 is no loss": {"packet_loss": Decimal(0)},
        "bit_errors=0.6: is no share from 0 to 0.5": {"bit_errors": Decimal("0.6")},
        "burst=0.5: give a number from 1": {"packet_loss": Decimal("0.1"), "burst": Decimal("0.5")},
        "@packet_ms is of losses": {"packet_ms": Decimal(60), "bit_errors": Decimal("0.1")},
    }
    for words, options in wrong.items():
        with pytest.raises(UsageError, match=words):
            Channel.of(options)
