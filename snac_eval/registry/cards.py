"""Cards: the TOML files that say what a codec or a dataset is.

They live in ``codecs/`` and ``datasets/`` of the checkout, ship in the wheel as
``snac_eval/data/``, may come from a plugin (entry-point group ``snac_eval.cards``: a package
whose folder holds ``codecs/`` and ``datasets/``) or from the user's own ``--cards DIR``.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Annotated, Literal

from annotated_types import Gt, Le

from snac_eval.errors import CardError, UsageError
from snac_eval.registry.validation import read_toml, validated
from snac_eval.types import CodebookSize, CodecCard, DatasetCard, Rate

Kind = Literal["codecs", "datasets", "reports"]
_PACKAGE = Path(__file__).resolve().parents[1]
_RATED = re.compile(r"(?P<base>.+)_\d+(\.\d+)?kbps")


def data_dir(kind: Kind) -> Path:
    """Folder of the cards and data that ship with snac-eval: the wheel's, else the checkout's."""
    shipped = _PACKAGE / "data" / kind
    return shipped if shipped.is_dir() else _PACKAGE.parent / kind


@dataclass(frozen=True, slots=True)
class _CodecFile(CodecCard):
    """A codec card as it may be written: where all codebooks are alike, they are given once."""

    num_codebooks: Annotated[int, Gt(0), Le(1024)] = 0
    codebook_size: CodebookSize = 0
    frame_rate_hz: Rate = 0.0


def read_codec_card(path: Path) -> CodecCard:
    """Raises CardError where the file is no valid codec card."""
    table = read_toml(path)
    try:
        file = validated(_CodecFile, table, str(path))
    except CardError as error:
        if set(table) <= {field.name for field in fields(_CodecFile)}:
            raise
        said = str(error) if str(error).endswith("?") else f"{error}."
        raise CardError(f"{said} Keys that only its family has stand under [options]") from error
    if problem := _name_problem(file.name, path) or _codec_problem(file):
        raise CardError(f"{path}: {problem}")
    kept = {field.name: getattr(file, field.name) for field in fields(CodecCard)}
    if file.num_codebooks:
        kept["codebook_sizes"] = (file.codebook_size,) * file.num_codebooks
        kept["frame_rates_hz"] = (file.frame_rate_hz,) * file.num_codebooks
    return CodecCard(**kept)


def read_dataset_card(path: Path) -> DatasetCard:
    """Raises CardError where the file is no valid dataset card."""
    card = validated(DatasetCard, read_toml(path), str(path))
    if problem := _name_problem(card.name, path):
        raise CardError(f"{path}: {problem}")
    return card


def refuse_name(path: Path, name: str) -> None:
    """Raise CardError where a card is named so, and its file is not."""
    try:
        found = read_toml(path).get("name")
    except CardError:  # Whoever wants this card is told.
        return
    if found == name and (problem := _name_problem(name, path)):
        raise CardError(f"{path}: {problem}")


def _name_problem(name: str, path: Path) -> str:
    if name != path.stem:
        return f"name is '{name}', but the file is called '{path.stem}'; make them the same"
    if name != name.strip() or re.search("[@:/]", name):
        return f"name is '{name}'; leave out '@', ':', '/' and spaces at its ends"
    return ""


def _codec_problem(file: _CodecFile) -> str:
    """What is wrong between the keys."""
    alike = (file.num_codebooks, file.codebook_size, file.frame_rate_hz)
    sizes, rates = len(file.codebook_sizes), len(file.frame_rates_hz)
    if any(alike) and not all(alike):
        return "give num_codebooks, codebook_size and frame_rate_hz together, or none of them"
    if any(alike) and (sizes or rates):
        return "give codebook_sizes and frame_rates_hz, or num_codebooks; not both"
    if sizes != rates:
        return f"{sizes} codebook_sizes but {rates} frame_rates_hz; give one each"
    if file.sha256 and not re.fullmatch("[0-9a-f]{64}", file.sha256):
        return f"sha256 is '{file.sha256}'; give 64 hexadecimal digits, lower case"
    return ""


def keep_streams(card: CodecCard, count: int) -> CodecCard:
    """The card of the same codec that sends its first ``count`` streams: ``NAME@k=2``.

    Raises UsageError where the codec has no streams or not as many.
    """
    there = len(card.codebook_sizes)
    if not 1 <= count <= there:
        has = f"has {there} streams, give 1 to {there}" if there else "emits no streams of tokens"
        raise UsageError(f"{card.name}@k={count}: {card.name} {has}")
    rates = list(zip(card.codebook_sizes, card.frame_rates_hz, strict=True))
    bits = [math.log2(size) * rate for size, rate in rates]
    return replace(
        card,
        name=f"{card.name}@k={count}",
        description=f"{card.description}; the first {count} of {there} streams",
        label=card.label and f"{card.label}, {count} of {there} streams",
        codebook_sizes=card.codebook_sizes[:count],
        frame_rates_hz=card.frame_rates_hz[:count],
        nominal_bitrate_bps=card.nominal_bitrate_bps * math.fsum(bits[:count]) / math.fsum(bits),
    )


def base_of(name: str) -> str:
    """A card's name less the rate at its end, ``opus`` of ``opus_6kbps``: what the cards of one
    codec at several rates have in common. Empty for a name that says no rate."""
    rated = _RATED.fullmatch(name)
    return rated["base"] if rated else ""


def check_card_dirs(folders: Iterable[Path], given_as: str) -> None:
    """Raise UsageError for the first of the user's folders that can hold no cards."""
    for folder in folders:
        if not os.path.isdir(folder):
            raise UsageError(f"{given_as} {folder}: no such folder")
        if not any((folder / kind).is_dir() for kind in ("codecs", "datasets")):
            raise UsageError(
                f"{given_as} {folder}: holds neither codecs/ nor datasets/; give the folder above"
                " them"
            )


def card_folders(kind: Kind, extra_dirs: Iterable[Path] = ()) -> list[Path]:
    """Where cards of a kind may lie; what is in a later one goes before."""
    return [data_dir(kind), *(base / kind for base in extra_dirs)]


def card_files(kind: Kind, extra_dirs: Iterable[Path] = ()) -> dict[str, Path]:
    """Card name (the file's stem) to file. Later folders win: shipped, plugins, the user's own."""
    found: dict[str, Path] = {}
    for folder in card_folders(kind, extra_dirs):
        found.update({path.stem: path for path in sorted(folder.glob("*.toml"))})
    return found
