"""Fixtures that every test may use: seeded audio, and nothing from the network."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from snac_eval.audio import speech_like

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--device", default="cpu", choices=("cpu", "cuda"), help="where models are tested"
    )


def pytest_configure(config: pytest.Config) -> None:
    # Whoever runs the tests may have made environments.
    os.environ["SNAC_EVAL_ENVIRONMENTS"] = os.devnull
    if config.getoption("--device") == "cpu":
        return
    import torch

    if not torch.cuda.is_available():
        raise pytest.UsageError("--device cuda: torch finds no GPU here; leave the option out")


@pytest.fixture(scope="session")
def device(request: pytest.FixtureRequest) -> str:
    """Where models are tested: ``pytest --device cuda``."""
    return str(request.config.getoption("--device"))


@pytest.fixture
def shared_data() -> Path:
    """Local corpora beside the checkout; the test is skipped where there are none."""
    if not (SHARED_DATA / "LibriSpeech").is_dir():
        pytest.skip(f"needs {SHARED_DATA}, which is not part of the project")
    return SHARED_DATA


def tone(duration_s: float = 1.0, sample_rate: int = 16000, seed: int = 0) -> NDArray[np.float32]:
    """Synthetic speech ``[time]``."""
    return speech_like(round(duration_s * sample_rate), sample_rate, seed=seed).samples[0]


@pytest.fixture(scope="session")
def tiny_models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Folders of small random models for transformers, by the published model's name."""
    pytest.importorskip("transformers", reason="needs the extra transformers")
    from tests.tiny_transformers import SMALL, save_tiny

    root = tmp_path_factory.mktemp("models")
    return {name: save_tiny(name, root / name) for name in SMALL}


@pytest.fixture
def audio_dir(tmp_path: Path) -> Path:
    """Three readable mono clips of two domains, 16 kHz."""
    root = tmp_path / "audio"
    for index, name in enumerate(("speech/a.wav", "speech/b.wav", "music/c.wav")):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, tone(1.0 + 0.2 * index, seed=index), 16000)
    return root
