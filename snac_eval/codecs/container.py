"""Codes of one clip as a file: ``docs/files.md`` has the format, byte for byte.

It is a safetensors file with one tensor for each stream, or the packets of a bit-stream codec, and
all that decoding needs in its metadata. Nothing in it is code. A digest covers every byte; it tells
damage and not a forger, so whatever is read is checked as well.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from snac_eval.codecs.checks import check_codes
from snac_eval.errors import CodecError, CodesError, detail, readable
from snac_eval.types import CodecCard, Codes
from snac_eval.writing import jsonable, require_file, write_file

if TYPE_CHECKING:
    from numpy.typing import NDArray

SUFFIX = ".codes"
FORMAT = "snac-eval codes"
VERSION = 1
_FACTS = ("family", "sample_rate", "channels", "codebook_sizes", "frame_rates_hz", "options")
# Only where another rate comes out than goes in.
_RATE_OUT = "output_sample_rate"
_BYTES = ("packets", "side_info", "header")
_NO_DIGEST = "0" * 64
_DIGEST = re.compile(rb'"sha256":"([0-9a-f]{64})"')
_LENGTH = 8
_LONGEST_HEADER = 1 << 24
# What would claim more audio than this for its bits is forged: no codec sends as little.
_FEWEST_BPS, _SPARE_S = 10.0, 60.0
# What taking values out of someone's JSON may raise.
_MALFORMED = (
    *(KeyError, ValueError, TypeError, AttributeError),
    *(OverflowError, RecursionError, MemoryError),
)


@dataclass(frozen=True, slots=True)
class CodedFile:
    """The codes of one clip, by whom they were made and of what."""

    codes: Codes
    model: str
    """The codec's name, as ``--model`` takes it."""
    channels: str
    """``downmix``, or ``each`` where a mono codec coded each channel on its own."""
    card: Mapping[str, Any]
    """What of the codec's card decoding depends on (:func:`card_facts`)."""
    fingerprint: str
    """Of the codec that encoded."""
    weights_sha256: str
    """Digest of its weights; empty for a codec without."""
    sample_rate: int
    """In Hz, of the audio that was encoded."""
    source_sha256: str
    """Of the audio file. The seed of what a decoder draws depends on it, as in a run."""
    source_sample_rate: int
    """In Hz."""
    source_channels: int

    @property
    def duration_s(self) -> float:
        """Length of the audio in seconds."""
        return self.codes.num_samples / self.sample_rate

    @property
    def decoded_rate(self) -> int:
        """In Hz, of what is decoded."""
        return int(self.card.get(_RATE_OUT) or self.sample_rate)

    @property
    def decoded_length(self) -> int:
        """Samples of what is decoded."""
        return -(-self.codes.num_samples * self.decoded_rate // self.sample_rate)


def card_facts(card: CodecCard) -> dict[str, Any]:
    """What of a card decoding depends on, as JSON has it: not its name and not its prose."""
    names = (*_FACTS, _RATE_OUT) if card.output_sample_rate else _FACTS
    facts: dict[str, Any] = json.loads(
        json.dumps(jsonable({name: _plain(getattr(card, name)) for name in names}))
    )
    return facts


def write_codes(path: Path, coded: CodedFile) -> None:
    """Write the file whole or not at all. Raises OutputError where that fails."""
    content = packed(coded)
    write_file(path, lambda temporary: temporary.write_bytes(content))


def packed(coded: CodedFile) -> bytes:
    """The file's bytes: the same for the same codes."""
    from safetensors.numpy import save

    header, data = _split(save(_tensors(coded.codes), _metadata(coded)))
    # The library writes the metadata in another order each time.
    text = json.dumps(header, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode()
    text += b" " * (-len(text) % _LENGTH)
    content = len(text).to_bytes(_LENGTH, "little") + text + data
    digest = hashlib.sha256(content).hexdigest().encode()
    return content.replace(_written(_NO_DIGEST.encode()), _written(digest), 1)


def read_codes(path: Path) -> CodedFile:
    """The file's content. Raises CodesError for a file that is none, that was altered or cut, or
    that a newer version wrote, with one line that names it."""
    try:
        require_file(path)
        content = path.read_bytes()
    except OSError as error:
        raise CodesError(f"{readable(path)}: cannot be read: {error.strerror}") from error
    try:
        return unpacked(content)
    except CodesError as error:
        raise CodesError(f"{readable(path)}: {error}") from error


def unpacked(content: bytes) -> CodedFile:
    """What :func:`packed` packed. Raises CodesError as :func:`read_codes` does, without a name."""
    metadata = _known_metadata(content)
    _check_digest(content)
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        coded = _coded(metadata, load(content))
        check_codes(_card(metadata), coded.codes, coded.codes.num_samples)
    except (SafetensorError, CodecError, *_MALFORMED) as error:
        raise CodesError(f"holds no valid codes ({detail(error)}); encode again") from error
    longest_s = coded.codes.num_bits / _FEWEST_BPS + _SPARE_S
    if coded.duration_s > longest_s:
        raise CodesError(
            f"claims {coded.duration_s:.0f} s of audio, more than {coded.codes.num_bits:.0f} bits"
            " can hold; encode again"
        )
    return coded


def _tensors(codes: Codes) -> dict[str, NDArray[Any]]:
    tensors: dict[str, NDArray[Any]] = {
        f"stream_{index}": np.ascontiguousarray(stream, dtype=_smallest(size))
        for index, (stream, size) in enumerate(
            zip(codes.streams, codes.codebook_sizes, strict=True)
        )
    }
    whole = {
        "packets": b"".join(codes.packets),
        "side_info": codes.side_info,
        "header": codes.header,
    }
    tensors |= {name: np.frombuffer(data, np.uint8) for name, data in whole.items() if data}
    if codes.packets:
        lengths = [len(packet) for packet in codes.packets]
        tensors["packet_lengths"] = np.array(lengths, dtype=np.uint32)
    return tensors


def _smallest(codebook_size: int) -> type[np.unsignedinteger[Any]]:
    """The smallest type that holds every index of such a codebook."""
    if codebook_size <= 1 << 8:
        return np.uint8
    return np.uint16 if codebook_size <= 1 << 16 else np.uint32


def _metadata(coded: CodedFile) -> dict[str, str]:
    codes = coded.codes
    return {
        "format": FORMAT,
        "format_version": str(VERSION),
        "codec": readable(coded.model),
        "channels": coded.channels,
        "card": json.dumps(coded.card, sort_keys=True),
        "fingerprint": coded.fingerprint,
        "weights_sha256": coded.weights_sha256,
        "sample_rate": str(coded.sample_rate),
        "num_samples": str(codes.num_samples),
        "codebook_sizes": json.dumps(list(codes.codebook_sizes)),
        "packet_bits": str(codes.packet_bits),
        "num_bits": repr(codes.num_bits),
        "source_sha256": coded.source_sha256,
        "source_sample_rate": str(coded.source_sample_rate),
        "source_channels": str(coded.source_channels),
        **({"continuous": "true"} if codes.is_continuous else {}),
        "sha256": _NO_DIGEST,
    }


def _written(digest: bytes) -> bytes:
    return b'"sha256":"' + digest + b'"'


def _split(content: bytes) -> tuple[Any, bytes]:
    end = _LENGTH + int.from_bytes(content[:_LENGTH], "little")
    return json.loads(content[_LENGTH:end]), content[end:]


def _known_metadata(content: bytes) -> Mapping[str, str]:
    """The metadata of a file of this format and of a version that can be read."""
    size = int.from_bytes(content[:_LENGTH], "little")
    metadata: Any = None
    if len(content) > _LENGTH and size <= min(len(content), _LONGEST_HEADER):
        try:
            header, _ = _split(content)
            metadata = header["__metadata__"]
        except (ValueError, KeyError, TypeError, RecursionError):
            pass
    if not isinstance(metadata, dict) or metadata.get("format") != FORMAT:
        raise CodesError("is no file of codes, or is damaged; snac-eval encode writes them")
    version = str(metadata.get("format_version"))
    if version != str(VERSION):
        raise CodesError(
            f"is of format version {version[:20]}, and this snac-eval reads {VERSION}; update it"
        )
    return metadata


def _check_digest(content: bytes) -> None:
    end = _LENGTH + int.from_bytes(content[:_LENGTH], "little")
    found = _DIGEST.findall(content[:end])
    if len(found) == 1:
        blank = content.replace(_written(found[0]), _written(_NO_DIGEST.encode()), 1)
        if hashlib.sha256(blank).hexdigest().encode() == found[0]:
            return
    raise CodesError("was altered or cut since it was written (its digest differs); encode again")


def _coded(metadata: Mapping[str, str], tensors: Mapping[str, NDArray[Any]]) -> CodedFile:
    return CodedFile(
        codes=_codes(metadata, dict(tensors)),
        model=metadata["codec"],
        channels=metadata["channels"],
        card=json.loads(metadata["card"]),
        fingerprint=metadata["fingerprint"],
        weights_sha256=metadata["weights_sha256"],
        sample_rate=_count(metadata, "sample_rate"),
        source_sha256=metadata["source_sha256"],
        source_sample_rate=_count(metadata, "source_sample_rate"),
        source_channels=_count(metadata, "source_channels"),
    )


def _codes(metadata: Mapping[str, str], tensors: dict[str, NDArray[Any]]) -> Codes:
    sizes = tuple(map(int, json.loads(metadata["codebook_sizes"])))
    streams = [tensors.pop(f"stream_{index}") for index in range(len(sizes))]
    if any(one.ndim != 1 or one.dtype.kind != "u" for one in streams):
        raise ValueError("a stream is no list of indices")
    if not all(1 < size <= 1 << 31 for size in sizes):
        raise ValueError(f"codebooks of {sizes}")
    _check_ranges(streams, sizes)
    lengths = tensors.pop("packet_lengths", np.zeros(0, np.uint32)).astype(np.int64)
    whole = {name: tensors.pop(name, np.zeros(0, np.uint8)).tobytes() for name in _BYTES}
    if int(lengths.sum()) != len(whole["packets"]) or tensors:
        raise ValueError("its tensors do not fit one another")
    ends = np.cumsum(lengths).tolist()
    starts = [0, *ends[:-1]]
    return Codes(
        num_samples=_count(metadata, "num_samples"),
        streams=tuple(stream.astype(np.int32) for stream in streams),
        codebook_sizes=sizes,
        packets=tuple(whole["packets"][a:b] for a, b in zip(starts, ends, strict=False)),
        packet_bits=int(metadata["packet_bits"]),
        side_info=whole["side_info"],
        header=whole["header"],
        is_continuous=metadata.get("continuous") == "true",
    )


def _check_ranges(streams: list[NDArray[Any]], sizes: tuple[int, ...]) -> None:
    """Before they become signed, which would wrap what is too large round."""
    for index, (stream, size) in enumerate(zip(streams, sizes, strict=True)):
        if stream.size and int(stream.max()) >= size:
            raise ValueError(f"stream {index} holds {stream.max()}, outside 0..{size - 1}")


def _count(metadata: Mapping[str, str], name: str) -> int:
    value = int(metadata[name])
    if not 0 < value < 1 << 53:
        raise ValueError(f"{name} is {value}")
    return value


def _card(metadata: Mapping[str, str]) -> CodecCard:
    """A card for :func:`check_codes`: any codebooks, under the codec's name."""
    return CodecCard(metadata["codec"], "", "", 0)


def _plain(value: object) -> object:
    return dict(value) if isinstance(value, Mapping) else value
