"""What must be known of a run's numbers stands on every surface that prints them."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
import soundfile

from snac_eval.cli.main import main
from snac_eval.results.record import read_run
from tests.conftest import tone

CODECS = """
import numpy as np

from snac_eval.codecs.pcm import PcmCodec
from snac_eval.registry.plugins import codec_card
from snac_eval.types import Codes, Waveform

GENERATOR = np.random.default_rng()
ENCODED = []


class Noisy(PcmCodec):
    \"\"\"Adds noise that no seed repeats.\"\"\"

    def __init__(self):
        super().__init__(codec_card("pcm_16bit"))
        self.fingerprint = "noisy/1"

    def encode(self, waveforms):
        ENCODED.append(len(waveforms))
        return super().encode(waveforms)

    def decode(self, codes, seeds):
        return [
            Waveform(
                one.samples + 0.01 * GENERATOR.standard_normal(one.samples.shape, np.float32),
                one.sample_rate,
            )
            for one in super().decode(codes, seeds)
        ]


class Tokens(PcmCodec):
    \"\"\"A few tokens a clip; fails on clips of less than a second.\"\"\"

    def __init__(self):
        super().__init__(codec_card("pcm_16bit"))
        self.fingerprint = "tokens/1"

    def encode(self, waveforms):
        if waveforms[0].duration_s < 1:
            raise ValueError("too short for me")
        self.samples = waveforms[0].samples
        stream = np.arange(10, dtype=np.int32) + waveforms[0].num_samples % 1000
        return [Codes(waveforms[0].num_samples, (stream,), (1024,))]

    def decode(self, codes, seeds):
        return [Waveform(self.samples, 16000)]
"""


@pytest.fixture
def dataset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Three clips, the first of half a second; beside them the codecs' module."""
    folder = tmp_path / "wav" / "speech"
    folder.mkdir(parents=True)
    for name, duration_s in (("a", 0.5), ("b", 1.2), ("c", 1.5)):
        soundfile.write(folder / f"{name}.wav", tone(duration_s), 16000)
    (tmp_path / "wavering.py").write_text(CODECS)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "wavering", raising=False)
    return f"folder:{folder.parent}"


def _run(codec: str, dataset: str, output: Path, *more: str) -> int:
    arguments = ["run", "--model", codec, "--dataset", dataset, "--output", str(output)]
    arguments += ["--workers", "0", "--max-error-rate", "1"]
    return main([*arguments, *more])


def _surfaces(run: Path, other: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, str]:
    """What every command that prints the run's numbers says."""
    baseline, page = run.with_suffix(".json"), run.with_suffix(".html")
    main(["baseline", str(other), "-o", str(baseline)])
    said = {"summary": (run / "summary.md").read_text(encoding="utf-8")}
    for name, arguments in {
        "table": ["table", str(run)],
        "compare": ["compare", str(run), str(other)],
        "check": ["check", str(run), "--baseline", str(baseline), "--no-speed"],
    }.items():
        capsys.readouterr()
        main(arguments)
        said[name] = capsys.readouterr().out
    main(["report", str(run), "--html", "--output", str(page)])
    return said | {"page": page.read_text(encoding="utf-8")}


def test_a_codec_that_is_not_deterministic_is_called_so_everywhere(
    dataset: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    noisy, other = tmp_path / "noisy", tmp_path / "other"
    assert _run("wavering:Noisy", dataset, noisy, "--metrics", "bitrate,mel_dac_paper") == 0
    assert "is not deterministic" in capsys.readouterr().out
    assert _run("pcm_16bit", dataset, other, "--metrics", "bitrate,mel_dac_paper") == 0
    assert "deterministic" not in capsys.readouterr().out
    found = json.loads((noisy / "manifest.json").read_text())["determinism"]
    assert found["clip"] == "speech/c"
    assert found["num_codes"] > found["num_changed"] == 0
    assert -40 < found["audio_db"] < 0
    expected = (
        "wavering:Noisy is not deterministic: two passes over clip speech/c differ in their audio"
        f" by {found['audio_db']:.0f} dB"
    )
    for name, text in _surfaces(noisy, other, capsys).items():
        assert expected in text, name
    assert json.loads((other / "manifest.json").read_text())["determinism"]["audio_db"] is None


def test_what_a_run_found_is_kept_by_its_continuation(dataset: str, tmp_path: Path) -> None:
    output = tmp_path / "noisy"
    _run("wavering:Noisy", dataset, output, "--metrics", "bitrate", "--no-html")
    before = json.loads((output / "manifest.json").read_text())["determinism"]
    encoded: list[int] = sys.modules["wavering"].ENCODED
    encoded.clear()
    more = (["--metrics", "bitrate"], ["--metrics", "mel_dac_paper"])
    for options in (*more, [*more[0], "--limit", "2"]):
        _run("wavering:Noisy", dataset, output, "--no-html", *options)
        assert json.loads((output / "manifest.json").read_text())["determinism"] == before
    assert encoded == []


def test_few_tokens_and_lost_clips_are_said_beside_what_all_clips_have_together(
    dataset: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, other = tmp_path / "tokens", tmp_path / "other"
    metrics = "bitrate,codebook_usage,bitrate_entropy"
    assert _run("wavering:Tokens", dataset, run, "--metrics", metrics) == 0
    # Codebooks were asked for by name, and this codec has none.
    assert _run("pcm_16bit", dataset, other, "--metrics", metrics) == 3
    usage = read_run(run).metrics["codebook_usage"]
    assert usage.counts == (2, 0, 1)
    expected = (
        "1 of 3 clips are left out (1 failed); estimated from few tokens in its stream: stream 0"
        " has 20 for 1024 entries, of which 2.0 % occur"
    )
    assert usage.caveat == expected
    said = _surfaces(run, other, capsys)
    capsys.readouterr()
    main(["table", str(run), "--metrics", metrics])
    said["table"] = capsys.readouterr().out
    for name, text in said.items():
        assert expected in text, name
    assert "codebook_usage, bitrate_entropy: 1 of 3" in said["table"]
