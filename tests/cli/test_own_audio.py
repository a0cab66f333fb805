"""Audio of one's own: reconstructions at a declared bitrate, and metrics that are undefined."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from snac_eval.cli.main import main
from tests.cli.helpers import scores


def test_reconstructions_say_their_bitrate_and_what_they_cannot_say_ends_in_3(
    audio_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flat, run = tmp_path / "flat", tmp_path / "run"
    flat.mkdir()
    for file in audio_dir.rglob("*.wav"):
        shutil.copy(file, flat)
    words = ["run", "--model", f"files:{flat}@kbps=0.98", "--dataset", f"folder:{audio_dir}"]
    words += ["--metrics", "bitrate,bitrate_nominal,tokens_per_second", "--workers", "0"]
    assert main([*words, "--no-html", "-o", str(run)]) == 3
    captured = capsys.readouterr()
    assert captured.err.rstrip().endswith(
        "snac-eval: undefined on every clip: tokens_per_second: reconstructions that were read from"
        " files carry no codes"
    )
    assert "note: the bitrate is declared (@kbps=0.98), not counted" in captured.out
    assert "note: 3 reconstructions were found by their names alone" in captured.out
    manifest = json.loads((run / "manifest.json").read_text())
    assert manifest["label"] == "files:flat@kbps=0.98"
    assert manifest["found_by_stem"] == {
        name: name.rpartition("/")[2] for name in ("music/c.wav", "speech/a.wav", "speech/b.wav")
    }
    frame = scores(run).set_index("metric")
    for metric, said in (("bitrate", "bitrate;v=1;bits=declared"), ("bitrate_nominal", ";v=1")):
        rows = frame.loc[metric]
        assert rows["value"].tolist() == [pytest.approx(0.98)] * 3
        assert rows["fingerprint"].str.endswith(said).all()
    # The same with a list that says less, in the same folder: only its rates are scored anew.
    (flat / "bitrate.csv").write_text("path,kbps\na,1\nb,2\n")
    main([*words, "--no-html", "-o", str(run)])
    again = scores(run).set_index(["metric", "clip_id"]).loc["bitrate"]
    assert again["value"].dropna().to_dict() == {"speech/a": 1.0, "speech/b": 2.0}
    assert again.loc["music/c", "reason"].startswith("nothing beside the files says")
