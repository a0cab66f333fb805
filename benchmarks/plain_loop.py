"""What a researcher writes without a harness: read, code, score, clip after clip, in one process.

``python -m benchmarks.plain_loop MODEL DATA_ROOT LIMIT RESULT`` scores ``librispeech:test-mini``
by the same libraries as ``snac-eval run``, one thread, and writes scores and times as JSON.
``kernel_s`` is the CPU time within codec and metrics alone, after one clip of warm-up: without
imports, loading of models, or anything in between.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import numpy as np
import soundfile
import soxr
from pesq import pesq
from pystoi import stoi

import snac_eval
from snac_eval.datasets.sampling import choose_clips
from snac_eval.metrics import spectral, waveform
from snac_eval.metrics.level import active_level_db
from snac_eval.metrics.visqol import SPEECH_LEVEL_DB
from snac_eval.run.plan import clip_seed
from snac_eval.types import Clip, Codec, Codes, Waveform

DATASET = "librispeech:test-mini"
Array = np.ndarray[Any, np.dtype[np.float32]]


def plain_loop(model: str, data_root: Path, limit: int) -> dict[str, Any]:
    """Scores by clip id and metric, and how long what took, in seconds."""
    codec = cast(Codec, snac_eval.load_codec(model))
    visqol = _visqol()
    clips = choose_clips(snac_eval.load_dataset(DATASET, data_root).clips, limit)
    one_clip(clips[0], codec, visqol)
    kernels = [one_clip(clip, codec, visqol) for clip in clips]
    return {
        "scores": {clip.id: scores for clip, (scores, _) in zip(clips, kernels, strict=True)},
        "kernel_s": sum(seconds for _, seconds in kernels),
    }


def one_clip(clip: Clip, codec: Codec, visqol: Any) -> tuple[dict[str, float], float]:  # noqa: ANN401
    """Scores of one clip, and the CPU seconds of the libraries."""
    samples, rate = soundfile.read(clip.path, dtype="float32")
    start = time.process_time()
    source = _resample(samples, rate, codec.card.sample_rate)
    (codes,) = codec.encode([Waveform(source[None], codec.card.sample_rate)])
    (decoded,) = codec.decode([codes], [clip_seed(clip, 0)])
    estimate = _resample(decoded.samples[0], decoded.sample_rate, rate)[: len(samples)]
    scores = {
        name: float(kernel(samples, estimate, rate)) for name, kernel in _kernels(visqol).items()
    }
    seconds = time.process_time() - start
    return {**scores, "bitrate": _kbps(codes, len(samples) / rate)}, seconds


def _kernels(visqol: Any) -> dict[str, Callable[[Array, Array, int], float]]:  # noqa: ANN401
    return {
        "mel_dac_paper": spectral.MelDacPaper()._compute,
        "mel_audiotools": spectral.MelAudiotools()._compute,
        "stft_distance": spectral.StftDistance()._compute,
        "si_sdr": waveform.SiSdr()._compute,
        "si_sdr_aligned": waveform.SiSdrAligned()._compute,
        "delay": waveform.Delay()._compute,
        "pesq_wb": lambda reference, estimate, rate: pesq(rate, reference, estimate, "wb"),
        "stoi": stoi,
        "estoi": _estoi,
        "visqol_speech": lambda *pair: _visqol_speech(visqol, *pair),
    }


def _estoi(reference: Array, estimate: Array, rate: int) -> float:
    np.random.seed(0)
    return float(stoi(reference, estimate, rate, extended=True))


def _visqol() -> Any:  # noqa: ANN401
    from visqol import VisqolApi

    api = VisqolApi()
    api.create(mode="speech", use_lattice_model=True)
    return api


def _visqol_speech(visqol: Any, reference: Array, estimate: Array, rate: int) -> float:  # noqa: ANN401
    gain = 10 ** ((SPEECH_LEVEL_DB - active_level_db(reference, rate)) / 20)
    sides = [gain * side.astype(np.float64) for side in (reference, estimate)]
    return float(visqol.measure_from_arrays(*sides, rate).moslqo)


def _resample(samples: Array, rate: int, wanted: int) -> Array:
    return samples if rate == wanted else soxr.resample(samples, rate, wanted, quality="HQ")


def _kbps(codes: Codes, duration_s: float) -> float:
    return codes.num_bits / duration_s / 1000


def _main(model: str, data_root: str, limit: str, result: str) -> None:
    started = time.perf_counter()
    outcome = plain_loop(model, Path(data_root), int(limit))
    outcome["loop_s"] = time.perf_counter() - started
    Path(result).write_text(json.dumps(outcome))


if __name__ == "__main__":
    _main(*sys.argv[1:])
