"""Environments for tests, made by hand in a moment, and wheels for pip to install."""

from __future__ import annotations

import json
import zipfile
from importlib.metadata import version
from pathlib import Path

import numpy as np

from snac_eval.registry.environments import RECORD
from tests.environments.venvs import bare_venv


def hand_made(root: Path, name: str, **record: object) -> Path:
    """A folder that passes for one that ``snac-eval env create`` made."""
    folder = root / name
    bare_venv(folder)
    written = {"requirements": ["tiny"], "packages": {"tiny": "1.0"}, **record}
    (folder / RECORD).write_text(json.dumps(written))
    return folder


def wheel(folder: Path, name: str, number: str, files: dict[str, str], needs: str = "") -> None:
    """A wheel of a package that holds these files."""
    info = f"{name}-{number}.dist-info"
    wanted = f"Requires-Dist: {needs}\n" if needs else ""
    content = {
        **files,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {number}\n{wanted}",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{file},,\n" for file in (*content, f"{info}/RECORD"))
    with zipfile.ZipFile(folder / f"{name}-{number}-py3-none-any.whl", "w") as archive:
        for file, text in {**content, f"{info}/RECORD": record}.items():
            archive.writestr(file, text)


def numpy_wheel(folder: Path) -> None:
    """A wheel that passes for NumPy: it points at this interpreter's own."""
    here = str(Path(np.__file__).parents[1])
    wheel(folder, "numpy", version("numpy"), {"numpy_here.pth": here})
