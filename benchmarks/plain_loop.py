"""What a researcher writes without a harness: read, code, score, clip after clip, in one process.

``python -m benchmarks.plain_loop MODEL DATA_ROOT LIMIT RESULT`` scores ``librispeech:test-mini``
by the same libraries as ``snac-eval run``, one thread, and writes the scores as JSON.
"""

from __future__ import annotations

import json
import math
import sys
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
from snac_eval.metrics.base import Undefined
from snac_eval.metrics.level import active_level_db
from snac_eval.metrics.visqol import SPEECH_LEVEL_DB
from snac_eval.run.plan import clip_seed
from snac_eval.types import Clip, Codec, Codes, Waveform

DATASET = "librispeech:test-mini"
Array = np.ndarray[Any, np.dtype[np.float32]]


def plain_loop(model: str, data_root: Path, limit: int) -> dict[str, Any]:
    """Scores by clip id and metric."""
    codec = cast(Codec, snac_eval.load_codec(model))
    visqol = _visqol()
    clips = choose_clips(snac_eval.load_dataset(DATASET, data_root).clips, limit)
    return {"scores": {clip.id: one_clip(clip, codec, visqol) for clip in clips}}


def one_clip(clip: Clip, codec: Codec, visqol: Any) -> dict[str, float]:  # noqa: ANN401
    """Scores of one clip; NaN where one has no meaning."""
    samples, rate = soundfile.read(clip.path, dtype="float32")
    source = _resample(samples, rate, codec.card.sample_rate)
    (codes,) = codec.encode([Waveform(source[None], codec.card.sample_rate)])
    (decoded,) = codec.decode([codes], [clip_seed(clip, 0)])
    estimate = _resample(decoded.samples[0], decoded.sample_rate, rate)[: len(samples)]
    scores = {
        name: _value(kernel, samples, estimate, rate) for name, kernel in _kernels(visqol).items()
    }
    return {**scores, "bitrate": _kbps(codes, len(samples) / rate)}


def _value(
    kernel: Callable[[Array, Array, int], float], samples: Array, estimate: Array, rate: int
) -> float:
    try:
        return float(kernel(samples, estimate, rate))
    except Undefined:
        return math.nan


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
    Path(result).write_text(json.dumps(plain_loop(model, Path(data_root), int(limit))))


if __name__ == "__main__":
    _main(*sys.argv[1:])
