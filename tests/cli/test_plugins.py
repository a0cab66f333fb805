"""A package that brings a codec, a dataset, metrics and cards is installed and used."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import soundfile

from tests.cli.helpers import run_process, scores
from tests.conftest import tone

PLUGIN = Path(__file__).parents[1] / "plugin"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that the plugin is installed into, as pip does it."""
    target = tmp_path_factory.mktemp("site")
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index"]
    subprocess.run(
        [*install, "--no-build-isolation", "--target", str(target), str(PLUGIN)], check=True
    )
    return target


@pytest.fixture
def clips(tmp_path: Path) -> Path:
    """Three clips."""
    folder = tmp_path / "clips"
    folder.mkdir()
    for index, name in enumerate("abc"):
        soundfile.write(folder / f"{name}.wav", tone(1.0, seed=index), 16000)
    return folder


def test_plugin_is_listed_and_run(site: Path, clips: Path, tmp_path: Path) -> None:
    assert "tiny_half" in run_process("list", "codecs", path=site).stdout
    run = ["run", "--model", "tiny_half", "--dataset", f"tiny:{clips}", "--metrics", "tiny_peak"]
    run += ["--track", f"tiny_lines:{tmp_path}/runs.jsonl"]
    done = run_process(*run, "--output", tmp_path / "run", "--workers", "1", path=site)
    assert done.returncode == 0, done.stderr
    assert '"means": {"tiny_peak": ' in (tmp_path / "runs.jsonl").read_text()
    frame = scores(tmp_path / "run")
    assert len(frame) == 3
    assert frame["value"].between(49, 51).all()


def test_a_metric_of_the_wrong_kind_is_refused_by_name(
    site: Path, clips: Path, tmp_path: Path
) -> None:
    run = ["run", "--model", "tiny_half", "--dataset", f"tiny:{clips}", "--metrics", "tiny_wrong"]
    done = run_process(*run, "--output", tmp_path / "run", path=site)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    said = "metric 'tiny_wrong': it is of kind 'codes', which has the method 'score_codes'"
    assert f"{said}; it has 'score'" in done.stderr


def test_broken_plugin_is_one_line(clips: Path, tmp_path: Path) -> None:
    broken = tmp_path / "site"
    folder = broken / "broken-0.1.dist-info"
    folder.mkdir(parents=True)
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: broken\nVersion: 0.1\n")
    (folder / "entry_points.txt").write_text(
        "[snac_eval.metrics]\nbroken = no_such_module:Metric\n"
    )
    run = ["run", "--model", "pcm_8bit", "--dataset", f"folder:{clips}", "--metrics", "broken"]
    done = run_process(*run, "--output", tmp_path / "run", path=broken)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "metric 'broken' cannot be loaded from no_such_module:Metric" in done.stderr
