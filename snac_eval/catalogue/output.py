"""How facts leave: as JSON, or as wide as the terminal."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from snac_eval.catalogue.facts import Facts
from snac_eval.writing import jsonable

_NARROWEST = 40


def terminal_width() -> int:
    """Columns of the terminal, or of COLUMNS; 80 where there is neither."""
    return max(_NARROWEST, shutil.get_terminal_size().columns)


def as_json(found: Mapping[str, Sequence[Facts]] | Sequence[Facts]) -> str:
    """The facts under the names of their fields; lists under their kind where they are by kind."""
    content: Any = (
        {kind: list(map(asdict, ones)) for kind, ones in found.items()}
        if isinstance(found, Mapping)
        else list(map(asdict, found))
    )
    return json.dumps(jsonable(content), indent=2, ensure_ascii=False, allow_nan=False)
