"""Find a SNAC model's files: bundled, in a folder, in the hub's cache or on the hub.

Imports no torch: a run that has nothing left to compute only asks which weights it is about.
"""

from __future__ import annotations

import socket
import urllib.parse
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from snac_eval.errors import WeightsUnavailable
from snac_eval.registry.cards import data_dir, read_codec_card
from snac_eval.types import CodecCard

CONFIG_FILE = "config.json"
WEIGHT_FILES = ("model.safetensors", "pytorch_model.bin")
BUNDLED_MODEL = "snac_16khz_mini"
_TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True)
class WeightFiles:
    """Where a model's configuration and weights lie on this machine."""

    config: Path
    weights: Path


def find_weights(name_or_dir: str | Path, revision: str | None = None) -> WeightFiles:
    """Files of a folder, of a bundled or published model, or of a hub repository ``owner/name``.

    A model that has a card (``snac_24khz``) is taken at the card's revision unless told otherwise.
    A hub's files come from its cache where they are, else over the network (``HF_ENDPOINT``,
    ``HF_HOME`` and ``HF_HUB_OFFLINE`` apply). Raises WeightsUnavailable.
    """
    name = str(name_or_dir)
    bundled = data_dir("codecs") / name
    if (bundled / CONFIG_FILE).is_file():
        return _in_folder(bundled)
    if Path(name).is_dir():
        return _in_folder(Path(name))
    if (published := _published(name)) is not None:
        return _from_hub(published.weights, revision or published.revision)
    if name.count("/") != 1 or name.startswith((".", "/")):
        raise WeightsUnavailable(
            f"no weights at '{name}': it is no folder with {CONFIG_FILE}, no hub repository"
            f" (owner/name) and no model that snac-eval knows ({BUNDLED_MODEL}, snac_24khz, ...)"
        )
    return _from_hub(name, revision)


def weights_state(card: CodecCard) -> str:
    """``needs weights ...`` unless the card's weights are bundled or in the hub's cache."""
    if (data_dir("codecs") / card.weights / CONFIG_FILE).is_file():
        return ""
    revision = card.revision or None
    if any(_cached(card.weights, name, revision) for name in WEIGHT_FILES):
        return ""
    return "needs weights (hub)"


def _published(name: str) -> CodecCard | None:
    card = data_dir("codecs") / f"{name}.toml"
    if "/" in name or not card.is_file():
        return None
    published = read_codec_card(card)
    return published if published.family == "snac" else None


def _in_folder(folder: Path) -> WeightFiles:
    for name in WEIGHT_FILES:
        if (folder / name).is_file():
            return WeightFiles(folder / CONFIG_FILE, folder / name)
    raise WeightsUnavailable(f"{folder}: holds neither {' nor '.join(WEIGHT_FILES)}")


def _from_hub(repository: str, revision: str | None) -> WeightFiles:
    config = _hub_file(repository, CONFIG_FILE, revision)
    for name in WEIGHT_FILES[:-1]:
        if (weights := _hub_file_if_any(repository, name, revision)) is not None:
            return WeightFiles(config, weights)
    return WeightFiles(config, _hub_file(repository, WEIGHT_FILES[-1], revision))


def _hub_file_if_any(repository: str, name: str, revision: str | None) -> Path | None:
    from huggingface_hub.errors import EntryNotFoundError

    if _cached(repository, name, revision) is None and _cached(
        repository, WEIGHT_FILES[-1], revision
    ):
        return None  # the cache holds the other format: do not ask the network for this one
    try:
        return _hub_file(repository, name, revision)
    except WeightsUnavailable as error:
        if isinstance(error.__cause__, EntryNotFoundError):
            return None
        raise


def _hub_file(repository: str, name: str, revision: str | None) -> Path:
    from huggingface_hub import hf_hub_download

    # A pinned revision never changes: what the cache holds needs no question to the hub.
    if (cached := _cached(repository, name, revision)) is not None:
        return cached
    try:
        _check_reachable()
        return Path(hf_hub_download(repository, name, revision=revision))
    except Exception as error:
        raise _unavailable(repository, name, error) from error


def _check_reachable() -> None:
    """Raises OSError at once where the hub client would knock on a closed door for a minute."""
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE or urllib.request.getproxies():
        return
    hub = urllib.parse.urlsplit(constants.ENDPOINT)
    port = hub.port or (443 if hub.scheme == "https" else 80)
    try:
        socket.create_connection((hub.hostname or "", port), timeout=_TIMEOUT_S).close()
    except OSError as error:
        raise OSError(f"{constants.ENDPOINT} cannot be reached: {error}") from error


def _cached(repository: str, name: str, revision: str | None) -> Path | None:
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(repository, name, revision=revision)
    return Path(found) if isinstance(found, str) else None


def _unavailable(repository: str, name: str, error: Exception) -> WeightsUnavailable:
    lines = str(error).strip().splitlines()
    detail = lines[0] if lines else type(error).__name__
    return WeightsUnavailable(
        f"cannot get {name} of '{repository}' from the hub or its cache ({detail}). Three ways out:"
        f" --weights DIR with {CONFIG_FILE} and {WEIGHT_FILES[-1]}; HF_HOME of a filled cache or"
        f" HF_ENDPOINT of a mirror; or the bundled model, --model {BUNDLED_MODEL}"
    )
