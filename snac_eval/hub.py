"""Weights of any model: bundled, in a folder, in the Hugging Face hub's cache, or on the hub.

This module is the only one that asks the hub for a model. ``HF_ENDPOINT``, ``HF_HOME`` and
``HF_HUB_OFFLINE`` apply; a hub that sends next to nothing is given up as :mod:`snac_eval.download`
gives up any server. It imports no torch: a run with nothing left to compute only asks which weights
it is about.
"""

from __future__ import annotations

import json
import os
import re
import socket
import urllib.parse
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from snac_eval.asking import ask, is_worker
from snac_eval.audio import file_sha256
from snac_eval.download import network_timeout_s, while_it_arrives
from snac_eval.errors import SnacEvalError, WeightsUnavailable, detail
from snac_eval.reading.names import user_path
from snac_eval.registry.cards import data_dir, read_codec_card
from snac_eval.types import CodecCard

CONFIG_FILE = "config.json"
WEIGHT_FILES = ("model.safetensors", "pytorch_model.bin")
"""A model has one of these; the first is taken where it has both."""
_WEIGHT_SUFFIXES = (".safetensors", ".bin", ".pt", ".pth", ".ckpt")
BUNDLED_MODEL = "snac_16khz_mini"
NEEDS_WEIGHTS = "needs weights (hub)"
"""What ``snac-eval list`` shows of a model whose weights are not on this machine."""
QUESTION = "weights"
"""What a worker in another interpreter asks whoever started it; :func:`answer` answers."""
_OTHER_FILES = (".json", ".txt")
_WEIGHTS_FOLDER = f"a folder with {CONFIG_FILE} and {' or '.join(WEIGHT_FILES)}"
_TIMEOUT_S = 10.0
_REPOSITORY = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*")


@dataclass(frozen=True, slots=True)
class WeightFiles:
    """Where a model's configuration and weights lie on this machine."""

    config: Path
    weights: Path


def find_weights(
    name_or_dir: str | Path, revision: str | None = None, beside: tuple[str, ...] = ()
) -> WeightFiles:
    """Files of a folder, of a bundled or published model, or of a hub repository ``owner/name``.

    A model that has a card (``snac_24khz``) is taken at the card's revision unless told otherwise.
    ``beside``: small files that must lie beside the weights. Files in the hub's cache are not asked
    for again. Raises WeightsUnavailable.
    """
    name = str(name_or_dir)
    for needed in beside:
        find_file(name, needed, revision)
    bundled = data_dir("codecs") / name
    # Unlike a Path's, these methods take a name that is too long for one that is not there.
    if os.path.isfile(bundled / CONFIG_FILE):
        return _in_folder(bundled)
    if os.path.isdir(folder := user_path(name)):
        return _in_folder(folder)
    if (published := _published(name)) is not None:
        return _of_codec(published.weights, revision or published.revision).files()
    if name.count("/") != 1 or name.startswith((".", "/")):
        raise WeightsUnavailable(
            f"no weights at '{name}': it is no folder with {CONFIG_FILE}, no hub repository"
            f" (owner/name) and no model that snac-eval knows ({BUNDLED_MODEL}, snac_24khz, ...)"
        )
    return _of_codec(name, revision).files()


def find_file(name_or_dir: str | Path, file: str, revision: str | None = None) -> Path:
    """A small file of a folder or of a hub repository, whose weights are not asked for.

    Raises WeightsUnavailable.
    """
    name = str(name_or_dir)
    if os.path.isdir(folder := user_path(name)):
        if not (folder / file).is_file():
            raise WeightsUnavailable(f"{folder}: holds no {file}; add the one of the model's hub")
        return folder / file
    if not _REPOSITORY.fullmatch(name):
        raise WeightsUnavailable(f"'{name}' is no folder and no hub repository (owner/name)")
    return _Repository(name, revision, f"give a folder with {file}").file(file)


def weights_state(card: CodecCard) -> str:
    """NEEDS_WEIGHTS unless the card's weights are bundled or in the hub's cache."""
    if os.path.isfile(data_dir("codecs") / card.weights / CONFIG_FILE):
        return ""
    cached = _of_codec(card.weights, card.revision or None).cached_weights()
    return NEEDS_WEIGHTS if cached is None else ""


def weights_remedy(card: CodecCard) -> tuple[str, ...]:
    """Ways to get the card's weights; empty where they are bundled or in the hub's cache."""
    if not weights_state(card):
        return ()
    return (*of_hub(card.weights, card.revision), f"--weights DIR, {_WEIGHTS_FOLDER}")


def hub_file(repository: str, revision: str, name: str, way_out: str) -> Path:
    """A file of a repository, by its path there, from the cache or the hub; no revision: the main
    branch. Raises WeightsUnavailable, which ends in what else the user can do, ``way_out``."""
    return _Repository(repository, revision or None, way_out).file(name)


def cached_hub_file(repository: str, revision: str, name: str) -> Path | None:
    """The same from the cache alone; None where it is not there."""
    return _Repository(repository, revision or None, "").cached(name)


def of_hub(repository: str, revision: str = "", names: Sequence[str] = ()) -> tuple[str, ...]:
    """Ways to get files of a repository from the hub; without ``names``, all of them."""
    pinned = f" --revision {revision}" if revision else ""
    return (
        f"hf download {' '.join((repository, *names))}{pinned}",
        "HF_HOME=DIR, a cache of the hub that holds them, or HF_ENDPOINT=URL, a mirror of the hub",
    )


@dataclass(frozen=True)
class HubModel:
    """A model that a metric asks: a repository of the hub, or a folder that the user named."""

    repository: str
    variable: str
    """Environment variable that names a folder to take instead of the repository."""
    revision: str | None = None
    """The commit that is taken; None: the main branch, whatever it holds that day."""
    files: tuple[str, ...] = WEIGHT_FILES
    """Names that its weights may have; the first that is there is taken."""

    @cached_property
    def folder(self) -> Path:
        """Where the model's files are, downloaded first if need be. Raises WeightsUnavailable."""
        if (given := self._given) is None:
            return self._hub.folder()
        if _weights_in(given, self.files) is None:
            raise WeightsUnavailable(
                f"{_no_weights(given, self.files)}; it must be a folder of '{self.repository}'"
                f" (see {self.variable})"
            )
        return given

    @property
    def source(self) -> str:
        """What a fingerprint names; the digest beside it says which commit's weights they are."""
        return self.repository

    def get(self) -> Path:
        """The folder, as :attr:`folder`."""
        return self.folder

    @property
    def weights(self) -> Path:
        """The file of the weights in :attr:`folder`. Raises WeightsUnavailable."""
        if (file := _weights_in(self.folder, self.files)) is None:
            raise WeightsUnavailable(_no_weights(self.folder, self.files))
        return file

    @property
    def digest(self) -> str:
        """SHA-256 of the weights, shortened; ``absent`` where they are not on this machine."""
        given = self._given
        file = self._hub.cached_weights() if given is None else _weights_in(given, self.files)
        return "absent" if file is None else file_sha256(file)[:16]

    @property
    def state(self) -> str:
        """What ``snac-eval list`` shows: empty where the weights are on this machine."""
        return NEEDS_WEIGHTS if self.digest == "absent" else ""

    @property
    def remedy(self) -> tuple[str, ...]:
        """Ways to get the weights; empty where they are on this machine."""
        if not self.state:
            return ()
        hub = of_hub(self.repository, self.revision or "")
        return (*hub, f"{self.variable}=DIR, a folder of its files")

    @property
    def _given(self) -> Path | None:
        given = os.environ.get(self.variable)
        return user_path(given) if given else None

    @property
    def _hub(self) -> _Repository:
        way_out = f"set {self.variable} to a folder of its files"
        return _Repository(self.repository, self.revision, way_out, self.files)


def model_named(repository: str, prefix: str) -> HubModel | None:
    """The model of this repository, which ``PREFIX_OWNER_MODEL_WEIGHTS`` may name a folder for;
    None for what is no OWNER/MODEL."""
    if not _REPOSITORY.fullmatch(repository):
        return None
    own = re.sub(r"\W", "_", repository).upper()
    return HubModel(repository, f"{prefix}_{own}_WEIGHTS")


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
    there = _Repository(name, revision, way_out, tuple(weight_files))
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


def quiet_transformers() -> Any:  # noqa: ANN401 - transformers' models are typed as Any
    """The package ``transformers``, told to draw no bars and to say nothing but errors."""
    import transformers

    transformers.utils.logging.disable_progress_bar()
    transformers.utils.logging.set_verbosity_error()
    return transformers


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


@dataclass(frozen=True, slots=True)
class _Repository:
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


def _of_codec(repository: str, revision: str | None) -> _Repository:
    way_out = (
        f"give --weights DIR with {CONFIG_FILE} and {WEIGHT_FILES[-1]}, or take the bundled model,"
        f" --model {BUNDLED_MODEL}"
    )
    return _Repository(repository, revision, way_out)


def _published(name: str) -> CodecCard | None:
    card = data_dir("codecs") / f"{name}.toml"
    if "/" in name or not os.path.isfile(card):
        return None
    published = read_codec_card(card)
    return published if published.family == "snac" else None


def _in_folder(folder: Path) -> WeightFiles:
    """A file of another name serves where it is the only one that looks like weights."""
    weights = _weights_in(folder)
    if weights is None:
        others = sorted(file for file in folder.iterdir() if file.suffix in _WEIGHT_SUFFIXES)
        if len(others) > 1:
            names = ", ".join(file.name for file in others)
            raise WeightsUnavailable(f"{_no_weights(folder)}; leave only the one meant of {names}")
        if not others:
            raise WeightsUnavailable(_no_weights(folder))
        weights = others[0]
    return WeightFiles(folder / CONFIG_FILE, weights)


def _weights_in(folder: Path, names: tuple[str, ...] = WEIGHT_FILES) -> Path | None:
    return next((folder / name for name in names if (folder / name).is_file()), None)


def _no_weights(folder: Path, names: tuple[str, ...] = WEIGHT_FILES) -> str:
    held = f"neither {' nor '.join(names)}" if len(names) > 1 else f"no {names[0]}"
    return f"{folder}: holds {held}"
