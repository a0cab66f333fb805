"""Token agreement and mel distance after re-encodes, on codecs whose answer is known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from snac_eval.cli.main import main
from snac_eval.errors import UsageError
from snac_eval.metrics.base import Encoded
from snac_eval.metrics.idempotence import ReencodeMelDistance, TokenAgreement
from snac_eval.metrics.spectral import MelDacPaper
from snac_eval.registry import plugins
from snac_eval.types import CodecCard, Codes, Waveform
from tests.cli.helpers import scores
from tests.conftest import tone


class Rounding:
    """64 levels a sample; with ``drift``, the output moves up a level for the first half."""

    card = CodecCard("rounding", "test", "d", 16000, 1, 96000.0, (64,), (16000.0,))
    fingerprint = "rounding/1"
    device = "cpu"

    def __init__(self, drift: int = 0, grow: int = 0) -> None:
        self._drift = drift
        self._grow = grow

    def prepare(self) -> None:
        """Nothing to load."""

    def padded_length(self, num_samples: int) -> None:
        """One clip at a time."""

    def encode(self, waveforms: Sequence[Waveform]) -> list[Codes]:
        levels = [np.clip(np.round(one.samples[0] * 32) + 32, 0, 63) for one in waveforms]
        return [Codes(one.size, (one.astype(np.int32),), (64,)) for one in levels]

    def decode(self, codes: Sequence[Codes], seeds: Sequence[int]) -> list[Waveform]:
        rows = []
        for one in codes:
            row = (one.streams[0] - 32) / 32
            row[: row.size // 2] += self._drift / 32
            rows.append(np.append(row, np.zeros(self._grow)).astype(np.float32)[None])
        return [Waveform(row, 16000) for row in rows]


def _encoded(seconds: float = 1.0) -> Encoded:
    source = Waveform(0.3 * tone(seconds)[None], 16000)
    (codes,) = Rounding().encode([source])
    return Encoded(source, codes, 0)


def test_an_idempotent_codec_keeps_every_token() -> None:
    assert TokenAgreement().score_codec(Rounding(), _encoded()).value == 100
    assert ReencodeMelDistance().score_codec(Rounding(), _encoded()).value == 0


def test_a_drift_of_one_half_costs_half_of_the_tokens() -> None:
    codec, encoded = Rounding(drift=1), _encoded()
    codes = encoded.codes
    assert TokenAgreement().score_codec(codec, encoded).value == pytest.approx(50)
    once = ReencodeMelDistance(n=1).score_codec(codec, encoded).value
    thrice = ReencodeMelDistance(n=3).score_codec(codec, encoded).value
    first, second = (
        codec.decode([Codes(codes.num_samples, (stream,), (64,))], [0])[0].samples
        for stream in (codes.streams[0], codes.streams[0] + np.repeat([1, 0], 8000))
    )
    assert once == MelDacPaper().score_pair(first, second, 16000).value
    assert once is not None
    assert thrice is not None
    assert thrice > once > 0


def test_n_counts_the_reencodes_and_names_the_metric() -> None:
    many = plugins.metric("token_agreement@n=40")
    assert many.info.name == "token_agreement@n=40"
    assert many.info.fingerprint != plugins.metric("token_agreement").info.fingerprint
    assert plugins.metric("token_agreement").info.name == "token_agreement"
    assert plugins.metric("token_agreement@n=3").info.name == "token_agreement"
    for name, reason in (
        ("token_agreement@n=0", "must be at least 1"),
        ("token_agreement@m=2", "no option 'm'; there is n"),
        ("si_sdr@n=2", "no option 'n'; there are none"),
        ("token_agreement@n=x", "such as @k=2"),
    ):
        with pytest.raises(UsageError, match=reason):
            plugins.metric(name)


def test_undefined_and_errors_say_why() -> None:
    packets = replace(_encoded(), codes=Codes(10, packets=(b"abc",)))
    assert TokenAgreement().score_codec(Rounding(), packets).status == "undefined"
    longer = TokenAgreement().score_codec(Rounding(grow=5), _encoded())
    assert longer.status == "error"
    assert "number of tokens" in longer.reason
    short = ReencodeMelDistance().score_codec(Rounding(drift=1), _encoded(0.01))
    assert short.status == "undefined"


def test_in_a_run_without_codes_and_with_packets(audio_dir: Path, tmp_path: Path) -> None:
    metrics = ["--metrics", "token_agreement,reencode_mel_distance", "--workers", "0", "--quiet"]
    data = ["--dataset", f"folder:{audio_dir}"]
    for model, name in ((f"files:{audio_dir}", "files"), ("pcm_8bit", "pcm")):
        run = ["run", "--model", model, *data, *metrics, "--output", str(tmp_path / name)]
        assert main(run) == 3  # a metric that was named is undefined on every clip
    files, pcm = (scores(tmp_path / name) for name in ("files", "pcm"))
    assert set(files["status"]) == {"undefined"}
    assert files["reason"].str.contains("cannot be encoded again").all()
    mel = pcm["metric"] == "reencode_mel_distance"
    assert set(pcm.loc[mel, "status"]) == {"ok"}
    assert pcm.loc[mel, "value"].lt(0.01).all()
    assert set(pcm.loc[~mel, "status"]) == {"undefined"}
