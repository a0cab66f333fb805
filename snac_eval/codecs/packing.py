"""Codes as bytes and back: what the store keeps of a reconstruction."""

from __future__ import annotations

import io
import zipfile
from typing import Any

import numpy as np

from snac_eval.errors import CodecError, detail
from snac_eval.types import Codes


def pack(codes: Codes) -> bytes:
    """The codes as a compressed NumPy archive."""
    arrays: dict[str, Any] = {f"stream_{i}": stream for i, stream in enumerate(codes.streams)}
    buffer = io.BytesIO()
    np.savez_compressed(
        buffer,
        num_samples=np.int64(codes.num_samples),
        codebook_sizes=np.array(codes.codebook_sizes, dtype=np.int64),
        packet_lengths=np.array([len(packet) for packet in codes.packets], dtype=np.int64),
        packets=np.frombuffer(b"".join(codes.packets), dtype=np.uint8),
        packet_bits=np.int64(codes.packet_bits),
        side_info=np.frombuffer(codes.side_info, dtype=np.uint8),
        header=np.frombuffer(codes.header, dtype=np.uint8),
        is_continuous=np.bool_(codes.is_continuous),
        **arrays,
    )
    return buffer.getvalue()


def unpack(blob: bytes) -> Codes:
    """The codes that :func:`pack` packed. Raises CodecError for bytes that hold none."""
    try:
        with np.load(io.BytesIO(blob), allow_pickle=False) as data:
            sizes = tuple(int(size) for size in data["codebook_sizes"])
            ends = np.cumsum(data["packet_lengths"])
            payload = data["packets"].tobytes()
            starts = [0, *ends[:-1]]
            return Codes(
                num_samples=int(data["num_samples"]),
                streams=tuple(data[f"stream_{i}"] for i in range(len(sizes))),
                codebook_sizes=sizes,
                packets=tuple(payload[a:b] for a, b in zip(starts, ends, strict=False)),
                packet_bits=int(data["packet_bits"]),
                side_info=data["side_info"].tobytes(),
                header=data["header"].tobytes(),
                # Codes that an older version stored do not say.
                is_continuous=bool(data["is_continuous"]) if "is_continuous" in data else False,
            )
    except (ValueError, KeyError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise CodecError(f"no codes ({detail(error)})") from error
