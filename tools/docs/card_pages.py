"""Pages of codecs and datasets, from their cards."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import dropwhile, groupby, takewhile
from pathlib import Path
from typing import Any

from snac_eval.catalogue.facts import CodecFacts, DatasetFacts, Stream
from snac_eval.catalogue.listing import Wanted, in_order, listed
from snac_eval.registry import plugins
from snac_eval.reports.text import significant
from snac_eval.writing import read_text
from tools.docs.made import Made
from tools.docs.prose import domains_text, facts, fence, table, wide

_VERSION = re.compile(r"\s+(\(|[\d.]+ k?Hz|VBR|on ).*")
_GROUPS = {
    "bundled": "SNAC",
    "neural": "Neural codecs",
    "programs": "Codecs of signal processing",
    "own": "Yours, and others",
}
_PROCESSING = ("pyav", "codec2", "lc3", "command", "pcm")
_OWN = ("files", "transformers")


def codec_pages() -> Iterator[Made]:
    """The table of all rates, then a page for each model with its rates."""
    found = [one for one in listed("codecs", Wanted()) if isinstance(one, CodecFacts)]
    named = sorted(found, key=lambda one: (_model(one).casefold(), in_order(one.name)))
    models = {name: list(ones) for name, ones in groupby(named, key=_model)}
    yield Made("codecs/all.md", _all_codecs(models), "", "All codecs")
    for group in _GROUPS.values():
        for name, ones in models.items():
            if _group(ones[0]) == group:
                yield Made(f"codecs/{_slug(name)}.md", _codec(name, ones), group, name)


def dataset_pages() -> Iterator[Made]:
    """A page for each dataset."""
    for one in listed("datasets", Wanted()):
        if isinstance(one, DatasetFacts):
            yield Made(f"datasets/{one.name}.md", _dataset(one), "", one.name)


def _model(one: CodecFacts) -> str:
    """What a reader calls it, whatever its rate and training: ``WavTokenizer``."""
    return _VERSION.sub("", one.series) or one.family


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.casefold()).strip("-")


def _group(one: CodecFacts) -> str:
    if one.family == "snac":
        return _GROUPS["bundled"]
    if one.family in _PROCESSING:
        return _GROUPS["programs"]
    return _GROUPS["own" if not one.series and one.family in _OWN else "neural"]


def _all_codecs(models: dict[str, list[CodecFacts]]) -> str:
    rows = [
        [f"[{name}]({_slug(name)}.md)", f"`{one.name}`", _khz(one), _kbps(one),
         _streams(one.streams), _number(one.tokens_per_second), domains_text(one.domains),
         _needs(one), one.licence]
        for name, ones in models.items() for one in ones
    ]  # fmt: skip
    heads = ["codec", "name", "kHz", "kbps", "streams", "tokens/s", "for", "needs", "licence"]
    return (
        "---\nhide: [toc]\n---\n\n# All codecs\n\n"
        "One row a card: a codec at one rate. Streams are number × entries of the codebook @ tokens"
        " a second. [Codecs](../codecs.md) says how each family is got, and what was held against"
        " what.\n\n" + wide(heads, rows, "licences") + "\n"
    )


def _codec(name: str, ones: Sequence[CodecFacts]) -> str:
    parts = [f"# {name}", _rates(ones)]
    parts += ["## Weights and what was verified", *_weights(ones)]
    if remarks := list(dict.fromkeys(filter(None, (_remarks(one.file) for one in ones)))):
        parts += ["## Remarks on the cards", *remarks]
    parts += ["## Licence", "\n".join(f"- {one}" for one in _each(ones, "licence"))]
    parts += ["## Citation", "\n".join(f"- {one}" for one in _each(ones, "citation"))]
    parts += [fence(entry, "bibtex") for entry in _each(ones, "bibtex")]
    parts += ["## Commands", fence(f"snac-eval show {ones[0].name}", "sh")]
    return "\n\n".join(parts) + "\n"


def _rates(ones: Sequence[CodecFacts]) -> str:
    heads = ["name", "what", "kHz", "channels", "kbps", "streams", "tokens/s", "for"]
    rows = [
        [f"`{one.name}`", one.description, _khz(one), str(one.channels or "any"), _kbps(one),
         _streams(one.streams), _number(one.tokens_per_second), domains_text(one.domains)]
        for one in ones
    ]  # fmt: skip
    return wide(heads, rows)


def _weights(ones: Sequence[CodecFacts]) -> Iterator[str]:
    rows = dict.fromkeys(
        (one.weights, one.revision, one.sha256, _needs(one)) for one in ones if one.weights
    )
    if rows:
        yield wide(
            ["weights", "commit", "SHA-256", "needs"],
            [[f"`{weights}`", _commit(weights, commit), _code(digest), needs]
             for weights, commit, digest, needs in rows],
        )  # fmt: skip
    else:
        needs = ", ".join(dict.fromkeys(filter(None, map(_needs, ones))))
        yield f"It has no weights. It needs: {needs or 'nothing beside snac-eval'}."
    for family in dict.fromkeys(one.family for one in ones):
        ran, against = _verified()[family]
        yield (
            f"Family `{family}`: published weights here: {ran or 'none'}; held against:"
            f" {against or 'nothing'}. [Codecs](../codecs.md) says what these words mean."
        )


def _needs(one: CodecFacts) -> str:
    card = plugins.codec_card(one.name)
    words = [f"environment `{card.environment}`"] if card.environment else []
    words += [f"extra `{extra}`" for extra in plugins.codec_extras(card)]
    return " or ".join(words)


@cache
def _verified() -> dict[str, tuple[str, str]]:
    """What ran on published weights, and what the family was held against: the last two columns of
    the table in docs/codecs.md, where people keep it."""
    lines = iter(read_text(Path("docs/codecs.md")).splitlines())
    told = takewhile(str.strip, dropwhile(_is_not_of_families, lines))
    rows = (line.split(" | ") for line in told if line.startswith("| `"))
    return {row[0].strip("| `"): (row[3].strip(" |"), row[4].strip(" |")) for row in rows}


def _is_not_of_families(line: str) -> bool:
    return not line.startswith("| family |")


def _remarks(file: str) -> str:
    """The comment that closes a card: what is known of it beside its facts."""
    lines = read_text(Path(file)).rstrip().splitlines() if file else []
    closing = [*takewhile(lambda line: line.startswith("#"), reversed(lines))]
    return " ".join(line.lstrip("# ") for line in reversed(closing))


def _dataset(one: DatasetFacts) -> str:
    rows = [("domain", one.domains[0]), ("loader", f"`{one.loader}`"), ("licence", one.licence)]
    if one.url:
        rows.append(("from", f"[{one.url}]({one.url})"))
    parts = [f"# `{one.name}`", f"{one.description}.", facts(rows)]
    if splits := _splits(one.options):
        parts += ["## Splits", splits]
    parts += [f"## {heading}\n\n{text}" for heading, text in _places(one.options)]
    parts += ["## Citation", one.citation or "None."]
    parts += [fence(one.bibtex, "bibtex")] if one.bibtex else []
    readme = Path("datasets") / one.name / "README.md"
    if readme.is_file():
        parts.insert(2, f"[What is in it, and how it was made](../../{readme.as_posix()})")
    parts += ["## Commands", fence(f"snac-eval show {one.name}", "sh")]
    return "\n\n".join(parts) + "\n"


def _splits(options: Any) -> str:  # noqa: ANN401 - a card's
    counts, default = options.get("num_clips", {}), options.get("default_split", "")
    names = list(dict.fromkeys([*options.get("splits", ()), *counts]))
    rows = [
        [f"`{name}`", str(counts.get(name, "")), "default" if name == default else ""]
        for name in names
    ]
    return table(["split", "clips", "which"], rows) if rows else ""


def _places(options: Any) -> Iterator[tuple[str, str]]:  # noqa: ANN401 - a card's
    if roots := options.get("roots"):
        yield "Below `--data-root`", ", ".join(f"`{root}`" for root in roots)
    if archives := [one for one in options.get("archives", ()) if "url" in one]:
        rows = [[f"`{one['url']}`", _checked_by(one.get("checksum"))] for one in archives]
        yield "Downloaded from", table(["archive", "checked by"], rows)


def _checked_by(checksum: Any) -> str:  # noqa: ANN401 - a card's
    if isinstance(checksum, dict):
        kinds = {str(one).partition(":")[0].upper() for one in checksum.values()}
        return f"{', '.join(sorted(kinds))} of {', '.join(checksum)}"
    if not checksum or checksum == "unverified":
        return "nothing: no checksum is published"
    return str(checksum).partition(":")[0].upper()


def _streams(streams: Sequence[Stream]) -> str:
    groups = ((one, len(list(alike))) for one, alike in groupby(streams))
    return ", ".join(
        f"{count} × {one.codebook_size} @ {one.tokens_per_second:.4g} Hz" for one, count in groups
    )


def _khz(one: CodecFacts) -> str:
    if one.sample_rate is None:
        return "any"
    out = "" if one.decoded_rate == one.sample_rate else f" → {(one.decoded_rate or 0) / 1000:g}"
    return f"{one.sample_rate / 1000:g}{out}"


def _kbps(one: CodecFacts) -> str:
    return "the clip's" if one.bitrate_bps is None else significant(one.bitrate_bps / 1000, 4)


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.6g}"


def _commit(weights: str, commit: str) -> str:
    return "comes with snac-eval" if Path("codecs", weights).is_dir() else _code(commit)


def _code(text: str) -> str:
    return f"`{text}`" if text else "none known"


def _each(ones: Sequence[CodecFacts], field: str) -> list[str]:
    """The different values of a field, in order."""
    return [value for value in dict.fromkeys(getattr(one, field) for one in ones) if value]
