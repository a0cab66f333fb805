"""Files that a codec's own package reads: from a folder that the user named, or from the hub."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from snac_eval.audio import file_sha256
from snac_eval.errors import WeightsUnavailable
from snac_eval.hub import NEEDS_WEIGHTS, cached_hub_file, hub_file, of_hub
from snac_eval.reading.names import user_path


@dataclass(frozen=True, slots=True)
class HubFile:
    """A file of a repository of the hub, by its path there; no revision: the main branch."""

    repository: str
    revision: str
    name: str

    def found_in(self, folder: Path) -> Path | None:
        """The file in a folder, or in a folder there that is called as the repository is, at its
        path in the repository or directly; None: not there."""
        names = (self.name, PurePosixPath(self.name).name)
        own = folder / PurePosixPath(self.repository).name
        there = (place / name for place in (own, folder) for name in names)
        return next((one for one in there if one.is_file()), None)


def find(files: Sequence[HubFile], folder: str = "") -> tuple[Path, ...]:
    """Where the files lie: in the folder, where one is named, else in the hub's cache, downloaded
    first if need be. Raises WeightsUnavailable."""
    if not folder:
        ways = f"give --weights {_folder_of(files)}"
        return tuple(hub_file(one.repository, one.revision, one.name, ways) for one in files)
    where = user_path(folder)
    there = [one.found_in(where) for one in files]
    missing = [one.name for one, file in zip(files, there, strict=True) if file is None]
    if missing:
        raise WeightsUnavailable(
            f"{where}: holds no {missing[0]}; give --weights {_folder_of(files)}"
        )
    return tuple(file for file in there if file is not None)


def state(files: Sequence[HubFile]) -> str:
    """What ``snac-eval list`` shows: empty where all files are in the hub's cache."""
    cached = (cached_hub_file(one.repository, one.revision, one.name) for one in files)
    return NEEDS_WEIGHTS if None in cached else ""


def remedy(files: Sequence[HubFile]) -> tuple[str, ...]:
    """Ways to get the files; empty where all are in the hub's cache."""
    if not state(files):
        return ()
    repositories = dict.fromkeys((one.repository, one.revision) for one in files)
    commands: list[str] = []
    for repository in repositories:
        names = [one.name for one in files if (one.repository, one.revision) == repository]
        command, *others = of_hub(*repository, names)
        commands.append(command)
    return (*commands, *others, f"--weights {_folder_of(files)}")


def sha256(files: Sequence[Path]) -> str:
    """Hex digest of a file's bytes; of several, of their digests one after the other."""
    digests = [file_sha256(file) for file in files]
    if len(digests) == 1:
        return digests[0]
    return hashlib.sha256("".join(digests).encode()).hexdigest()


def _folder_of(files: Sequence[HubFile]) -> str:
    *names, last = (PurePosixPath(one.name).name for one in files)
    return f"DIR, a folder with {', '.join(names)} and {last}" if names else f"DIR with {last}"
