"""One thing that was looked at, and how an examination goes on when looking fails."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from snac_eval.errors import one_line, readable

Status = Literal["ok", "absent", "broken"]


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found. The fields are the keys of ``--format json``."""

    section: str
    name: str
    value: str
    status: Status = "ok"
    needed: bool = True
    """Whether snac-eval does not work where this is broken or absent."""
    remedy: str = ""
    """What to do, where there is something to do."""

    @property
    def fails(self) -> bool:
        """Whether it makes the exit code 1."""
        return self.needed and self.status != "ok"


Section = tuple[str, Callable[[], Iterable[Finding]]]


def examined(sections: Iterable[Section]) -> list[Finding]:
    """All findings, readable and without secrets. What a section raises is its last finding."""
    return [_cleaned(finding) for name, look in sections for finding in _guarded(name, look)]


def _guarded(name: str, look: Callable[[], Iterable[Finding]]) -> Sequence[Finding]:
    found: list[Finding] = []
    try:
        found.extend(look())
    except (Exception, SystemExit) as error:  # noqa: BLE001 - that is what the doctor looks for
        found.append(Finding(name, "examination", f"{one_line(error)}{_where(error)}", "broken"))
    return found


def _where(error: BaseException) -> str:
    """The file that failed, which may be of a package that is needed to look at packages."""
    frames = traceback.extract_tb(error.__traceback__)
    return f" ({frames[-1].filename}:{frames[-1].lineno})" if frames else ""


def _cleaned(one: Finding) -> Finding:
    """Names and values come from variables, files and other people's errors."""
    parts = map(readable, (one.section, one.name, one.value, one.remedy))
    section, name, value, remedy = parts
    return Finding(section, name, value, one.status, one.needed, remedy)
