"""Whether this process is a worker, and questions that a worker asks the process it works for.

The other interpreter need not have what finds or downloads weights; whoever started it has.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

Ask = Callable[[str, Mapping[str, Any]], Any]
_ASK: list[Ask] = []


def is_worker() -> bool:
    """Whether this process is a worker."""
    return bool(_ASK)


def ask(question: str, **said: Any) -> Any:  # noqa: ANN401
    """The answer of the process that this one works for. Raises what that raised."""
    return _ASK[-1](question, said)


def answer_by(ask: Ask) -> None:
    """Have questions of this process answered so."""
    _ASK[:] = [ask]
