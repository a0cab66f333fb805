"""``snac-eval bench`` as typed."""

from __future__ import annotations

from pathlib import Path

import pytest

from snac_eval.bench import protocol
from snac_eval.bench.protocol import BenchConfig
from snac_eval.cli.main import main

QUICK = ["--durations", "0.5", "--batch-sizes", "1", "--threads", "1", "--repeats", "6"]


def test_a_quiet_bench_prints_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[BenchConfig] = []
    monkeypatch.setattr(protocol, "bench", lambda config, _: asked.append(config))
    words = ["bench", "--model", "opus_6kbps", *QUICK, "-o", str(tmp_path), "--quiet"]
    assert main(words) == 0
    assert capsys.readouterr() == ("", "")
    assert not asked[0].show_progress


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--model", "opus_6kbs"], "did you mean 'opus_6kbps'"),
        (["--model", "opus_6kbps", "--durations", "1;2"], "give numbers with commas"),
        (["--model", "opus_6kbps", "--batch-sizes", "1.5"], "--batch-sizes 1.5: give numbers"),
        (["--model", "opus_6kbps", "--device", "tpu"], "unknown device 'tpu'"),
    ],
)
def test_bad_flags_get_one_line(
    flags: list[str], words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["bench", *flags, "--output", str(tmp_path / "out"), "--quiet"]) == 2
    error = capsys.readouterr().err
    assert words in error
    assert error.count("\n") == 1
    assert not (tmp_path / "out").exists()
