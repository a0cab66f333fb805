"""Weights that their authors publish at an address of the web, as one file."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from snac_eval.audio import file_sha256
from snac_eval.download import archive_name, cache_dir, fetch, only_one
from snac_eval.errors import DownloadError, WeightsUnavailable
from snac_eval.reading.names import user_path

NEEDS_WEIGHTS = "needs weights (web)"
"""What ``snac-eval list`` shows of a metric whose weights are not on this machine."""


@dataclass(frozen=True, slots=True)
class WebFile:
    """A file at an address, kept in the cache, or in a folder that the user named."""

    url: str
    variable: str
    """Environment variable that names a folder to take instead, with the file of this name."""
    family: str
    """Folder below the cache's ``weights``."""
    known_hash: str | None = None
    """``sha256:...``; None: nobody published one, and only the fingerprint tells what came."""
    least_bytes: int = 0
    """What is smaller, such as the page of a network that wants a password, is not kept."""

    @property
    def name(self) -> str:
        """Of the file."""
        return archive_name(self.url)

    @property
    def source(self) -> str:
        """What a fingerprint names."""
        return self.url

    def get(self) -> Path:
        """The file, downloaded first if need be. Raises WeightsUnavailable."""
        if (given := self._given) is not None:
            if not given.is_file():
                raise WeightsUnavailable(f"{given}: there is no such file (see {self.variable})")
            return given
        if (file := self._kept).is_file():
            return file
        ways_out = f"set {self.variable} to a folder that holds {self.name}"
        try:
            with only_one(f"weights-{self.family}-{self.name}"):
                fetch(self.url, self.known_hash, file.parent, False, ways_out)
        except DownloadError as error:
            raise WeightsUnavailable(str(error)) from error
        if (size := file.stat().st_size) < self.least_bytes:
            file.unlink()
            raise WeightsUnavailable(
                f"{self.url}: what came are {size} bytes, which are no weights; nothing was kept,"
                f" try again or {ways_out}"
            )
        return file

    @property
    def digest(self) -> str:
        """SHA-256 of the file, shortened; ``absent`` where it is not on this machine."""
        try:
            return file_sha256(self._given or self._kept)[:16]
        except (OSError, DownloadError):
            return "absent"

    @property
    def state(self) -> str:
        """What ``snac-eval list`` shows: empty where the file is on this machine."""
        return NEEDS_WEIGHTS if self.digest == "absent" else ""

    @property
    def remedy(self) -> tuple[str, ...]:
        """Ways to get the file; empty where it is on this machine."""
        if not self.state:
            return ()
        return (
            f"curl -LO {self.url}",
            f"{self.variable}=DIR, a folder that holds {self.name}",
        )

    @property
    def _given(self) -> Path | None:
        folder = os.environ.get(self.variable)
        return user_path(folder) / self.name if folder else None

    @property
    def _kept(self) -> Path:
        return cache_dir() / "weights" / self.family / self.name
