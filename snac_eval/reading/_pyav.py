"""PyAV (FFmpeg's libraries): everything compressed, and what libsndfile does not know.

Only demuxers of audio are allowed, and no protocol: a file cannot name another one to be read.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from io import FileIO
from typing import TYPE_CHECKING, Any

from snac_eval.reading import _ogg
from snac_eval.reading.source import DAMAGED, LESS, MORE, NO_END, Source, UnknownFormat

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_FORMATS = (
    "aac,ac3,aiff,amr,ape,asf,au,avi,caf,eac3,flac,matroska,mov,mp3,mpc,mpc8,mpegts,nistsphere,"
    "ogg,tta,voc,w64,wav,wv"
)
_TOLERANCE_S = 0.1
"""A container's length is that of its packets: the encoder's delay and padding come on top."""


@contextmanager
def opened(file: FileIO, start_s: float = 0.0) -> Iterator[Source]:
    """The file from ``start_s`` on. All before it is decoded too: few formats can be entered at an
    exact sample.

    Raises UnknownFormat without audio in it, FFmpegError or ValueError where it is damaged.
    """
    import av

    file.seek(0)
    options = {"format_whitelist": _FORMATS, "protocol_whitelist": "none"}
    try:
        container = av.open(_Seekable(file), metadata_errors="replace", options=options)
    except (av.error.InvalidDataError, av.error.ArgumentError) as error:
        raise UnknownFormat("no known format of audio") from error
    with container:
        if not container.streams.audio:
            raise UnknownFormat("no audio in it")
        stream = container.streams.audio[0]
        coding = str(stream.codec_context.name)
        ogg = container.format.name == "ogg"
        remarks = [NO_END] if ogg and not _ogg.ends(file) else []
        blocks = _blocks(container, _promised_s(container, file), remarks)
        first = next(blocks, None)
        if first is None:
            channels = int(stream.channels or 0)
            yield Source(int(stream.rate or 0), channels, iter(()), 0, coding, remarks)
            return
        rate, samples = first
        same = _of_one_kind(blocks, rate, samples)
        left = _without_start(same, round(start_s * rate))
        yield Source(rate, int(samples.shape[0]), left, None, coding, remarks)


class _Seekable:
    """A file in which PyAV seeks: to ask for a place that cannot be is no exception."""

    def __init__(self, file: FileIO) -> None:
        self.read = file.read
        self.tell = file.tell
        self._seek = file.seek

    def seek(self, offset: int, whence: int = 0) -> int:
        """The new place, or -1."""
        try:
            return self._seek(offset, whence)
        except OSError:
            return -1


def _without_start(
    blocks: Iterator[NDArray[np.float32]], skipped: int
) -> Iterator[NDArray[np.float32]]:
    for samples in blocks:
        if skipped < samples.shape[1]:
            yield samples[:, skipped:]
        skipped = max(0, skipped - samples.shape[1])


def _of_one_kind(
    blocks: Iterator[tuple[int, NDArray[np.float32]]], rate: int, first: NDArray[np.float32]
) -> Iterator[NDArray[np.float32]]:
    yield first
    for other_rate, samples in blocks:
        if (other_rate, len(samples)) != (rate, len(first)):
            raise ValueError(
                f"changes in the middle from {rate} Hz and {len(first)} channels"
                f" to {other_rate} Hz and {len(samples)}"
            )
        yield samples


def _blocks(
    container: Any,  # noqa: ANN401 - PyAV's types are loose
    promised_s: float | None,
    remarks: list[str],
) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """Rate and samples of each frame; what is odd goes into ``remarks`` at the end."""
    from av.audio.resampler import AudioResampler

    seconds, damaged = 0.0, False
    to_float = AudioResampler(format="fltp")
    for frames in _frames(container):
        damaged = damaged or frames is None
        for frame in frames or ():
            seconds += frame.samples / frame.sample_rate
            for one in [frame] if frame.format.name == "fltp" else to_float.resample(frame):
                samples: NDArray[np.float32] = one.to_ndarray()  # type: ignore[assignment]
                yield int(one.sample_rate), samples
    if damaged:
        remarks.append(DAMAGED)
    if promised_s is not None and abs(promised_s - seconds) > _TOLERANCE_S:
        remarks.append(LESS if seconds < promised_s else MORE)


def _frames(container: Any) -> Iterator[Any]:  # noqa: ANN401 - PyAV's types are loose
    """The frames of each packet; None for a packet that cannot be decoded, which is passed over."""
    import av

    packets = container.demux(container.streams.audio[0])
    while True:
        try:
            packet = next(packets, None)
        except (av.error.InvalidDataError, av.error.EOFError):
            packet, damaged = None, True
        else:
            damaged = False
        if packet is None:
            if damaged:
                yield None
            return
        try:
            yield packet.decode()
        except (av.error.InvalidDataError, av.error.EOFError):
            yield None


def _promised_s(container: Any, file: FileIO) -> float | None:  # noqa: ANN401
    """The length that the header promises in seconds; None where it is a guess or not given."""
    stream, name = container.streams.audio[0], container.format.name
    if stream.duration is None or not any(name.startswith(one) for one in ("flac", "mp3", "mov")):
        return None
    if name == "mp3" and not _counts_frames(file):
        return None
    return float(stream.duration * stream.time_base)


def _counts_frames(file: FileIO) -> bool:
    """Whether the first frame of an MP3 says how many there are: else its length is a guess."""
    here = file.tell()
    file.seek(0)
    head = file.read(10)
    tag = 0
    if head[:3] == b"ID3":
        tag = 10 + sum(byte << 7 * place for place, byte in enumerate(reversed(head[6:10])))
    file.seek(tag)
    frame = file.read(256)
    file.seek(here)
    return any(name in frame for name in (b"Xing", b"Info", b"VBRI"))
