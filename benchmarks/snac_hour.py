"""An hour through SNAC at the 24 kHz configuration: peak memory, and codes against whole passes.

    python -m benchmarks.snac_hour [--minutes 60] [--threads 1]

Random weights. The hour is coded by the harness's own adapter, and its process's peak memory read.
Then the first minute alone: the codes of the stream of tiles against those of the layers called on
the whole minute at once, and against the hour's (which go on where the minute ends).
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file

from benchmarks.snac_speed import models
from snac_eval.audio import speech_like
from snac_eval.codecs.snac.adapter import SnacCodec
from snac_eval.codecs.snac.model import SNAC
from snac_eval.machine import peak_memory_mib, resident_memory_mib
from snac_eval.types import CodecRequest, Waveform


def codec(model: SNAC, folder: Path, threads: int) -> SnacCodec:
    """The model behind the harness's adapter, by way of files."""
    from snac_eval.registry.plugins import codec_card

    save_file(model.state_dict(), folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps(model.config.to_dict()))
    card = codec_card("snac_24khz")
    opened = SnacCodec(CodecRequest(card, weights=str(folder), num_threads=threads))
    opened.prepare()
    return opened


def long_speech(minutes: float) -> Waveform:
    """A minute of speech-like sound again and again, each time at another level."""
    minute = speech_like(60 * 24000, 24000, 1, 0).samples[0]
    levels = np.linspace(1, 0.2, max(1, round(minutes)), dtype=np.float32)
    return Waveform(np.outer(levels, minute).reshape(1, -1), 24000)


@torch.inference_mode()
def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        opened = codec(models()[0], Path(folder), options.threads)
    # The one that the adapter has loaded: a second one, or PyPI's, would count as its memory.
    (model,) = opened.torch_modules
    assert isinstance(model, SNAC)
    waveform = long_speech(options.minutes)
    print(f"before: peak {peak_memory_mib():.0f} MiB", end=", ")
    print(f"{resident_memory_mib():.0f} MiB resident, of it audio", end=" ")
    print(f"{waveform.samples.nbytes / 2**20:.0f} MiB", flush=True)
    start = time.perf_counter()
    (codes,) = opened.encode([waveform])
    encoded = time.perf_counter()
    print(f"encoded in {encoded - start:.0f} s, peak {peak_memory_mib():.0f} MiB", flush=True)
    minute = torch.from_numpy(waveform.samples[:, : 60 * 24000].copy())[None]
    # An hour of audio at a time: what is decoded takes its place.
    del waveform
    (decoded,) = opened.decode([codes], [0])
    print(f"decoded in {time.perf_counter() - encoded:.0f} s", end=", ")
    print(f"peak {peak_memory_mib():.0f} MiB, {decoded.num_samples} samples", flush=True)

    whole, tiles = model.encode_whole(minute), model.encode(minute)
    equal = all(torch.equal(one, other) for one, other in zip(whole, tiles, strict=True))
    print(f"first minute, whole pass against tiles: codes equal: {equal}")
    for one, other in zip(whole, codes.streams, strict=True):
        same = one[0].numpy() == other[: one.shape[1]]
        differ = np.flatnonzero(~same)
        first = f", the first at {differ[0]}" if len(differ) else ""
        print(f"  of the hour's {len(same)} tokens there, {len(differ)} differ{first}")


if __name__ == "__main__":
    main()
