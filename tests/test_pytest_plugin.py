"""The fixtures for other people's test-suites, in sessions of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from snac_eval.bench.operation import operation
from snac_eval.errors import UsageError
from snac_eval.pytest_plugin import UPDATE, CodecGate
from snac_eval.results.baseline import load_baseline, write_baseline
from snac_eval.results.record import read_run
from tests.runs import Column, noisy, shifted, write_run

PESQ = noisy(2.5, 0.4)
SPEED = noisy(0.1, 0.005)


@pytest.fixture
def baseline(tmp_path: Path) -> Path:
    run = write_run(tmp_path / "base", {"pesq_wb": PESQ, "encode_real_time_factor": SPEED})
    write_baseline(read_run(run), tmp_path / "baseline.json")
    return tmp_path / "baseline.json"


def _run(tmp_path: Path, name: str, pesq: Column, **said: object) -> Path:
    scores = {"pesq_wb": pesq, "encode_real_time_factor": SPEED}
    return write_run(tmp_path / name, scores, **said)  # type: ignore[arg-type]


def _session(folder: Path, tests: str, *flags: str, ci: str = "") -> tuple[int, str]:
    """Run these tests in a session of their own, in this folder."""
    (folder / "test_mine.py").write_text(tests)
    # A session that thinks it is a worker of pytest-xdist measures nothing.
    own = {name: value for name, value in os.environ.items() if "XDIST" not in name}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", *flags],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
        env={**own, "CI": ci},
    )
    return done.returncode, done.stdout + done.stderr


def test_the_gate_fails_skips_or_ignores(baseline: Path, tmp_path: Path) -> None:
    gate = CodecGate()
    good = _run(tmp_path, "good", shifted(PESQ, 0.0, 0.02))
    assert gate(good, baseline, speed=True).exit_code == 0
    bad = _run(tmp_path, "bad", shifted(PESQ, -0.3, 0.02))
    with pytest.raises(pytest.fail.Exception, match="regression: pesq_wb") as failed:
        gate(bad, baseline)
    assert f"    pytest {UPDATE}, or: snac-eval baseline {bad} -o {baseline}" in str(failed.value)
    assert "- pesq_wb (40 of 40 clips fell by more than 0.1): clip0" in str(failed.value)
    assert gate(bad, baseline, tolerance=["pesq_wb=0.5"]).exit_code == 0
    few = write_run(tmp_path / "few", {"pesq_wb": shifted(PESQ[:3], -0.3, 0.02)})
    with pytest.raises(pytest.fail.Exception, match="few lost 37 of 40 clips"):
        gate(few, baseline)
    with pytest.raises(pytest.fail.Exception, match="worse on these clips: pesq_wb"):
        gate(few, baseline, allow_missing=True)
    with pytest.raises(pytest.skip.Exception, match="not known: pesq_wb"):
        gate(few, baseline, not_known="skip")
    assert gate(few, baseline, not_known="ignore").exit_code == 3


def test_a_missing_baseline_is_one_line_that_says_how_to_make_it(tmp_path: Path) -> None:
    run = _run(tmp_path, "run", PESQ)
    with pytest.raises(pytest.fail.Exception) as failed:
        CodecGate()(run, tmp_path / "none.json")
    said = str(failed.value)
    assert "\n" not in said
    make = f"of a run that is as it should be, snac-eval baseline {run} -o"
    assert f"none.json: no such baseline; {make}" in said
    assert said.endswith(f"or: pytest {UPDATE}")


_GATES = """
import pytest

@pytest.mark.parametrize("run", {runs})
def test_quality(codec_gate, run):
    codec_gate(run, run + ".json")
"""


def test_an_update_writes_what_does_not_pass_and_says_so(tmp_path: Path) -> None:
    worse = shifted(PESQ, -0.3, 0.02)
    base = read_run(_run(tmp_path, "base", PESQ))
    for name in ("passes", "worse", "unfinished", "lost", "lacking"):
        write_baseline(base, tmp_path / f"{name}.json")
    before = (tmp_path / "passes.json").read_bytes()
    _run(tmp_path, "passes", shifted(PESQ, 0.01, 0.001))
    _run(tmp_path, "worse", worse)
    _run(tmp_path, "unfinished", worse, state="interrupted")
    _run(tmp_path, "lost", [*worse[:39], "error: died"])
    write_run(tmp_path / "lacking", {"pesq_wb": worse})
    _run(tmp_path, "first", PESQ)
    _run(tmp_path, "failing", [*worse[:39], "error: died"])
    names = ["passes", "worse", "first", "unfinished", "lost", "lacking", "failing"]
    tests = _GATES.format(runs=names)
    code, output = _session(tmp_path, tests, UPDATE)
    assert code == 1
    assert "4 failed, 3 passed" in output
    assert "wrote worse.json: codec on data, 40 clips (regression: pesq_wb)" in output
    assert "wrote first.json: codec on data, 40 clips (the first one)" in output
    assert "wrote passes.json" not in output
    assert (tmp_path / "passes.json").read_bytes() == before
    kept = load_baseline(tmp_path / "worse.json").metrics
    assert list(kept) == ["pesq_wb", "encode_real_time_factor"]
    assert kept["pesq_wb"].values["clip000"] == pytest.approx(worse[0], abs=1e-5)
    for name in ("unfinished", "lost", "lacking"):
        assert f"{name}.json: not written, for the run is not finished, lost clips, or" in output
        assert load_baseline(tmp_path / f"{name}.json").metrics["pesq_wb"].values["clip000"] > 2
    assert "failing.json: not made: 1 of 40 clips failed (first: clip039: died)" in output
    assert not (tmp_path / "failing.json").exists()


def test_nobody_updates_where_nobody_looks(tmp_path: Path) -> None:
    code, output = _session(tmp_path, "def test_nothing(): ...\n", UPDATE, ci="true")
    assert code == 4
    assert f"{UPDATE}: CI is set; accept scores where a person looks at them" in output


_SPEEDS = """
import pytest
from snac_eval.registry import plugins

@pytest.mark.parametrize("operation", ["encode", "decode", "roundtrip"])
def test_speed(codec_benchmark, operation):
    factor = codec_benchmark("pcm_16bit", operation, seconds=0.5, rounds=3)
    assert factor > 0

def test_that_it_can_be_slower(codec_benchmark):
    import snac_eval
    codec_benchmark(snac_eval.load_codec("pcm_16bit"), seconds=0.1)
"""


def test_the_benchmark_is_pytest_benchmarks(tmp_path: Path) -> None:
    code, output = _session(tmp_path, _SPEEDS, "--benchmark-json=out.json")
    assert code == 0, output
    found = json.loads((tmp_path / "out.json").read_text())["benchmarks"]
    assert [one["group"] for one in found] == [
        "encode, 0.5 s",
        "decode, 0.5 s",
        "roundtrip, 0.5 s",
        "roundtrip, 0.1 s",
    ]
    assert [one["stats"]["rounds"] for one in found] == [3, 3, 3, 7]
    facts = found[2]["extra_info"]
    assert facts["real_time_factor"] == pytest.approx(found[2]["stats"]["median"] / 0.5)
    expected = {"codec": "pcm_16bit", "operation": "roundtrip", "device": "cpu", "threads": 1}
    expected |= {"audio_seconds": 0.5, "batch_size": 1, "seed": 0}
    assert {key: facts[key] for key in expected} == expected
    assert facts["bits"] == facts["bitrate_kbps"] * 500


def test_what_cannot_be_timed_is_said() -> None:
    def ask(codec: object = "pcm_16bit", timed: str = "encode", **changes: float) -> None:
        asked = {"seconds": 0.1, "batch_size": 1, "seed": 0, "device": "cpu", "threads": 1}
        operation(codec, timed, **{**asked, **changes})  # type: ignore[arg-type]

    with pytest.raises(UsageError, match="'train' is no operation; use encode, decode, roundtrip"):
        ask(timed="train")
    with pytest.raises(UsageError, match="seconds=0: must be above 0"):
        ask(seconds=0)
    with pytest.raises(UsageError, match="pcm_16bit codes one clip at a time"):
        ask(batch_size=4)
    with pytest.raises(UsageError, match="this dict: gives no codec"):
        ask({})


def test_a_session_that_uses_neither_fixture_imports_nothing_heavy() -> None:
    heavy = "numpy pandas torch scipy av huggingface_hub pydantic"
    code = f"import sys, snac_eval.pytest_plugin; print({heavy.split()} & sys.modules.keys())"
    code = code.replace("[", "{").replace("]", "}")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
