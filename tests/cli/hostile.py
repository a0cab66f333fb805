"""Runs whose clip ids and cards try to become markup."""

from __future__ import annotations

from pathlib import Path

import soundfile

from snac_eval.cli import main
from tests.conftest import tone

CLIP_ID = "<script>alert(1)</script>"
CARD_TEXT = "'\"><img src=x onerror=alert(2)><script>alert(3)</script>"
_CARD = """
name = "hostile"
family = "pcm"
description = '''{text}'''
sample_rate = 0
channels = 1
licence = '''{text}'''
citation = '''{text}'''

[options]
bits = 8
"""


def run_hostile(root: Path) -> list[Path]:
    """Two runs over three clips, one with that id (a file in a folder makes its slash)."""
    data, cards = root / "data", root / "cards" / "codecs"
    cards.mkdir(parents=True)
    (cards / "hostile.toml").write_text(_CARD.format(text=CARD_TEXT))
    for index, name in enumerate((CLIP_ID, "speech/plain", "speech/${7*7}{{7*7}}")):
        path = data / f"{name}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, tone(4.0 + 0.5 * index, seed=index), 16000)
    runs = []
    for model in ("hostile", "opus_12kbps"):
        arguments = ["--dataset", f"folder:{data}", "--cards", str(root / "cards"), "--quiet"]
        metrics = "bitrate,si_sdr,mel_dac_paper,encode_real_time_factor,decode_real_time_factor"
        output = root / model
        arguments += ["--metrics", metrics, "--workers", "0", "--output", str(output)]
        code = main(["run", "--model", model, *arguments])
        assert code == 0
        runs.append(output)
    return runs
