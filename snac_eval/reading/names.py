"""Paths as people write them, and as the disk has them."""

from __future__ import annotations

import os
from collections import defaultdict
from functools import lru_cache
from pathlib import Path
from unicodedata import normalize
from urllib.parse import unquote

from snac_eval.errors import UsageError, readable
from snac_eval.locations import Location, Url, is_url


def user_path(text: str | Path) -> Path:
    """The path with its ``~`` or ``~user`` filled in. Raises UsageError where that is nobody."""
    try:
        return Path(text).expanduser()
    except RuntimeError as error:
        raise UsageError(f"{readable(text)}: whose folder is that? Write the whole path") from error


def location(text: str) -> Location:
    """The path, or the address where it is one; ``file://`` is a path. Raises UsageError as
    :func:`user_path` does."""
    if not is_url(text):
        return user_path(text)
    scheme, _, rest = text.partition("://")
    if scheme.lower() != "file":
        return Url(text)
    return Path(unquote(rest.removeprefix("localhost")))


def shown_path(path: Location) -> str:
    """A path as reports call what lies there: from the current folder where it is below that, else
    whole. Two places never have one name, whatever way they were written."""
    if isinstance(path, Url):
        return readable(path).rstrip("/")
    whole = Path(os.path.abspath(path))
    here = Path.cwd()
    return readable(whole.relative_to(here) if whole.is_relative_to(here) else whole)


def composed(text: str) -> str:
    """Text with its accents composed (NFC): macOS keeps names decomposed, other systems as typed.

    >>> composed("e\\u0301") == "\\u00e9"
    True
    """
    return normalize("NFC", text)


def on_disk(path: Path) -> Path:
    """The path, or the one that is there and differs only in how accents are composed."""
    if os.path.lexists(path) or path.parent == path:
        return path
    folder = on_disk(path.parent)
    names = _names(folder).get(composed(path.name), ())
    return folder / (names[0] if len(names) == 1 else path.name)


def _names(folder: Path) -> dict[str, list[str]]:
    try:
        return _listed(folder, folder.stat().st_mtime_ns)
    except (OSError, ValueError):
        return {}


@lru_cache(maxsize=64)
def _listed(folder: Path, _modified_ns: int) -> dict[str, list[str]]:
    names: dict[str, list[str]] = defaultdict(list)
    for name in os.listdir(folder):
        names[composed(name)].append(name)
    return dict(names)
