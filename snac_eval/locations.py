"""Where audio lies: a path here, or an address elsewhere (``s3://``, ``gs://``, ``hf://``, ...)."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

from snac_eval.errors import redacted

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")


@dataclass(frozen=True, slots=True)
class Url:
    """An address that fsspec knows. As text it is what people may see: no password, no token."""

    full: str = field(repr=False)
    """With what opens it. For nobody but the one who opens it."""
    stamp: str = field(default="", compare=False, repr=False)
    """What changes with the content, where a listing said it."""

    def __str__(self) -> str:
        return redacted(self.full)

    @property
    def scheme(self) -> str:
        """``s3``, ``https`` and so on."""
        return self.full.partition("://")[0].lower()

    @property
    def suffix(self) -> str:
        """Of the last part of its path: ``.csv``."""
        return posixpath.splitext(self._bare)[1]

    @property
    def name(self) -> str:
        """The last part of its path."""
        return unquote(posixpath.basename(self._bare))

    @property
    def parent(self) -> Url:
        """The folder that it lies in."""
        return Url(self._bare.rpartition("/")[0] or self._bare)

    def joined(self, relative: str) -> Url:
        """What lies there below this folder, ``..`` followed; of another address, that."""
        if is_url(relative):
            return Url(relative)
        head, _, path = self._bare.partition("://")
        return Url(f"{head}://{posixpath.normpath(posixpath.join(path, relative))}")

    def without_suffix(self) -> Url:
        """The same less ``.csv`` or the like, and less what is asked of a server."""
        return Url(posixpath.splitext(self._bare)[0])

    def relative_to(self, folder: Url) -> PurePosixPath:
        """Its path below a folder. Raises ValueError where it lies elsewhere."""
        root = folder._bare.rstrip("/") + "/"
        if not self._bare.startswith(root):
            raise ValueError(f"{self} does not lie below {folder}")
        return PurePosixPath(unquote(self._bare.removeprefix(root)))

    @property
    def _bare(self) -> str:
        """Without what is asked of a web server after its path."""
        return (
            urlsplit(self.full)._replace(query="", fragment="").geturl()
            if self._is_web
            else (self.full)
        )

    @property
    def _is_web(self) -> bool:
        return self.scheme in ("http", "https")


Location = Path | Url
"""Where a file lies."""


def common_folder(urls: Sequence[Url], own: Location) -> Url:
    """The folder below which all of them lie: ``own`` where it is, else the longest that is; of
    none in common, the first one's."""
    if isinstance(own, Url) and all(_lies_below(url, own) for url in urls):
        return own
    folder = urls[0].parent
    while not all(_lies_below(url, folder) for url in urls):
        if folder.parent == folder or folder.parent.full.endswith(":/"):
            return urls[0].parent
        folder = folder.parent
    return folder


def _lies_below(url: Url, folder: Url) -> bool:
    try:
        url.relative_to(folder)
    except ValueError:
        return False
    return True


def is_url(text: str) -> bool:
    """Whether this is an address and no path."""
    return _SCHEME.match(text) is not None
