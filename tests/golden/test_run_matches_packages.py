"""Scores of a whole run against the metric packages called by hand on the same pair."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import numpy as np
import pytest
import soundfile
from pesq import pesq
from pystoi import stoi

import snac_eval
from snac_eval import audio
from snac_eval.types import Codec

METRICS = ["bitrate", "pesq_wb", "stoi", "estoi"]


def by_hand(path: Path, codec: Codec) -> dict[str, float]:
    """The same numbers without the harness: bare packages, plain steps."""
    samples, rate = soundfile.read(path, dtype="float32")
    source = audio.resample(audio.Waveform(samples[None], rate), codec.card.sample_rate)
    (codes,) = codec.encode([source])
    (decoded,) = codec.decode([codes], [0])
    estimate = audio.fit_length(audio.resample(decoded, rate), len(samples)).samples[0]
    payload = sum(len(packet) for packet in codes.packets)
    return {
        "bitrate": 8 * payload / (len(samples) / rate) / 1000,
        "pesq_wb": pesq(rate, samples, estimate, "wb"),
        "stoi": stoi(samples, estimate, rate),
        "estoi": stoi(samples, estimate, rate, extended=True),
    }


def compare(data_root: Path, limit: int) -> None:
    """Run, then do every clip by hand. ESTOI is random in its package by up to 0.004."""
    result = snac_eval.evaluate(
        "opus_12kbps",
        "librispeech:test-mini",
        METRICS,
        limit,
        data_root=data_root,
        workers=0,
    )
    codec = cast(Codec, snac_eval.load_codec("opus_12kbps"))
    frame = result.scores.pivot(index="clip_id", columns="metric", values="value")
    clips = snac_eval.load_dataset("librispeech:test-mini", data_root).clips
    assert len(frame) == limit
    for clip in clips:
        if clip.id in frame.index:
            for name, value in by_hand(clip.path, codec).items():
                tolerance = 5e-3 if name == "estoi" else 1e-6
                assert frame.loc[clip.id, name] == pytest.approx(value, abs=tolerance)
    assert np.allclose(frame["bitrate"], 12.0, atol=0.3)


def test_scores_match_the_bare_packages(shared_data: Path) -> None:
    compare(shared_data, limit=3)
