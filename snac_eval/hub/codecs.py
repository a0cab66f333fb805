"""Weights of codecs: bundled, in a folder, in the hub's cache, or on the hub."""

from __future__ import annotations

import os
from pathlib import Path

from snac_eval.errors import WeightsUnavailable
from snac_eval.hub.repository import (
    CONFIG_FILE,
    REPOSITORY,
    WEIGHT_FILES,
    Repository,
    WeightFiles,
    no_weights,
    of_hub,
    weights_in,
)
from snac_eval.reading.names import user_path
from snac_eval.registry.cards import data_dir, read_codec_card
from snac_eval.types import CodecCard

BUNDLED_MODEL = "snac_16khz_mini"
NEEDS_WEIGHTS = "needs weights (hub)"
"""What ``snac-eval list`` shows of a model whose weights are not on this machine."""
_WEIGHT_SUFFIXES = (".safetensors", ".bin", ".pt", ".pth", ".ckpt")
_WEIGHTS_FOLDER = f"a folder with {CONFIG_FILE} and {' or '.join(WEIGHT_FILES)}"


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
    if not REPOSITORY.fullmatch(name):
        raise WeightsUnavailable(f"'{name}' is no folder and no hub repository (owner/name)")
    return Repository(name, revision, f"give a folder with {file}").file(file)


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
    return Repository(repository, revision or None, way_out).file(name)


def cached_hub_file(repository: str, revision: str, name: str) -> Path | None:
    """The same from the cache alone; None where it is not there."""
    return Repository(repository, revision or None, "").cached(name)


def _of_codec(repository: str, revision: str | None) -> Repository:
    way_out = (
        f"give --weights DIR with {CONFIG_FILE} and {WEIGHT_FILES[-1]}, or take the bundled model,"
        f" --model {BUNDLED_MODEL}"
    )
    return Repository(repository, revision, way_out)


def _published(name: str) -> CodecCard | None:
    card = data_dir("codecs") / f"{name}.toml"
    if "/" in name or not os.path.isfile(card):
        return None
    published = read_codec_card(card)
    return published if published.family == "snac" else None


def _in_folder(folder: Path) -> WeightFiles:
    """A file of another name serves where it is the only one that looks like weights."""
    weights = weights_in(folder)
    if weights is None:
        others = sorted(file for file in folder.iterdir() if file.suffix in _WEIGHT_SUFFIXES)
        if len(others) > 1:
            names = ", ".join(file.name for file in others)
            raise WeightsUnavailable(f"{no_weights(folder)}; leave only the one meant of {names}")
        if not others:
            raise WeightsUnavailable(no_weights(folder))
        weights = others[0]
    return WeightFiles(folder / CONFIG_FILE, weights)
