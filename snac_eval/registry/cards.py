"""Cards: the TOML files that say what a codec or a dataset is.

They live in ``codecs/`` and ``datasets/`` of the checkout, ship in the wheel as
``snac_eval/data/``, may come from a plugin (entry-point group ``snac_eval.cards``: a package
whose folder holds ``codecs/`` and ``datasets/``) or from the user's own ``--cards DIR``.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from snac_eval.errors import CardError, UsageError
from snac_eval.types import DOMAINS, CodecCard, DatasetCard

Kind = Literal["codecs", "datasets", "reports"]
_PACKAGE = Path(__file__).resolve().parents[1]


def data_dir(kind: Kind) -> Path:
    """Folder of the cards and data that ship with snac-eval: the wheel's, else the checkout's."""
    shipped = _PACKAGE / "data" / kind
    return shipped if shipped.is_dir() else _PACKAGE.parent / kind


def read_codec_card(path: Path) -> CodecCard:
    """Raises CardError when the file is no valid codec card."""
    table = _spell_out(_read_toml(path), path)
    sizes = tuple(int(size) for size in _get(table, "codebook_sizes", list, path, []))
    rates = tuple(float(rate) for rate in _get(table, "frame_rates_hz", list, path, []))
    if len(sizes) != len(rates):
        raise CardError(
            f"{path}: {len(sizes)} codebook_sizes but {len(rates)} frame_rates_hz; give one each"
        )
    _refuse_unknown(table, CodecCard, path)
    return CodecCard(
        name=_get(table, "name", str, path),
        family=_get(table, "family", str, path),
        description=_get(table, "description", str, path),
        sample_rate=_get(table, "sample_rate", int, path),
        channels=_get(table, "channels", int, path, 1),
        nominal_bitrate_bps=float(_get(table, "nominal_bitrate_bps", (int, float), path, math.nan)),
        codebook_sizes=sizes,
        frame_rates_hz=rates,
        weights=_get(table, "weights", str, path, ""),
        revision=_get(table, "revision", str, path, ""),
        sha256=_get(table, "sha256", str, path, ""),
        licence=_get(table, "licence", str, path, ""),
        citation=_get(table, "citation", str, path, ""),
        options=_get(table, "options", dict, path, {}),
    )


def _spell_out(table: dict[str, Any], path: Path) -> dict[str, Any]:
    """``num_codebooks = 32`` and scalars stand for lists where all codebooks are alike."""
    if "num_codebooks" not in table:
        return table
    count = _get(table, "num_codebooks", int, path)
    alike = {
        "codebook_sizes": [_get(table, "codebook_size", int, path)] * count,
        "frame_rates_hz": [_get(table, "frame_rate_hz", (int, float), path)] * count,
    }
    scalars = ("num_codebooks", "codebook_size", "frame_rate_hz")
    return {key: value for key, value in table.items() if key not in scalars} | alike


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
        codebook_sizes=card.codebook_sizes[:count],
        frame_rates_hz=card.frame_rates_hz[:count],
        nominal_bitrate_bps=card.nominal_bitrate_bps * math.fsum(bits[:count]) / math.fsum(bits),
    )


def read_dataset_card(path: Path) -> DatasetCard:
    """Raises CardError when the file is no valid dataset card."""
    table = _read_toml(path)
    domain = _get(table, "domain", str, path, "general")
    if domain not in DOMAINS:
        raise CardError(f"{path}: domain is {domain!r}; use one of {', '.join(DOMAINS)}")
    _refuse_unknown(table, DatasetCard, path)
    return DatasetCard(
        name=_get(table, "name", str, path),
        loader=_get(table, "loader", str, path),
        description=_get(table, "description", str, path),
        licence=_get(table, "licence", str, path),
        citation=_get(table, "citation", str, path),
        url=_get(table, "url", str, path, ""),
        domain=domain,
        options=_get(table, "options", dict, path, {}),
    )


def card_files(kind: Kind, extra_dirs: Iterable[Path] = ()) -> dict[str, Path]:
    """Card name (the file's stem) to file. Later folders win: shipped, plugins, the user's own."""
    found: dict[str, Path] = {}
    for folder in (data_dir(kind), *(base / kind for base in extra_dirs)):
        found.update({path.stem: path for path in sorted(folder.glob("*.toml"))})
    return found


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise CardError(f"{path}: cannot read this card: {error}") from error


_REQUIRED: Any = object()


def _get(
    table: Mapping[str, Any],
    key: str,
    kind: type | tuple[type, ...],
    path: Path,
    default: Any = _REQUIRED,  # noqa: ANN401 - whatever TOML holds
) -> Any:  # noqa: ANN401
    value = table.get(key, default)
    if value is _REQUIRED:
        raise CardError(f"{path}: '{key}' is missing; add it")
    if not isinstance(value, kind):
        raise CardError(f"{path}: '{key}' is {value!r}, which has the wrong type")
    return value


def _refuse_unknown(table: Mapping[str, Any], card: type, path: Path) -> None:
    known = set(card.__dataclass_fields__)  # type: ignore[attr-defined]
    if unknown := sorted(set(table) - known):
        raise CardError(
            f"{path}: unknown key '{unknown[0]}'; known keys: {', '.join(sorted(known))}"
        )
