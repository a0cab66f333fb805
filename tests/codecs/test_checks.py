"""What a codec may not answer to a clip that can be heard."""

from __future__ import annotations

import numpy as np
import pytest

from snac_eval.codecs.checks import check_output
from snac_eval.errors import CodecError
from snac_eval.types import Waveform
from tests.conftest import tone

RATE = 16000
CLIP = Waveform(tone(2.0)[None], RATE)


def _scaled(by: float, start: int = 0, stop: int | None = None) -> Waveform:
    samples = CLIP.samples.copy()
    samples[:, start:stop] *= by
    return Waveform(samples, RATE)


def _cut(samples: int) -> Waveform:
    return Waveform(CLIP.samples[:, :samples], RATE)


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (_scaled(0.0), "the codec answered an audible clip with silence"),
        (Waveform(_scaled(0.0).samples + 0.5, RATE), "the codec answered an audible clip with sil"),
        (_scaled(np.nan, 5, 6), "the codec returned NaN or infinite samples"),
        (_scaled(np.inf, 5, 6), "the codec returned NaN or infinite samples"),
        (_cut(0), "the codec returned no samples"),
        (_cut(2 * RATE - 1700), r"the codec answered 2\.00 s of audio with 1\.89 s"),
        (_scaled(0.0, 0, 19000), r"audible clip with silence for 1\.1 s of 2\.0 s"),
        (Waveform(np.zeros((1, 96000), np.float32), 48000), "with silence"),
    ],
)
def test_a_dead_answer_is_the_codecs_failure(answer: Waveform, message: str) -> None:
    with pytest.raises(CodecError, match=message):
        check_output(CLIP, answer)


@pytest.mark.parametrize(
    "answer",
    [
        CLIP,
        _scaled(0.001),
        _cut(2 * RATE - 1500),
        Waveform(np.tile(CLIP.samples, 2), RATE),
        _scaled(0.0, 0, 15000),
    ],
)
def test_a_quiet_longer_or_slightly_short_answer_is_an_answer(answer: Waveform) -> None:
    check_output(CLIP, answer)


def test_silence_is_the_right_answer_to_what_nobody_hears() -> None:
    silence = _scaled(0.0)
    check_output(silence, silence)
    check_output(_scaled(1e-4), silence)
    check_output(Waveform(silence.samples + 0.3, RATE), silence)
    pauses = CLIP.samples.copy()
    pauses[:, RATE // 2 :] *= 0.005
    check_output(Waveform(pauses, RATE), _scaled(0.0, RATE // 2))


def test_a_short_clip_may_not_lose_half_of_itself() -> None:
    clip = Waveform(CLIP.samples[:, 8000:9600], RATE)
    check_output(clip, Waveform(clip.samples[:, :900], RATE))
    with pytest.raises(CodecError, match=r"answered 0\.10 s of audio with 0\.04 s"):
        check_output(clip, Waveform(clip.samples[:, :700], RATE))


def test_each_channel_is_heard_on_its_own() -> None:
    stereo = Waveform(np.concatenate([CLIP.samples, CLIP.samples]), RATE)
    left = Waveform(stereo.samples * np.array([[1.0], [0.0]], np.float32), RATE)
    with pytest.raises(CodecError, match="audible clip's channel 2 with silence"):
        check_output(stereo, left)
    check_output(left, left)
    check_output(stereo, CLIP)
    check_output(CLIP, left)
