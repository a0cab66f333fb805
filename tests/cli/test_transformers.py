"""EnCodec, DAC and Mimi through the command line: hub, cache, folder, stereo and fewer streams."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from snac_eval.cli.main import main
from tests.cli.helpers import scores
from tests.conftest import tone
from tests.tiny_transformers import save_tiny

pytest.importorskip("transformers", reason="needs the extra transformers")

METRICS = "bitrate,bitrate_nominal,tokens_per_second,mel_dac_paper,token_agreement@n=1"


@pytest.fixture
def clips(tmp_path: Path) -> Path:
    """A mono and a stereo clip of 1.5 s at 48 kHz."""
    folder = tmp_path / "clips"
    folder.mkdir()
    left, right = (tone(1.5, 48000, seed) for seed in (1, 2))
    soundfile.write(folder / "mono.wav", left, 48000)
    soundfile.write(folder / "stereo.wav", np.stack([left, right], axis=1), 48000)
    return folder


def _run(clips: Path, model: str, output: Path) -> list[str]:
    run = ["run", "--model", model, "--dataset", f"folder:{clips}", "--metrics", METRICS]
    return [*run, "--workers", "0", "--quiet", "--output", str(output)]


def test_a_stereo_codec_takes_mono_clips_on_both_channels(clips: Path, tmp_path: Path) -> None:
    weights = str(save_tiny("encodec_48khz", tmp_path / "weights"))
    run = _run(clips, "encodec_48khz_6kbps", tmp_path / "run")
    assert main([*run, "--weights", weights]) == 0
    frame = scores(tmp_path / "run").set_index(["clip_id", "metric"])
    assert set(frame["status"]) == {"ok"}
    # 72000 samples: chunks of 48000 and 24480 samples give 150 and 77 frames, and two scales.
    bits = 4 * (150 + 77) * 10 + 2 * 32
    for clip in ("mono", "stereo"):
        assert frame.loc[(clip, "bitrate"), "value"] == pytest.approx(bits / 1.5 / 1000)
        assert frame.loc[(clip, "bitrate_nominal"), "value"] == 6
    channels = json.loads((tmp_path / "run" / "manifest.json").read_text())["scoring"]["channels"]
    assert "a mono clip fills both channels" in channels


def test_fewer_streams_are_a_run_of_their_own(clips: Path, tmp_path: Path) -> None:
    weights = str(save_tiny("dac_16khz", tmp_path / "weights"))
    for model in ("dac_16khz_3kbps", "dac_16khz_3kbps@k=1"):
        output = tmp_path / model.replace("@", "_")
        assert main([*_run(clips, model, output), "--weights", weights]) == 0
        frame = scores(output)
        assert set(frame["codec"]) == {model}
        per_frame = 10 if "@" in model else 60
        bitrates = frame.loc[frame["metric"] == "bitrate", "value"]
        assert bitrates.round(6).eq(round(75 * per_frame / 1500, 6)).all()
    run = _run(clips, "dac_16khz_3kbps", tmp_path / "dac_16khz_3kbps_k=1")
    assert main([*run, "--weights", weights]) == 2
