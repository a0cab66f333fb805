"""Bit streams are taken apart and come together again, to the byte."""

from __future__ import annotations

import io
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from snac_eval.codecs.command.bitstreams import (
    Malformed,
    put_together,
    taken_apart,
    with_losses,
)
from snac_eval.codecs.opus import without_data
from tests.conftest import tone


def ogg(codec: str, seconds: float, **options: Any) -> tuple[bytes, list[bytes]]:  # noqa: ANN401
    """A file as FFmpeg writes it, and the packets that it was given."""
    av = pytest.importorskip("av")
    file, packets = io.BytesIO(), []
    with av.open(file, "w", format="ogg", options=options) as container:
        stream = container.add_stream(codec, rate=48000, layout="mono")
        for start in range(0, round(48000 * seconds), 960):
            samples = 0.5 * np.repeat(tone(0.02, seed=start), 3)[None]
            frame = av.AudioFrame.from_ndarray(samples.astype(np.float32), "flt", "mono")
            frame.sample_rate, frame.pts, frame.time_base = 48000, start, Fraction(1, 48000)
            packets += stream.encode(frame)
        packets += stream.encode(None)
        for packet in packets:
            container.mux(packet)
        sent = [bytes(packet) for packet in packets]
    return file.getvalue(), sent


@pytest.mark.parametrize("page_ms", ["20000", "1000000"])
def test_packets_of_ogg_are_those_that_the_encoder_made(page_ms: str) -> None:
    content, sent = ogg("libopus", 1.5, fflags="+bitexact", page_duration=page_ms)
    taken = taken_apart("ogg", content, 0)
    assert list(taken.packets) == sent
    assert put_together("ogg", taken.packets, taken.header) == content


def test_a_serial_number_drawn_at_random_is_no_code() -> None:
    one, other = (ogg("libopus", 0.1)[0] for _ in range(2))
    assert one != other
    assert taken_apart("ogg", one, 0) == taken_apart("ogg", other, 0)


def test_a_packet_may_span_pages() -> None:
    content, sent = ogg("libopus", 0.1, fflags="+bitexact")
    taken = taken_apart("ogg", content, 0)
    # The first packet's page, cut in two: a table of 255 and one of the rest.
    long = bytes(300)
    setup = taken.header[: taken.header.index(b"OggS")]
    head = taken.header[taken.header.rindex(b"OggS") :][:26]
    pages = taken.header[len(setup) : taken.header.rindex(b"OggS")]
    spanning = head + b"\x01\xff" + head + b"\x01\x2d"
    num_pages = int.from_bytes(setup[:4], "little") + 1
    header = num_pages.to_bytes(4, "little") + setup[4:] + pages + spanning
    whole = put_together("ogg", [long], header)
    assert taken_apart("ogg", whole, 0).packets == (long,)
    assert len(sent) > 1


def test_bits_of_g192_are_counted_and_come_back() -> None:
    bits = np.random.default_rng(0).integers(0, 2, (3, 253))
    words = [[0x6B21, 253, *np.where(frame, 0x81, 0x7F)] for frame in bits]
    content = np.array(words, "<u2").tobytes()
    taken = taken_apart("g192", content, 0)
    assert (len(taken.packets), taken.packet_bits) == (3, 253)
    assert put_together("g192", taken.packets, taken.header) == content
    varied = content + np.array([0x6B21, 0], "<u2").tobytes()
    taken = taken_apart("g192", varied, 0)
    assert (taken.packet_bits, taken.packets[-1]) == (0, b"")
    assert put_together("g192", taken.packets, taken.header) == varied


def test_a_lost_frame_is_marked_in_g192() -> None:
    content = np.array([0x6B21, 2, 0x81, 0x7F] * 2, "<u2").tobytes()
    taken = taken_apart("g192", content, 0)
    arrived = with_losses("g192", taken.packets, taken.header, np.array([False, True]))
    assert put_together("g192", *arrived) == content[:8] + b"\x20" + content[9:]


def test_a_lost_opus_packet_is_one_without_data_of_its_size() -> None:
    import av

    taken = taken_apart("ogg", ogg("libopus", 0.2)[0], 0)
    lost = np.arange(len(taken.packets)) % 3 == 1
    packets, header = with_losses("ogg", taken.packets, taken.header, lost)
    assert list(map(len, packets)) == list(map(len, taken.packets))
    heard = []
    for some in (taken.packets, packets):
        with av.open(io.BytesIO(put_together("ogg", some, header))) as container:
            frames = [frame.to_ndarray() for frame in container.decode(audio=0)]
        heard.append(np.concatenate(frames, axis=1))
    assert heard[0].shape == heard[1].shape
    assert 0.01 < np.abs(heard[1] - heard[0]).max() < 1
    for size in (1, 2, 3, 30, 257, 258, 513):
        assert len(without_data(taken.packets[0], size)) == size
    with pytest.raises(Malformed, match="another codec than Opus"):
        with_losses("ogg", packets, header.replace(b"OpusHead", b"OtherOne"), lost)


@pytest.mark.parametrize(
    ("kind", "content", "words"),
    [
        ("ogg", b"", "is no Ogg file"),
        ("ogg", b"OggS is not enough", "no page at byte 0 of 18"),
        ("g192", b"\x21\x6b\x02\x00\x7f\x00", "no frame of bits at word 0"),
        ("g192", b"\x21", "no whole frames"),
    ],
)
def test_what_is_no_such_file_is_refused(kind: Any, content: bytes, words: str) -> None:  # noqa: ANN401
    with pytest.raises(Malformed, match=words):
        taken_apart(kind, content, 0)


def test_packets_of_another_header_are_refused() -> None:
    taken = taken_apart("ogg", ogg("libopus", 0.1)[0], 0)
    with pytest.raises(Malformed, match="not as many bytes"):
        put_together("ogg", taken.packets[1:], taken.header)
    with pytest.raises(Malformed):
        put_together("file", taken.packets, b"")
    both = ogg("libopus", 0.1)[0] * 2
    assert len(taken_apart("ogg", both, 0).packets) > len(taken.packets)
    with pytest.raises(Malformed, match="several Ogg streams"):
        taken_apart("ogg", ogg("libopus", 0.1)[0] + ogg("libopus", 0.1)[0], 0)
