"""Audio files that say one thing and hold another, each of one second of :func:`talk`."""

from __future__ import annotations

import io
import struct
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import soundfile
from numpy.typing import NDArray

from tests.conftest import tone


def encoded(kind: str, subtype: str, samples: NDArray[np.float32], rate: int = 16000) -> bytes:
    """A file as libsndfile writes it."""
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, rate, format=kind, subtype=subtype)
    return buffer.getvalue()


def wav(data_size: int | None = None, riff_size: int | None = None, tag: bytes = b"RIFF") -> bytes:
    """16-bit mono WAV of one second whose header gives these sizes instead of the true ones."""
    data = (tone(1.0) * 32767).astype("<i2").tobytes()
    head = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, 16000, 32000, 2, 16)
    head += b"data" + struct.pack("<I", len(data) if data_size is None else data_size)
    if tag != b"RIFF":
        head = struct.pack("<4sIQQQI", b"ds64", 28, 72 + len(data), len(data), 16000, 0) + head
    size = 4 + len(head) + len(data) if riff_size is None else riff_size
    return tag + struct.pack("<I", size) + b"WAVE" + head + data


def flac(total: int) -> bytes:
    """One second of FLAC whose header says that it has ``total`` samples."""
    content = bytearray(encoded("FLAC", "PCM_16", tone(1.0)))
    bits = int.from_bytes(content[18:26], "big") >> 36 << 36
    content[18:26] = (bits | total).to_bytes(8, "big")
    return bytes(content)


def ogg(subtype: str, serial: int, seed: int = 0) -> bytes:
    """One second of Ogg under a serial number of its own, checksums right."""
    content = encoded("OGG", subtype, tone(1.0, seed=seed))
    pages, at = [], 0
    while at < len(content):
        segments = content[at + 26]
        end = at + 27 + segments + sum(content[at + 27 : at + 27 + segments])
        page = bytearray(content[at:end])
        page[14:18] = struct.pack("<I", serial)
        page[22:26] = bytes(4)
        page[22:26] = struct.pack("<I", _crc(page))
        pages.append(bytes(page))
        at = end
    return b"".join(pages)


def mp3(seconds: float = 1.0, counts_frames: bool = True) -> bytes:
    """MP3 at 44.1 kHz with or without the header that counts its frames, without a tag."""
    options = {"id3v2_version": "0", "write_xing": str(int(counts_frames))}
    return compressed("mp3", "libmp3lame", tone(seconds, 44100), 44100, options)


def with_cover(content: bytes, size: int = 200_000) -> bytes:
    """An MP3 under a picture in an ID3 tag."""
    picture = b"\0image/jpeg\0\3\0\xff\xd8\xff\xe0" + bytes(size)
    frame = b"APIC" + struct.pack(">I", len(picture)) + b"\0\0" + picture
    digits = bytes(len(frame) >> shift & 127 for shift in (21, 14, 7, 0))
    return b"ID3\3\0\0" + digits + frame + content


def compressed(
    container: str,
    codec: str,
    samples: NDArray[np.float32],
    rate: int,
    options: dict[str, str] | None = None,
    metadata: dict[str, str] | None = None,
) -> bytes:
    """A file as FFmpeg's libraries write it."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format=container, options=options or {}) as file:
        file.metadata.update(metadata or {})
        stream: Any = file.add_stream(codec, rate=rate)
        stream.layout = "mono"
        frame = av.AudioFrame.from_ndarray(samples[None], format="fltp", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = rate, 0, Fraction(1, rate)
        file.mux([*stream.encode(frame), *stream.encode(None)])
    return buffer.getvalue()


def m4a(seconds: float = 1.0, **more: Any) -> bytes:  # noqa: ANN401
    """AAC in MP4 at 44.1 kHz."""
    return compressed("mp4", "aac", tone(seconds, 44100), 44100, **more)


def put(folder: Path, name: str, content: bytes) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def _crc(page: bytes | bytearray) -> int:
    """Ogg's checksum of a page."""
    crc = 0
    for byte in page:
        crc ^= byte << 24
        for _ in range(8):
            crc = (crc << 1 ^ (0x04C11DB7 if crc & 0x80000000 else 0)) & 0xFFFFFFFF
    return crc
