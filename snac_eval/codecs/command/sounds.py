"""The audio files that programs read and write."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from snac_eval import audio
from snac_eval.codecs.command.options import InputFormat, OutputFormat
from snac_eval.errors import AudioError, CodecError, one_line
from snac_eval.types import Waveform

if TYPE_CHECKING:
    from snac_eval.types import FloatArray, IntArray

_RAW = {"s16le": "<i2", "f32le": "<f4"}
_WAV = {"wav": ("PCM_16", 15), "wav_24": ("PCM_24", 23), "wav_float": ("FLOAT", 0)}


def write_sound(file: Path, waveform: Waveform, form: InputFormat) -> None:
    """Write the file; whole numbers are rounded, and louder audio than full scale clips."""
    import soundfile

    interleaved = np.ascontiguousarray(waveform.samples.T)
    if form == "s16le":
        file.write_bytes(_whole(interleaved, 15).astype("<i2").tobytes())
    elif form == "f32le":
        file.write_bytes(interleaved.astype("<f4").tobytes())
    else:
        subtype, bits = _WAV[form]
        # SoundFile takes the upper bits of 32, and would round floats down.
        values = _whole(interleaved, bits) << (31 - bits) if bits else interleaved
        soundfile.write(os.fsencode(file), values, waveform.sample_rate, subtype=subtype)


def _whole(samples: FloatArray, bits: int) -> IntArray:
    full = 2**bits
    scaled = np.rint(samples.astype(np.float64) * full)
    levels: IntArray = np.clip(scaled, -full, full - 1).astype(np.int32)
    return levels


def read_sound(
    who: str, file: Path, form: OutputFormat, sample_rate: int, num_channels: int
) -> Waveform:
    """What the decoder wrote: bare samples are at ``sample_rate``. Raises CodecError."""
    if form == "wav":
        try:
            decoded = audio.read(file)
        except AudioError as error:
            reason = one_line(error).replace(f"{file}", file.name)
            raise CodecError(f"{who}: its decoder wrote what cannot be read: {reason}") from error
        if decoded.num_channels != num_channels:
            raise CodecError(
                f"{who}: its decoder wrote {decoded.num_channels} channels, the card says"
                f" {num_channels}"
            )
        return decoded
    kind = np.dtype(_RAW[form])
    content = file.read_bytes()
    size = kind.itemsize * num_channels
    values = np.frombuffer(content[: len(content) // size * size], kind)
    scale = np.float32(1 / 32768 if form == "s16le" else 1)
    samples = scale * values.reshape(-1, num_channels).T.astype(np.float32)
    return Waveform(samples, sample_rate)
