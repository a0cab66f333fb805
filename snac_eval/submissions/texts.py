"""The names and texts of a submission: nothing in them hides, acts, or says whose they are not."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping
from functools import cache, lru_cache
from typing import Any

from snac_eval.errors import readable
from snac_eval.registry import plugins
from snac_eval.submissions.public import public_text

_LONGEST_NAME = 300
_LONGEST_TEXT = 20_000
_SAME_CARD = (
    *("family", "sample_rate", "channels", "codebook_sizes", "frame_rates_hz"),
    *("nominal_bitrate_bps", "weights", "sha256"),
)
"""What a codec that goes by the name of a card that ships must share with it."""


def text_problems(manifest: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong with any text of this manifest, a line each."""
    for where, text in _names(manifest):
        if problem := _name_problem(text):
            yield f"{where} {text[:80]!r} {problem}"
    for keys, text in _texts(manifest, ()):
        if problem := _text_problem(text):
            yield f"{'.'.join(keys)} {problem}"
        elif keys[-1] == "url" and text and not text.startswith(("https://", "http://")):
            yield f"{'.'.join(keys)} is '{text[:80]}'; a link begins with https://"


@lru_cache(maxsize=10_000)
def _text_problem(text: str) -> str:
    """Cached, for submissions share most of their texts."""
    if len(text) > _LONGEST_TEXT:
        return f"has {len(text)} characters; a text has up to {_LONGEST_TEXT}"
    if readable(text) != text:
        return f"holds control characters or a secret: {ascii(text)[:80]}"
    if public_text(text) != text:
        return f"holds a path or a secret: '{text[:80]}'; export the run again"
    return ""


def claim_problems(manifest: Mapping[str, Any]) -> Iterator[str]:
    """Where the codec goes by a name that is another one's, a line each."""
    codec, label = manifest["codec"], manifest["label"]
    card = codec["card"]
    cards, titles = _shipped()
    called, is_of = (text.partition(":")[0].partition("@")[0] for text in (label, card["name"]))
    if called != is_of and {called, is_of} & set(cards):
        yield f"is called {called}, but its card is that of '{is_of}'; one name for both"
    for known in cards:
        if called != known and _folded(called) == _folded(known):
            yield f"label '{label}' looks like the codec {known} and is not it; choose another"
    for key, value in cards.get(card["name"], {}).items():
        if card.get(key, "") != value:
            yield (
                f"is called {card['name']}, but {key} is {card.get(key)!r}, and {value!r} in that"
                " codec's card; give it a name of its own"
            )
    yield from _weights(codec)
    yield from _of_dataset(manifest)
    title = str(manifest["config"].get("label") or card.get("label") or "")
    owner = titles.get(_folded(title))
    if owner is not None and owner != card["name"]:
        yield f"is titled '{title}', as the codec {owner} is; give it a label of its own"


def _of_dataset(manifest: Mapping[str, Any]) -> Iterator[str]:
    """Data that go by the name of a card that ships are loaded as its card says, and are the clips
    that it froze."""
    dataset, config = manifest["dataset"], manifest["config"]
    name, _, split = dataset["name"].partition(":")
    if name not in plugins.dataset_names():
        return
    card = plugins.dataset_card(name)
    if (dataset["card"].get("name"), dataset["card"].get("loader")) != (card.name, card.loader):
        yield f"its data are called {name}, but are not loaded as that dataset is"
    frozen = card.options.get("clip_lists", {}).get(split or "all")
    is_whole = not (config.get("limit") or config.get("excerpt_s"))
    if frozen and is_whole and frozen != dataset["clip_list_sha256"]:
        yield f"its clips are not those that the card of {name} froze; use that dataset as it is"


def _weights(codec: Mapping[str, Any]) -> Iterator[str]:
    """Whoever computed has put the digest of the weights into the fingerprint."""
    digest = codec["card"].get("sha256")
    found = [part for part in codec["fingerprint"].split(";") if part.startswith("weights=")]
    if digest and found and found[0] != f"weights={digest}":
        yield (
            f"its weights are {found[0][8:24]}..., and {digest[:16]}... in the card of"
            f" {codec['card']['name']}; give other weights a card of their own"
        )


@cache
def _shipped() -> tuple[dict[str, dict[str, Any]], dict[str, str]]:
    """By name the facts of the cards that ship, and by title whose it is."""
    cards, titles = {}, {}
    for name in plugins.codec_names():
        card = plugins.codec_card(name)
        facts = {key: getattr(card, key) for key in _SAME_CARD}
        rate = facts["nominal_bitrate_bps"]
        cards[name] = {
            **facts,
            "codebook_sizes": list(card.codebook_sizes),
            "frame_rates_hz": list(card.frame_rates_hz),
            "nominal_bitrate_bps": rate if rate == rate else None,
        }
        if card.label:
            titles[_folded(card.label)] = name
    return cards, titles


def _folded(text: str) -> str:
    """As it looks, or nearly: without what cannot be seen, in one case."""
    seen = (char for char in unicodedata.normalize("NFKC", text) if char.isprintable())
    return "".join(seen).casefold().strip()


def _names(manifest: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    card, dataset = manifest["codec"]["card"], manifest["dataset"]
    yield "label", manifest["label"]
    yield "dataset", dataset["name"]
    yield from (("config.label", text) for text in [manifest["config"].get("label")] if text)
    for key in ("name", "label", "series"):
        yield from ((f"card's {key}", str(text)) for text in [card.get(key)] if text)
    yield from (("metric", name) for name in manifest["metrics"])
    for clip, facts in manifest["clips"].items():
        yield "clip", clip
        yield from (("speaker", text) for text in [facts.get("speaker")] if text)


def _name_problem(text: str) -> str:
    if not text.strip() or text != text.strip():
        return "is empty, or begins or ends with a space"
    if len(text) > _LONGEST_NAME:
        return f"has {len(text)} characters; a name has up to {_LONGEST_NAME}"
    if "<" in text or ">" in text:
        return "holds < or >, which no name needs"
    if not text.isprintable():
        return "holds characters that cannot be seen"
    return "is a path that leads away" if ".." in text.replace("\\", "/").split("/") else ""


def _texts(value: Any, where: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], str]]:  # noqa: ANN401
    if isinstance(value, str):
        yield where, value
    elif isinstance(value, Mapping):
        for key, one in value.items():
            yield (*where, "a key"), key
            yield from _texts(one, (*where, key))
    elif isinstance(value, list):
        for index, one in enumerate(value):
            yield from _texts(one, (*where, str(index)))
