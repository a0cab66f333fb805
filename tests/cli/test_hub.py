"""A published model comes from the hub, and scores."""

from __future__ import annotations

import json
from pathlib import Path

import soundfile

from snac_eval.codecs.snac.model import SNACConfig
from tests.cli.helpers import run_process, scores
from tests.codecs.snac.test_checkpoint import save_model
from tests.conftest import tone
from tests.hub_server import serve_hub

SNAC_24KHZ = SNACConfig(
    sampling_rate=24000,
    encoder_dim=8,
    encoder_rates=(2, 4, 8, 8),
    decoder_dim=64,
    decoder_rates=(8, 8, 4, 2),
    vq_strides=(4, 2, 1),
)


def test_snac_24khz_comes_from_the_hub(tmp_path: Path) -> None:
    save_model(tmp_path / "hub", SNAC_24KHZ)
    (tmp_path / "clips" / "speech").mkdir(parents=True)
    for index in range(2):
        clip = tmp_path / "clips" / "speech" / f"{index}.wav"
        soundfile.write(clip, tone(0.4, seed=index), 16000)
    run = ["run", "--model", "snac_24khz", "--dataset", f"folder:{tmp_path / 'clips'}"]
    run += ["--metrics", "bitrate,tokens_per_second,si_sdr,codebook_usage", "--workers", "0"]

    with serve_hub("hubertsiuzdak/snac_24khz", tmp_path / "hub") as endpoint:
        home = {"HF_HOME": str(tmp_path / "cache"), "HF_ENDPOINT": endpoint}
        done = run_process(*run, "--output", tmp_path / "online", **home)
    assert done.returncode == 0, done.stderr
    frame = scores(tmp_path / "online")
    assert set(frame["status"]) == {"ok"}
    # 0.4 s at 24 kHz is padded to 5 coarse frames of 2048 samples: 35 tokens of 12 bits.
    bitrates = frame.loc[frame["metric"] == "bitrate", "value"]
    assert bitrates.round(6).eq(35 * 12 / 0.4 / 1000).all()
    assert (tmp_path / "online" / "streams.csv").exists()
    manifest = json.loads((tmp_path / "online" / "manifest.json").read_text())
    assert "not those that the card 'snac_24khz' names" in manifest["notes"][0]
