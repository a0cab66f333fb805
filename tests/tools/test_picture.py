"""The picture of README is small, and none is made, in one line, where there is no Chromium."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tools import picture


def test_a_picture_that_is_too_large_is_refused() -> None:
    noise = np.random.default_rng(0).integers(0, 255, (700, 700, 3), np.uint8)
    with pytest.raises(ValueError, match="bytes, over 300000"):
        picture.small(Image.fromarray(noise))
    assert picture.small(Image.new("RGB", (900, 900))).startswith(b"\x89PNG")


@pytest.mark.parametrize(("flags", "code"), [([], 0), (["--must"], 1)])
def test_without_chromium(
    flags: list[str],
    code: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    @contextlib.contextmanager
    def none() -> Iterator[None]:
        yield None

    monkeypatch.setattr(picture, "chromium", none)
    output = tmp_path / "picture.png"
    assert picture.main([str(tmp_path / "report.html"), "-o", str(output), *flags]) == code
    assert capsys.readouterr().err == f"{picture.LACKING}\n"
    assert not output.exists()
