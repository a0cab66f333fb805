"""Runs to be pushed, and a hub of their own."""

from __future__ import annotations

import getpass
import platform
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.runs import noisy, write_run
from tests.writable_hub import Hub, serve_writable_hub, use_hub

HOME = f"/home/{getpass.getuser()}/secret-project"


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """An empty hub, which this process asks as the user ``me``, in an empty folder."""
    # The hub's client uploads large files in a way that its own library deprecates.
    warnings.filterwarnings("ignore", "Use 'content=", DeprecationWarning)
    with serve_writable_hub() as served:
        use_hub(monkeypatch, served.endpoint, str(tmp_path / "cache"), "hf_me")
        monkeypatch.chdir(tmp_path)
        yield served


def make_run(folder: Path, codec: str, mean: float) -> Path:
    """A run of ten clips: of every kind of score, and with what nobody else should know."""
    pesq = [*noisy(mean, 0.2, 8), f"undefined: nothing in {HOME}/a.wav", "error: no such thing"]
    write_run(
        folder,
        {"pesq_wb": pesq, "word_error_rate": noisy(10, 1, 10)},
        codec,
        speakers=[f"speaker{index}" for index in range(10)],
        words={"word_error_rate": [float(3 + index) for index in range(10)]},
        corpus={"fad_clap": 0.25},
        card={"licence": "MIT", "weights": f"owner/{codec}"},
        kind="run",
        config={"model": codec, "dataset": "data", "output": HOME, "data_root": f"{HOME}/data"},
        argv=["run", "--model", codec, "--data-root", f"{HOME}/data"],
        hardware={"cpu": "Test CPU", "cores": 2, "system": f"Linux-6.1-{platform.node()}-x"},
        finished="2026-01-02T03:04:05Z",
        domain_metrics={"speech": ["pesq_wb", "word_error_rate"]},
        num_clips=10,
        num_rows=20,
        streams=[],
    )
    for name in ("store.sqlite", "report.html", "clip.wav", ".token"):
        (folder / name).write_text(HOME)
    return folder


@pytest.fixture
def run(hub: Hub, tmp_path: Path) -> Path:
    """One run's folder."""
    return make_run(tmp_path / "mine", "tiny", 2.0)
