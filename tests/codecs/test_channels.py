"""Mono codecs on stereo: mixed down, or each channel on its own, as the run says."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from snac_eval.codecs.channels import PerChannel
from snac_eval.codecs.opening import open_model
from snac_eval.errors import UsageError
from snac_eval.results.frames import summary_frame
from snac_eval.results.record import read_run
from snac_eval.run.config import RunConfig
from snac_eval.run.loop import run
from snac_eval.types import Codec, Waveform
from tests.conftest import tone


def _mono(name: str) -> Codec:
    codec = open_model(name).coder
    assert codec is not None
    codec.prepare()
    return codec


def _stereo(rate: int) -> Waveform:
    return Waveform(np.stack([tone(0.7, rate, 0), tone(0.7, rate, 1)]), rate)


@pytest.mark.parametrize("name", ["opus_6kbps", "pcm_8bit", "snac_16khz_mini"])
def test_channels_are_those_of_the_mono_codec(name: str) -> None:
    mono = _mono(name)
    each = PerChannel(mono)
    waveform = _stereo(mono.card.sample_rate or 16000)
    (codes,) = each.encode([waveform])
    (estimate,) = each.decode([codes], [5])
    assert estimate.samples.shape == waveform.samples.shape
    bits = 0.0
    for index, samples in enumerate(waveform.samples):
        (alone,) = mono.encode([Waveform(samples[None], waveform.sample_rate)])
        (decoded,) = mono.decode([alone], [5 + index])
        assert np.array_equal(decoded.samples[0], estimate.samples[index])
        bits += alone.num_bits
    assert codes.num_bits == bits
    assert len(codes.streams) == len(mono.card.codebook_sizes)
    assert each.fingerprint != mono.fingerprint


def _run(folder: Path, output: Path, **changes: str) -> dict[str, float]:
    result = run(
        RunConfig(
            model=changes.pop("model", "pcm_8bit"),
            dataset=f"folder:{folder}",
            output=output,
            metrics=("bitrate", "si_sdr"),
            workers=0,
            show_progress=False,
            **changes,  # type: ignore[arg-type]
        )
    )
    table = summary_frame(read_run(result.folder)).set_index("metric")["mean"]
    return {name: float(table[name]) for name in ("bitrate", "si_sdr")}


def test_a_run_codes_each_channel_or_the_mix(tmp_path: Path) -> None:
    data = tmp_path / "audio"
    data.mkdir()
    soundfile.write(data / "a.wav", _stereo(16000).samples.T, 16000)
    mixed = _run(data, tmp_path / "mixed")
    apart = _run(data, tmp_path / "apart", channels="each")
    assert apart["bitrate"] == pytest.approx(2 * mixed["bitrate"])
    assert mixed["bitrate"] == pytest.approx(128.0)
    manifest = json.loads((tmp_path / "apart" / "manifest.json").read_text())
    assert manifest["config"]["channels"] == "each"
    assert manifest["scoring"]["channels"] == "each coded on its own"
    assert "each channel was coded on its own" in manifest["notes"][0]
    with pytest.raises(UsageError, match="pcm_8bit@channels=each"):
        _run(data, tmp_path / "apart")


def test_it_is_for_mono_codecs_that_encode(tmp_path: Path) -> None:
    data = tmp_path / "audio"
    data.mkdir()
    soundfile.write(data / "a.wav", _stereo(16000).samples.T, 16000)
    for model in (f"files:{data}", "opus_24kbps@k=1"):
        with pytest.raises(UsageError):
            _run(data, tmp_path / "run", model=model, channels="each")
    with pytest.raises(UsageError, match="downmix or each"):
        _run(data, tmp_path / "run", channels="left")
