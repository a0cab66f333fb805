"""One setting of the speed protocol, measured in a process of its own.

``python -m snac_eval.bench.measure REQUEST RESULT`` reads a :class:`Setting` from one JSON file and
writes a :class:`Measurement` to another. A fresh process, because memory is only comparable from
a clean start, and because numerical libraries take their thread count when they are imported.

Conventions. Audio is synthetic, seeded and speech-like. Two rounds warm up. Every step is timed by
the wall clock between two synchronisations of the device. Peak memory is the process's largest
resident set, interpreter and libraries included, read before anything but coding has run.
"""

from __future__ import annotations

import json
import math
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from snac_eval.audio import speech_like
from snac_eval.codecs.abilities import OpenCodec
from snac_eval.codecs.counting import multiply_adds_per_s
from snac_eval.codecs.opening import open_model
from snac_eval.errors import CodecError, SnacEvalError, one_line
from snac_eval.machine import gpu_peak_memory_mib, peak_memory_mib, resident_memory_mib
from snac_eval.types import Codec, Waveform

WARM_UP_ROUNDS = 2
ANY_RATE_HZ = 24000
_SHORTEST_S, _SHORTEST_DOUBLINGS = 0.02, 8


@dataclass(frozen=True, slots=True)
class Setting:
    """What is measured: a codec on a device, with so many CPU threads, clips and seconds.

    ``threads`` 0 stands for a GPU, whose host threads do not matter. ``with_facts`` asks for what
    does not depend on duration and batch: size, multiply-adds, latency of the first chunk.
    """

    model: str
    device: str
    threads: int
    batch_size: int
    duration_s: float
    repeats: int
    seed: int = 0
    weights: str = ""
    card_dirs: tuple[str, ...] = ()
    model_args: tuple[str, ...] = ()
    python: str = ""
    with_facts: bool = False

    @property
    def name(self) -> str:
        """Such as ``10s_batch1_threads1``, or ``10s_batch4_cuda``."""
        where = f"threads{self.threads}" if self.device == "cpu" else self.device
        return f"{self.duration_s:g}s_batch{self.batch_size}_{where}"


@dataclass(frozen=True, slots=True)
class Measurement:
    """What came out, one entry per repeat where there are repeats.

    Times in seconds, memory in MiB; NaN (or an empty list) where nothing was measured.
    ``first_chunk_audio_s`` is the length of the shortest clip that the codec takes, and
    ``first_chunk_s`` how long it computes to encode and decode that clip alone, warmed up: no
    waiting for the audio, no look-ahead of a stream. ``parameters`` and ``multiply_adds_per_s``
    (per second of audio in whole frames, encode plus decode) are NaN where the codec is no torch
    model. ``undefined`` and ``error`` say why there is nothing; ``broken_set_up`` marks an error
    that is the same for every setting.
    """

    encode_s: list[float] = field(default_factory=list)
    decode_s: list[float] = field(default_factory=list)
    first_chunk_s: list[float] = field(default_factory=list)
    first_chunk_audio_s: float = math.nan
    loaded_memory_mib: float = math.nan
    peak_memory_mib: float = math.nan
    gpu_peak_memory_mib: float = math.nan
    parameters: float = math.nan
    multiply_adds_per_s: float = math.nan
    undefined: str = ""
    error: str = ""
    broken_set_up: bool = False


def measure(setting: Setting) -> Measurement:
    """Measure in this process, which must be fresh for the memory figures to mean something."""
    try:
        opened = open_setting(setting)
        coder = coder_of(opened, setting.model)
        opened.prepare()
    except SnacEvalError as error:
        return Measurement(error=one_line(error), broken_set_up=True)
    try:
        return _measure(opened, coder, setting)
    except (SnacEvalError, MemoryError, RuntimeError) as error:
        return Measurement(error=f"{setting.name}: {one_line(error)}")


def open_setting(setting: Setting) -> OpenCodec:
    """The codec of the setting, not yet prepared."""
    return open_model(
        setting.model,
        tuple(map(Path, setting.card_dirs)),
        weights=setting.weights,
        device=setting.device,
        num_threads=setting.threads,
        model_args=setting.model_args,
        python=setting.python,
    )


def coder_of(opened: OpenCodec, model: str) -> Codec:
    """The codec that is to be measured. Raises CodecError where nothing is coded."""
    if opened.coder is None:
        raise CodecError(
            f"{model}: reads what another program made, so there is no speed to measure;"
            " name a codec (see: snac-eval list codecs)"
        )
    return opened.coder


def _measure(opened: OpenCodec, codec: Codec, setting: Setting) -> Measurement:
    rate, channels = codec.card.sample_rate or ANY_RATE_HZ, codec.card.channels
    length = round(setting.duration_s * rate)
    if setting.batch_size > 1 and codec.padded_length(length) is None:
        return Measurement(undefined=f"{codec.card.name} codes one clip at a time")
    batch = [
        speech_like(length, rate, channels, setting.seed + item)
        for item in range(setting.batch_size)
    ]
    _, loaded, _ = _memory_mib(opened)
    times = _timed(codec, batch, setting.repeats)
    peak, _, on_gpu = _memory_mib(opened)
    facts = _facts(opened, codec, setting) if setting.with_facts else {}
    return Measurement(
        encode_s=[encode for encode, _ in times],
        decode_s=[decode for _, decode in times],
        loaded_memory_mib=loaded,
        peak_memory_mib=peak,
        gpu_peak_memory_mib=on_gpu,
        **facts,
    )


def _timed(codec: Codec, batch: Sequence[Waveform], repeats: int) -> list[tuple[float, float]]:
    """Encode and decode seconds per repeat."""
    return [_round(codec, batch) for _ in range(WARM_UP_ROUNDS + repeats)][WARM_UP_ROUNDS:]


def _memory_mib(opened: OpenCodec) -> tuple[float, float, float]:
    """Of the process that the codec is in: peak, size now, and what a GPU held of it at most."""
    if opened.away is not None:
        return opened.away.memory_mib()
    return peak_memory_mib(), resident_memory_mib(), gpu_peak_memory_mib(opened.device)


def _round(codec: Codec, batch: Sequence[Waveform]) -> tuple[float, float]:
    synchronise = synchroniser(codec.device)
    synchronise()
    start = time.perf_counter()
    codes = codec.encode(batch)
    synchronise()
    encoded = time.perf_counter()
    codec.decode(codes, range(len(codes)))
    synchronise()
    return encoded - start, time.perf_counter() - encoded


def synchroniser(device: str) -> Callable[[], None]:
    if device == "cpu":
        return lambda: None
    import torch

    if device == "cuda" and not torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        return lambda: None  # The codec is in another process, and what that gave is there.
    return torch.cuda.synchronize if device == "cuda" else torch.mps.synchronize


def _facts(opened: OpenCodec, codec: Codec, setting: Setting) -> dict[str, Any]:
    rate, channels = codec.card.sample_rate or ANY_RATE_HZ, codec.card.channels
    chunk = _first_chunk(codec, rate, channels)
    rounds = [sum(_round(codec, [chunk])) for _ in range(WARM_UP_ROUNDS + setting.repeats)]
    parameters = opened.num_parameters
    length = _whole_frames(codec, rate)
    return {
        "first_chunk_audio_s": chunk.duration_s,
        "first_chunk_s": rounds[WARM_UP_ROUNDS:],
        "parameters": math.nan if parameters is None else float(parameters),
        "multiply_adds_per_s": multiply_adds_per_s(opened, speech_like(length, rate, channels, 0)),
    }


def _first_chunk(codec: Codec, rate: int, channels: int) -> Waveform:
    """The shortest clip that the codec codes: one padded frame, or the first length it takes."""
    padded = codec.padded_length(1)
    lengths = [padded] if padded else [
        round(_SHORTEST_S * 2**doubling * rate) for doubling in range(_SHORTEST_DOUBLINGS)
    ]  # fmt: skip
    for length in lengths:
        chunk = speech_like(length, rate, channels, 0)
        if _takes(codec, chunk):
            return chunk
    raise CodecError(f"{codec.card.name}: takes no clip of {lengths[-1] / rate:g} s or less")


def _whole_frames(codec: Codec, rate: int) -> int:
    """Samples of a second, and of as much more as fills the codec's last frame: it computes on the
    padding as well, which is no audio."""
    if padded := codec.padded_length(rate):
        return padded
    frame = rate / min(codec.card.frame_rates_hz, default=rate)
    return round(math.ceil(rate / frame - 1e-6) * frame)


def _takes(codec: Codec, chunk: Waveform) -> bool:
    try:
        codec.decode(codec.encode([chunk]), [0])
    except (CodecError, ValueError):
        return False
    return True


def read_setting(path: Path) -> Setting:
    """The setting that :func:`write_json` wrote."""
    fields = json.loads(path.read_text())
    lists = {name: tuple(fields[name]) for name in ("card_dirs", "model_args")}
    return Setting(**{**fields, **lists})


def read_measurement(path: Path) -> Measurement:
    """The measurement that :func:`write_json` wrote."""
    return Measurement(**json.loads(path.read_text()))


def write_json(path: Path, value: Setting | Measurement) -> None:
    """As JSON, with Python's NaN."""
    path.write_text(json.dumps(asdict(value)))


def _main(request: str, result: str) -> None:
    write_json(Path(result), measure(read_setting(Path(request))))


if __name__ == "__main__":
    _main(*sys.argv[1:])
