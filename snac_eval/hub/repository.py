"""A repository of the Hugging Face hub: its files, from the cache where that holds what is wanted.

A worker in another interpreter need not have the hub's client: it asks whoever started it.
"""

from __future__ import annotations

import json
import re
import socket
import urllib.parse
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from snac_eval.asking import ask, is_worker
from snac_eval.download import network_timeout_s, while_it_arrives
from snac_eval.errors import SnacEvalError, WeightsUnavailable, detail

CONFIG_FILE = "config.json"
WEIGHT_FILES = ("model.safetensors", "pytorch_model.bin")
"""A model has one of these; the first is taken where it has both."""
QUESTION = "weights"
"""What a worker in another interpreter asks whoever started it; :func:`answer` answers."""
REPOSITORY = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*")
"""What its name looks like."""
_OTHER_FILES = (".json", ".txt")
_TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True)
class WeightFiles:
    """Where a model's configuration and weights lie on this machine."""

    config: Path
    weights: Path


@dataclass(frozen=True, slots=True)
class Repository:
    """A repository of the hub at a revision, from the cache where that holds what is wanted."""

    name: str
    revision: str | None
    """A commit, a branch or a tag; None: the main branch."""
    way_out: str
    """What the user can do where neither cache nor hub has the files."""
    weight_files: tuple[str, ...] = WEIGHT_FILES

    def files(self) -> WeightFiles:
        """Configuration and weights. Raises WeightsUnavailable."""
        if is_worker():
            return WeightFiles(*self._asked("files"))
        return WeightFiles(self.file(CONFIG_FILE), self._weights())

    def folder(self) -> Path:
        """The folder of the cache with the weights and all small files of the repository's root.

        Raises WeightsUnavailable.
        """
        if is_worker():
            return self._asked("folder")[0]
        # Weights come last: where the cache has them, it has all.
        if (cached := self.cached_weights()) is not None:
            return cached.parent
        for name in self._small_files():
            self.file(name)
        return self._weights().parent

    def cached_weights(self) -> Path | None:
        """The weights in the cache; None where they are not there."""
        if is_worker():
            return next(iter(self._asked("cached_weights")), None)
        found = (self.cached(name) for name in self.weight_files)
        return next((file for file in found if file is not None), None)

    def _asked(self, wanted: str, file: str = "") -> list[Path]:
        return [*map(Path, ask(QUESTION, wanted=wanted, file=file, **asdict(self)))]

    def _weights(self) -> Path:
        from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

        if (cached := self.cached_weights()) is not None:
            return cached
        for name in self.weight_files[:-1]:
            try:
                return self.file(name)
            except WeightsUnavailable as error:
                cause = error.__cause__
                # The local one says only that the hub did not answer.
                if isinstance(cause, LocalEntryNotFoundError) or not isinstance(
                    cause, EntryNotFoundError
                ):
                    raise
        return self.file(self.weight_files[-1])

    def file(self, name: str) -> Path:
        """One file, by its path in the repository. Raises WeightsUnavailable."""
        if is_worker():
            return self._asked("file", name)[0]
        from huggingface_hub import hf_hub_download

        # A pinned revision never changes: what the cache holds needs no question to the hub.
        if (cached := self.cached(name)) is not None and _intact(cached):
            return cached
        try:
            check_reachable()
            file = while_it_arrives(
                lambda: Path(hf_hub_download(self.name, name, revision=self.revision)),
                network_timeout_s(),
                self._arrived,
            )
            if not _intact(file):
                raise OSError(f"what came as {name} is not JSON; it was not kept")
        except SnacEvalError:
            raise
        except Exception as error:
            raise self._unavailable(name, error) from error
        return file

    def _arrived(self) -> int:
        """Bytes of what is being downloaded."""
        from huggingface_hub import constants
        from huggingface_hub.file_download import repo_folder_name

        folder = Path(constants.HF_HUB_CACHE)
        blobs = folder / repo_folder_name(repo_id=self.name, repo_type="model") / "blobs"
        # What is allocated: a client may give the file its length before it has the content.
        return sum(_allocated(file) for file in blobs.glob("*.incomplete"))

    def _small_files(self) -> list[str]:
        from huggingface_hub import HfApi

        try:
            check_reachable()
            names = HfApi().list_repo_files(self.name, revision=self.revision)
        except Exception as error:
            raise self._unavailable("the files", error) from error
        return [name for name in names if "/" not in name and name.endswith(_OTHER_FILES)]

    def cached(self, name: str) -> Path | None:
        """The same from the cache alone; None where it is not there."""
        if is_worker():
            return next(iter(self._asked("cached", name)), None)
        from huggingface_hub import try_to_load_from_cache

        try:
            found = try_to_load_from_cache(self.name, name, revision=self.revision)
        except (ValueError, OSError):  # no name of a repository, which the hub's client then tells
            return None
        return Path(found) if isinstance(found, str) else None

    def _unavailable(self, what: str, error: Exception) -> WeightsUnavailable:
        return WeightsUnavailable(
            f"cannot get {what} of '{self.name}' from the hub or its cache ({detail(error)}); set"
            f" HF_HOME to a filled cache or HF_ENDPOINT to a mirror, or {self.way_out}"
        )


def answer(
    wanted: str,
    file: str,
    name: str,
    revision: str | None,
    way_out: str,
    weight_files: Sequence[str],
) -> list[str]:
    """What a worker asks of a repository: paths of its ``files``, of its ``folder``, of one
    ``file``; of ``cached_weights`` or one ``cached`` file, none where they are not there.

    Raises WeightsUnavailable.
    """
    there = Repository(name, revision, way_out, tuple(weight_files))
    if wanted == "files":
        files = there.files()
        return [str(files.config), str(files.weights)]
    asked: dict[str, Callable[[], Path | None]] = {
        "folder": there.folder,
        "cached_weights": there.cached_weights,
        "file": lambda: there.file(file),
        "cached": lambda: there.cached(file),
    }
    found = asked[wanted]()
    return [] if found is None else [str(found)]


def of_hub(repository: str, revision: str = "", names: Sequence[str] = ()) -> tuple[str, ...]:
    """Ways to get files of a repository from the hub; without ``names``, all of them."""
    pinned = f" --revision {revision}" if revision else ""
    return (
        f"hf download {' '.join((repository, *names))}{pinned}",
        "HF_HOME=DIR, a cache of the hub that holds them, or HF_ENDPOINT=URL, a mirror of the hub",
    )


def check_reachable() -> None:
    """Raise OSError at once where the hub's client would try for a minute, or may not try at all.

    Behind a proxy nothing is checked: the hub is then reached by another way.
    """
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        raise OSError("HF_HUB_OFFLINE is set")
    if urllib.request.getproxies():
        return
    hub = urllib.parse.urlsplit(constants.ENDPOINT)
    port = hub.port or (443 if hub.scheme == "https" else 80)
    try:
        socket.create_connection((hub.hostname or "", port), timeout=_TIMEOUT_S).close()
    except OSError as error:
        raise OSError(f"{constants.ENDPOINT} cannot be reached: {error}") from error


def _allocated(file: Path) -> int:
    try:
        return file.stat().st_blocks * 512
    except OSError:  # it has just been moved into place
        return 0


def _intact(file: Path) -> bool:
    """False for JSON that is none, a proxy's page or half a file, which is then removed."""
    if file.suffix != ".json":
        return True
    try:
        json.loads(file.read_bytes())
    except (ValueError, RecursionError):
        file.resolve().unlink(missing_ok=True)  # the cache links to what it keeps
        file.unlink(missing_ok=True)
        return False
    return True


def weights_in(folder: Path, names: tuple[str, ...] = WEIGHT_FILES) -> Path | None:
    return next((folder / name for name in names if (folder / name).is_file()), None)


def no_weights(folder: Path, names: tuple[str, ...] = WEIGHT_FILES) -> str:
    held = f"neither {' nor '.join(names)}" if len(names) > 1 else f"no {names[0]}"
    return f"{folder}: holds {held}"
