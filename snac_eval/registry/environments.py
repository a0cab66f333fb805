"""Environments of codecs and metrics that this interpreter cannot hold: where they lie.

``snac-eval env create`` makes them; a codec's card names its own, and so does a metric. What is not
made yet is told like a missing extra.
"""

from __future__ import annotations

import os
from pathlib import Path

from snac_eval.types import CodecCard

FOLDER_VARIABLE = "SNAC_EVAL_ENVIRONMENTS"
"""Environment variable: the folder that holds them, instead of the user's own data folder."""


def environments_folder() -> Path:
    """The folder that holds a folder for each of them; it need not be there."""
    from platformdirs import user_data_path

    given = os.environ.get(FOLDER_VARIABLE)
    return Path(given).expanduser() if given else user_data_path("snac-eval") / "environments"


def python_of(name: str) -> Path | None:
    """The interpreter of an environment; None where it was not made."""
    folder = environments_folder() / name
    found = folder / "Scripts" / "python.exe" if os.name == "nt" else folder / "bin" / "python"
    return found if found.is_file() else None


def interpreter_of(card: CodecCard) -> str:
    """The interpreter that a card's codec runs in: the card's own, or that of its environment once
    it was made. Empty: this one."""
    made = python_of(card.environment) if card.environment else None
    return card.python or ("" if made is None else str(made))


def environment_state(name: str) -> str:
    """As the lists show an environment that was not made."""
    return f"needs environment {name}"


def environment_remedy(name: str) -> str:
    """What makes it."""
    return f"snac-eval env create {name}"
