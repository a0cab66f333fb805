"""Scores that need no audio are made where the codec runs; audio is scored in the workers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from snac_eval.codecs.opening import open_model
from snac_eval.errors import Interrupted, one_line
from snac_eval.metrics.base import Encoded
from snac_eval.metrics.bitrate import Bitrate
from snac_eval.metrics.opening import open_metric, opened
from snac_eval.run.scoring import score_clip, score_in_place
from snac_eval.types import (
    Clip,
    CodecCard,
    Codes,
    Reconstruction,
    Score,
    Timing,
    Waveform,
)
from tests.conftest import tone

CLIP = Clip("a", Path("a.wav"), "a.wav", "0", 1.0, 48000, domain="speech")


def _made() -> Reconstruction:
    waveform = Waveform(tone(1.0, 48000)[None], 48000)
    codec = open_model("pcm_16bit").coder
    assert codec is not None
    (codes,) = codec.encode([waveform])
    (estimate,) = codec.decode([codes], [0])
    return Reconstruction(CLIP, waveform, estimate, codes, Timing(0.5, 0.25))


def test_codes_and_codec_are_scored_in_place_and_audio_is_not() -> None:
    names = ("bitrate", "encode_real_time_factor", "reencode_mel_distance")
    codec = open_model("pcm_16bit")
    made = _made()
    assert made.codes is not None
    encoded = Encoded(made.reference, made.codes, 1)
    scores = {name: score_in_place(open_metric(name), made, codec, encoded) for name in names}
    assert scores["bitrate"].value == 48000 * 16 / 1000
    assert scores["encode_real_time_factor"].value == 0.5
    assert scores["reencode_mel_distance"].status == "ok"
    for name in ("si_sdr", "fad_clap"):
        with pytest.raises(ValueError, match="not scored in place"):
            score_in_place(open_metric(name), made, codec, encoded)


@pytest.mark.parametrize("error", [KeyError("no\nsuch thing"), SystemExit(0), KeyboardInterrupt()])
def test_what_a_metric_raises_is_its_scores_reason(error: BaseException) -> None:
    class Broken:
        info = replace(Bitrate().info, name="broken")

        def score_codes(
            self, codes: Codes | None, card: CodecCard, timing: Timing, duration_s: float
        ) -> Score:
            raise error

    broken = opened(Broken(), "broken")
    score = score_in_place(broken, _made(), open_model("pcm_16bit"), None)
    assert score == Score.error(one_line(error))


def test_ctrl_c_is_no_score() -> None:
    class Interrupting:
        info = replace(Bitrate().info, name="interrupting")

        def score_codes(
            self, codes: Codes | None, card: CodecCard, timing: Timing, duration_s: float
        ) -> Score:
            raise Interrupted(2)

    with pytest.raises(Interrupted):
        score_in_place(opened(Interrupting(), "one"), _made(), open_model("pcm_16bit"), None)


def test_audio_is_scored_by_the_names_that_were_asked_for() -> None:
    scores = score_clip(["si_sdr", "delay"], _made())
    assert list(scores) == ["si_sdr", "delay"]
    assert scores["delay"].value == pytest.approx(0, abs=1e-6)
    assert np.isfinite(scores["si_sdr"].value or np.nan)
