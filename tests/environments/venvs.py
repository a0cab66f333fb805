"""Interpreters for tests: venvs in which only the packages that are named can be imported."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

NUMPY = ("numpy", "numpy.libs")
TORCH = (
    *("torch", "torch.libs", "torchgen", "functorch", "typing_extensions.py", "sympy", "mpmath"),
    *("filelock", "fsspec", "jinja2", "markupsafe", "networkx"),
)


def bare_venv(folder: Path, names: tuple[str, ...] = NUMPY) -> Path:
    """The interpreter of a new venv, whose packages are links to these of this one."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    found = importlib.util.find_spec("numpy")
    assert found is not None
    assert found.origin is not None
    here = Path(found.origin).parents[1]
    (there,) = (folder / "lib").glob("python*/site-packages")
    for name in names:
        if (here / name).exists():
            (there / name).symlink_to(here / name)
    return folder / "bin" / "python"
