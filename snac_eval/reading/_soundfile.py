"""libsndfile: files whose length their size proves (PCM and the like), and plain Ogg streams.

It believes the headers of FLAC and MP3, and its MP3 decoder writes to the terminal: PyAV has those.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from io import FileIO
from typing import TYPE_CHECKING, Any

from snac_eval.reading import _ogg
from snac_eval.reading.source import BLOCK, LESS, NO_END, Source, UnknownFormat

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_FIXED_SIZE = re.compile(
    r"PCM_\w+|FLOAT|DOUBLE|[UA]LAW|\w*ADPCM\w*|GSM610|G72\w+|DPCM_\w+|VORBIS|OPUS"
)
_UNRECOGNISED = 1
_WRITTEN_TO_A_PIPE = 0x7FFFF000
"""From here on a size stands for an unknown one: sox and ffmpeg write such sizes."""


@contextmanager
def opened(file: FileIO, start_s: float = 0.0) -> Iterator[Source]:
    """The file from ``start_s`` on.

    Raises UnknownFormat where PyAV must read it, ValueError or LibsndfileError where it is
    damaged.
    """
    import soundfile

    file.seek(0)
    if file.read(4) == b"OggS" and _ogg.num_streams(file) != 1:
        raise UnknownFormat("several streams in one Ogg file")
    file.seek(0)
    try:
        # By its number: a path would be taken for text, and a file ._NAME beside it for a part.
        sound = soundfile.SoundFile(file.fileno(), closefd=False)
    except soundfile.LibsndfileError as error:
        if error.code == _UNRECOGNISED:
            raise UnknownFormat(error.error_string) from error
        raise ValueError(error.error_string) from error
    with sound:
        if not _FIXED_SIZE.fullmatch(sound.subtype):
            raise UnknownFormat(f"{sound.format} with {sound.subtype}")
        if sound.frames == 0 and _size_is_unknown(file):
            raise UnknownFormat("the header gives no length")
        sound.seek(min(round(start_s * sound.samplerate), sound.frames))
        yield Source(
            int(sound.samplerate),
            int(sound.channels),
            _blocks(sound),
            None if sound.format == "OGG" else int(sound.frames),
            str(sound.subtype),
            _remarks(sound, file),
        )


def _blocks(sound: Any) -> Iterator[NDArray[np.float32]]:  # noqa: ANN401 - SoundFile is untyped
    for block in sound.blocks(BLOCK, dtype="float32", always_2d=True):
        yield block.T


def _remarks(sound: Any, file: FileIO) -> list[str]:  # noqa: ANN401 - SoundFile is untyped
    sizes = re.search(r"^\s*data : (\d+) \(should be (\d+)\)", sound.extra_info, re.MULTILINE)
    if sizes and int(sizes[2]) < int(sizes[1]) < _WRITTEN_TO_A_PIPE:
        return [LESS]
    return [NO_END] if sound.format == "OGG" and not _ogg.ends(file) else []


def _size_is_unknown(file: FileIO) -> bool:
    """Whether a RIFF file does not know its own size: it came out of a pipe."""
    file.seek(0, 2)
    size = file.tell()
    file.seek(4)
    return int.from_bytes(file.read(4), "little") != size - 8
