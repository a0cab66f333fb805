"""Environments for tests: made by hand, in a moment, with this interpreter's NumPy."""

from __future__ import annotations

import json
import venv
from pathlib import Path

import numpy as np

from snac_eval.registry.environments import RECORD


def hand_made(root: Path, name: str, **record: object) -> Path:
    """A folder that passes for one that ``snac-eval env create`` made."""
    folder = root / name
    venv.create(folder, symlinks=True)
    (packages,) = folder.glob("lib/python*/site-packages")
    (packages / "numpy.pth").write_text(str(Path(np.__file__).parents[1]))
    written = {"requirements": ["tiny"], "packages": {"tiny": "1.0"}, **record}
    (folder / RECORD).write_text(json.dumps(written))
    return folder
