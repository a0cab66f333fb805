"""Token stability, on codecs whose answer to a change is known."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from snac_eval.errors import UsageError
from snac_eval.metrics.base import Encoded, guarded
from snac_eval.metrics.stability import TokenStability
from snac_eval.registry import plugins
from snac_eval.types import CodecCard, Codes, Score, Waveform
from tests.conftest import tone

RATE = 16000


class Peaks:
    """Two streams: the largest magnitude in each ``hop`` samples, in 64 levels, and in each four
    times as many. With ``is_level_free`` the clip's own peak is 63."""

    fingerprint = "peaks/1"
    device = "cpu"

    def __init__(self, hop: int, is_level_free: bool = False, drops: int = 0) -> None:
        rates = (RATE / (4 * hop), RATE / hop)
        self.card = CodecCard("peaks", "test", "d", RATE, 1, 1000.0, (64, 64), rates)
        self._hop, self._is_level_free, self._drops = hop, is_level_free, drops
        self.heard: list[Waveform] = []

    def prepare(self) -> None:
        """Nothing to load."""

    def padded_length(self, num_samples: int) -> None:
        """One clip at a time."""

    def encode(self, waveforms: Sequence[Waveform]) -> list[Codes]:
        self.heard += waveforms
        return [self._codes(np.abs(one.samples[0])) for one in waveforms]

    def _codes(self, loud: np.ndarray[tuple[int], np.dtype[np.float32]]) -> Codes:
        scale = float(loud.max()) if self._is_level_free else 1.0
        streams = [
            np.round(63 * loud[: loud.size // hop * hop].reshape(-1, hop).max(axis=1) / scale)
            for hop in (4 * self._hop, self._hop)
        ]
        cut = slice(self._drops if len(self.heard) > 1 else 0, None)
        return Codes(loud.size, tuple(one[cut].astype(np.int32) for one in streams), (64, 64))

    def decode(self, codes: Sequence[Codes], seeds: Sequence[int]) -> list[Waveform]:
        raise NotImplementedError


def _score(codec: Peaks, name: str, source: Waveform | None = None) -> Score:
    noise = 0.5 * np.random.default_rng(0).uniform(-1, 1, (1, 2 * RATE)).astype(np.float32)
    source = source or Waveform(noise, RATE)
    (codes,) = codec.encode([source])
    metric = plugins.metric(name)
    assert isinstance(metric, TokenStability)
    return guarded(metric.info, lambda: metric.score_codec(codec, Encoded(source, codes, 7)))


def test_a_shift_by_whole_tokens_of_every_stream_changes_none() -> None:
    codec = Peaks(hop=40)  # 2.5 ms and 10 ms: four tokens and one
    assert _score(codec, "token_stability").value == 100
    assert codec.heard[1].num_samples == codec.heard[0].num_samples
    assert not codec.heard[1].samples[0, :160].any()
    np.testing.assert_array_equal(codec.heard[1].samples[0, 160:], codec.heard[0].samples[0, :-160])


def test_a_shift_by_half_a_token_changes_many() -> None:
    speech = Waveform(tone(2.0)[None], RATE)
    value = _score(Peaks(hop=160), "token_stability@shift_ms=5", speech).value
    assert value is not None
    assert 5 < value < 80


def test_level_matters_to_a_codec_that_codes_it() -> None:
    assert _score(Peaks(40, is_level_free=True), "token_stability@softer_db=6").value == 100
    assert _score(Peaks(40), "token_stability@softer_db=6").value == 0


def test_noise_is_as_loud_as_was_said_and_the_same_each_time() -> None:
    codec = Peaks(40)
    first = _score(codec, "token_stability@snr_db=20")
    source, noisy = (one.samples[0].astype(np.float64) for one in codec.heard)
    snr_db = 10 * np.log10(np.square(source).mean() / np.square(noisy - source).mean())
    assert snr_db == pytest.approx(20, abs=0.1)
    assert _score(Peaks(40), "token_stability@snr_db=20") == first
    faint = _score(Peaks(40), "token_stability@snr_db=60").value
    assert first.value is not None
    assert faint is not None
    assert faint > 90 > first.value > 0


def test_what_has_no_answer_says_why() -> None:
    silent = Waveform(np.zeros((1, RATE), np.float32), RATE)
    short = Waveform(np.ones((1, 100), np.float32) * np.arange(100, dtype=np.float32) / 200, RATE)
    packets = Encoded(short, Codes(100, packets=(b"abc",)), 0)
    for score, status, reason in (
        (_score(Peaks(40), "token_stability", silent), "undefined", "the clip is silent"),
        (_score(Peaks(40), "token_stability", short), "undefined", "no token after a shift of 10"),
        (TokenStability().score_codec(Peaks(40), packets), "undefined", "not tokens"),
        (_score(Peaks(40, drops=1), "token_stability"), "error", "another number of tokens"),
    ):
        assert (score.value, score.status) == (None, status)
        assert reason in score.reason


def test_options_name_the_metric() -> None:
    assert plugins.metric("token_stability@shift_ms=10").info.name == "token_stability"
    prints = {
        str(plugins.metric(f"token_stability{option}").info.fingerprint)
        for option in ("", "@softer_db=6", "@snr_db=20", "@shift_ms=20")
    }
    assert len(prints) == 4
    for option, reason in (("@shift_ms=0", "at least 1"), ("@snr_db=2@softer_db=6", "one of")):
        with pytest.raises(UsageError, match=reason):
            plugins.metric(f"token_stability{option}")
