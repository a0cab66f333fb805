"""A bit stream's file as packets that count and a header that does not, and back, to the byte.

``file``: all of it is one packet. ``declared``: the same, of which so many bits count. ``ogg``: the
packets of one logical stream (RFC 3533) after those on its first pages of granule position 0, which
hold set-up data and tags; the header holds these and the head of each page. A stream's serial
number, which programs draw at random, is made 0. ``g192``: the frames of ITU-T G.192, whose bits
take 16 bits each there; the header holds their lengths.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from snac_eval.codecs import opus
from snac_eval.codecs.command.options import Counted

if TYPE_CHECKING:
    from snac_eval.codecs.losses import BoolArray

_PAGE = struct.Struct("<4s2BqIIIB")
_SERIAL, _CHECKSUM = slice(14, 18), slice(22, 26)
_COUNT = struct.Struct("<I")
_GOOD, _BAD, _ZERO, _ONE = 0x6B21, 0x6B20, 0x007F, 0x0081
# In our header: no frame of any codec is as long.
_LOST = 0x8000
_TURNED = bytes(int(f"{value:08b}"[::-1], 2) for value in range(256))


class Malformed(ValueError):  # noqa: N818 - a finding, told by who reads it
    """A bit stream is not what its card says; the message says why."""


@dataclass(frozen=True, slots=True)
class Taken:
    """A bit stream taken apart."""

    packets: tuple[bytes, ...]
    header: bytes = b""
    packet_bits: int = 0


def taken_apart(kind: Counted, content: bytes, declared_bits: int) -> Taken:
    """Packets and header of a file's content. Raises Malformed."""
    if kind == "ogg":
        return _ogg(content)
    if kind == "g192":
        return _g192(content)
    if declared_bits > 8 * len(content):
        raise Malformed(
            f"holds {8 * len(content)} bits, fewer than the {declared_bits} that the card declares;"
            " leave bits = 'declared' out"
        )
    return Taken((content,), packet_bits=declared_bits)


def put_together(kind: Counted, packets: Sequence[bytes], header: bytes) -> bytes:
    """The file's content again. Raises Malformed where the packets are not of this header."""
    make: Callable[[Sequence[bytes], bytes], bytes] = {"ogg": _to_ogg, "g192": _to_g192}.get(
        kind, _to_file
    )
    try:
        return make(packets, header)
    except (struct.error, IndexError, ValueError) as error:
        raise Malformed(str(error)) from error


CONCEALED: dict[Counted, str] = {
    "ogg": "in place of an Opus packet that is lost, or at which the decoder stops, it gets one"
    " without data, which it conceals",
    "g192": "lost frames are marked as bad (0x6B20), which the decoder conceals",
}
"""Kinds of whose packets the decoder can be told that they are lost, and how."""


def with_losses(
    kind: Counted, packets: Sequence[bytes], header: bytes, lost: BoolArray
) -> tuple[tuple[bytes, ...], bytes]:
    """Packets and header of what arrives. Raises Malformed for Ogg that is not Opus."""
    if kind == "g192":
        lengths = np.frombuffer(header, "<u2")
        return tuple(packets), np.where(lost, lengths | _LOST, lengths).astype("<u2").tobytes()
    if b"OpusHead" not in header:
        raise Malformed("is Ogg of another codec than Opus, whose lost packets cannot be marked")
    # A damaged first byte says another length: the decoder would lose its place in time.
    length = opus.num_samples(packets)
    arrived, last = [], packets[0]
    for packet, is_lost in zip(packets, lost, strict=True):
        came = not is_lost and opus.num_samples([packet]) == length
        last = packet if came else last
        arrived.append(packet if came else opus.without_data(last, len(packet)))
    return tuple(arrived), header


def _to_file(packets: Sequence[bytes], header: bytes) -> bytes:
    if len(packets) != 1 or header:
        raise Malformed("not one packet")
    return packets[0]


# Ogg: a page is a head, a table of lengths up to 255, and as many bytes as these add up to.


def _ogg(content: bytes) -> Taken:
    pages = list(_pages(content))
    if len({head[_SERIAL] for head, _ in pages}) != 1:
        raise Malformed("holds several Ogg streams; count it with bits = 'file'")
    packets: list[bytearray] = [bytearray()]
    num_setup, is_setup = 0, True
    for head, body in pages:
        # -1: no packet ends here, as in the middle of tags that hold a picture.
        is_setup = is_setup and _position(head) in (0, -1)
        start = 0
        for size in head[_PAGE.size :]:
            packets[-1] += body[start : start + size]
            start += size
            if size < 255:
                packets.append(bytearray())
        num_setup = len(packets) - 1 if is_setup else num_setup
    if packets.pop():
        raise Malformed("is Ogg whose last packet has no end")
    setup, sent = packets[:num_setup], packets[num_setup:]
    if not sent:
        raise Malformed("is Ogg without a packet of audio")
    heads = b"".join(_without_stamps(head) for head, _ in pages)
    lengths = b"".join(_COUNT.pack(len(one)) + bytes(one) for one in setup)
    header = _COUNT.pack(len(pages)) + _COUNT.pack(len(setup)) + lengths + heads
    return Taken(tuple(map(bytes, sent)), header)


def _pages(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Head with its table, and body, of each page."""
    place = 0
    while place < len(content):
        head, size = _head_at(content, place)
        if not head or place + len(head) + size > len(content):
            raise Malformed(f"is no whole Ogg file: no page at byte {place} of {len(content)}")
        yield head, content[place + len(head) : place + len(head) + size]
        place += len(head) + size
    if not place:
        raise Malformed("is no Ogg file")


def _head_at(content: bytes, place: int) -> tuple[bytes, int]:
    """A page's head with its table, and how long its body is; empty where there is none."""
    start = content[place : place + _PAGE.size]
    if len(start) < _PAGE.size or start[:5] != b"OggS\0":
        return b"", 0
    table = content[place + _PAGE.size : place + _PAGE.size + start[-1]]
    return start + table, sum(table)


def _position(head: bytes) -> int:
    return int(_PAGE.unpack_from(head)[3])


def _without_stamps(head: bytes) -> bytes:
    blank = bytearray(head)
    blank[_SERIAL] = blank[_CHECKSUM] = bytes(4)
    return bytes(blank)


def _to_ogg(packets: Sequence[bytes], header: bytes) -> bytes:
    (num_pages,), (num_setup,) = _COUNT.unpack_from(header), _COUNT.unpack_from(header, 4)
    place, everything = 8, bytearray()
    for _ in range(num_setup):
        (size,) = _COUNT.unpack_from(header, place)
        everything += header[place + 4 : place + 4 + size]
        place += 4 + size
    everything += b"".join(packets)
    made, start = bytearray(), 0
    for _ in range(num_pages):
        head, size = _head_at(header, place)
        if not head or start + size > len(everything):
            raise Malformed("not as many bytes as its pages hold")
        page = bytearray(head + everything[start : start + size])
        page[_CHECKSUM] = _checksum(page)
        made += page
        place, start = place + len(head), start + size
    if place != len(header) or start != len(everything):
        raise Malformed("not as many bytes as its pages hold")
    return bytes(made)


def _checksum(page: bytes | bytearray) -> bytes:
    """RFC 3533's CRC-32: zlib's with the bits the other way round, from 0 and not inverted."""
    turned = zlib.crc32(page.translate(_TURNED), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return turned.to_bytes(4, "big").translate(_TURNED)


# G.192: a word that begins a frame, its length in bits, and a word for each bit.


def _g192(content: bytes) -> Taken:
    words = np.frombuffer(content[: len(content) // 2 * 2], "<u2")
    packets, lengths, place = [], [], 0
    while place < len(words):
        size = int(words[place + 1]) if place + 1 < len(words) else 0
        bits = words[place + 2 : place + 2 + size]
        if (
            words[place] != _GOOD
            or not len(bits) == size < _LOST
            or not np.isin(bits, (_ZERO, _ONE)).all()
        ):
            raise Malformed(f"is no G.192 file: no frame of bits at word {place}")
        packets.append(np.packbits(bits == _ONE).tobytes())
        lengths.append(size)
        place += 2 + size
    if not packets or len(content) % 2:
        raise Malformed("is no G.192 file: it holds no whole frames")
    # Where frames differ, each counts as whole bytes.
    packet_bits = lengths[0] if len(set(lengths)) == 1 else 0
    return Taken(tuple(packets), np.array(lengths, "<u2").tobytes(), packet_bits)


def _to_g192(packets: Sequence[bytes], header: bytes) -> bytes:
    parts = []
    for packet, kept in zip(packets, np.frombuffer(header, "<u2").tolist(), strict=True):
        size, begin = kept & ~_LOST, _BAD if kept & _LOST else _GOOD
        bits = np.unpackbits(np.frombuffer(packet, np.uint8))[:size]
        if len(bits) < size:
            raise Malformed("a packet is too short")
        parts.append(np.array([begin, size], "<u2").tobytes())
        parts.append(np.where(bits, _ONE, _ZERO).astype("<u2").tobytes())
    return b"".join(parts)
