"""``trackers.json`` in a run's folder: under which name each tracker knows the run, and what it was
given last. By it a run that is continued is continued there too, and nothing is logged twice."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from snac_eval.errors import redacted
from snac_eval.types import RunFacts
from snac_eval.writing import read_text, write_text

FILE_NAME = "trackers.json"


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a run in one place where it is logged."""

    name: str = ""
    """The run's there; empty where it was not logged there yet."""
    logged: str = ""
    """:func:`snac_eval.trackers.content.content_digest` of what it was given last."""


class Memory:
    """Of one run and one place: ``mlflow http://host``. A run that is overwritten has none."""

    def __init__(self, run: RunFacts, place: str, anew: bool = False) -> None:
        self._file, self._place = run.folder / FILE_NAME, redacted(place)
        found = {} if anew else _read(self._file).get(self._place, {})
        self.known = Known(str(found.get("name", "")), str(found.get("logged", "")))

    def keep(self, **changes: str) -> None:
        """Write what is known now. Raises OutputError."""
        self.known = replace(self.known, **changes)
        whole = _read(self._file) | {self._place: asdict(self.known)}
        write_text(self._file, json.dumps(whole, indent=2) + "\n")


def begins_anew(run: RunFacts) -> bool:
    """Whether the run forgets what its folder held."""
    return bool(run.manifest.get("config", {}).get("overwrite"))


def _read(file: Path) -> dict[str, Any]:
    """What the file holds; nothing where it is not there or is none of ours."""
    try:
        found = json.loads(read_text(file))
    except (OSError, ValueError):
        return {}
    if not isinstance(found, dict):
        return {}
    return {place: one for place, one in found.items() if isinstance(one, dict)}
