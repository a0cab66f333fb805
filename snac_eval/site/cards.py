"""What the site says a codec or a dataset is, and on whose word.

The card of this installation speaks where it has one that says the same as the run's; else the run
does, as untrusted text: it leads nowhere, and no code that it names is asked.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from itertools import islice
from pathlib import Path
from typing import Any

from snac_eval.catalogue.bibtex import card_entry
from snac_eval.catalogue.facts import Stream
from snac_eval.catalogue.showing import stream_lines
from snac_eval.codecs.opening import model_card
from snac_eval.errors import SnacEvalError
from snac_eval.registry import plugins
from snac_eval.reports.text import NOTHING, format_value
from snac_eval.results.record import Run
from snac_eval.types import DOMAINS, CodecCard, DatasetCard
from snac_eval.writing import jsonable

_OURS = "From the card that comes with snac-eval."
_GIVEN = "From the card of this name that lies beside the results."
_THEIRS = (
    "From the run's own record: this installation has no such card, so nobody but the submitter"
    " has vouched for it."
)
_OTHER = (
    "From the run's own record, which differs from the card of this name that comes with snac-eval."
)
_MOST_STREAMS = 40
_HUB = "https://huggingface.co/"


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing that a card says."""

    label: str
    lines: tuple[str, ...]
    href: str = ""
    """Where the first line leads to; only ever of a card that is ours."""
    is_code: bool = False


@dataclass(frozen=True, slots=True)
class Card:
    """What is known of a codec or a dataset."""

    source: str
    """Whose word it is, as a sentence."""
    is_known: bool
    """Whether this installation, or who built the site, has the very card."""
    description: str
    facts: tuple[Fact, ...]
    bibtex: str
    family: str = ""
    """Of a codec; of a dataset its loader."""
    licence: str = ""
    domains: tuple[str, ...] = DOMAINS
    """What a codec was made for, or what a dataset's clips are."""
    stated_kbps: float = math.nan
    """Of a codec; NaN where its card states none."""


def codec_card(run: Run, card_dirs: Sequence[Path] = ()) -> Card:
    """The card of the run's codec."""
    said = run.manifest.get("codec", {}).get("card", {})
    own = _installed_codec(run.codec, card_dirs)
    is_same = own is not None and _says_the_same(own, said, {"options"})
    card = own if own is not None and is_same else _codec_of(said, run.codec)
    is_shipped = is_same and _installed_codec(run.codec, ()) is not None
    facts = [*_codec_facts(card, run.codec if is_shipped else ""), *_delay(run)]
    return Card(
        source=_source(own is not None, is_same, is_shipped),
        is_known=is_same,
        description=card.description,
        facts=tuple(_filled(facts)),
        bibtex=_entry(card, "codecs", card_dirs if is_same else ()),
        family=card.family,
        licence=card.licence,
        domains=card.domains or DOMAINS,
        stated_kbps=card.nominal_bitrate_bps / 1000,
    )


def dataset_card(run: Run, card_dirs: Sequence[Path] = ()) -> Card:
    """The card of the run's dataset."""
    said = run.manifest.get("dataset", {}).get("card", {})
    own = _installed_dataset(str(said.get("name", "")), card_dirs)
    is_same = own is not None and _says_the_same(own, said, {"options"})
    card = own if own is not None and is_same else _dataset_of(said, run.dataset)
    is_shipped = is_same and _installed_dataset(card.name, ()) is not None
    return Card(
        source=_source(own is not None, is_same, is_shipped),
        is_known=is_same,
        description=card.description,
        facts=tuple(_filled(_dataset_facts(card, is_same))),
        bibtex=_entry(card, "datasets", card_dirs if is_same else ()),
        family=card.loader,
        licence=card.licence,
        domains=(card.domain,),
    )


def _installed_codec(name: str, card_dirs: Sequence[Path]) -> CodecCard | None:
    """Of a name with an argument the card as it was written: to know what the argument makes of it,
    what it names would be asked."""
    base, _, argument = name.partition(":")
    try:
        return plugins.codec_card(base, card_dirs) if argument else model_card(name, card_dirs)
    except SnacEvalError:
        return None


def _installed_dataset(name: str, card_dirs: Sequence[Path]) -> DatasetCard | None:
    try:
        return plugins.dataset_card(name, card_dirs)
    except SnacEvalError:
        return None


def _says_the_same(card: CodecCard | DatasetCard, said: Mapping[str, Any], aside: set[str]) -> bool:
    """Whether a manifest's card says what this one says, but for the keys ``aside``."""
    mine = {key: one for key, one in jsonable(asdict(card)).items() if key not in aside}
    return mine == {key: one for key, one in said.items() if key not in aside}


def _source(has_own: bool, is_same: bool, is_shipped: bool) -> str:
    if not is_same:
        return _OTHER if has_own else _THEIRS
    return _OURS if is_shipped else _GIVEN


def _codec_of(said: Mapping[str, Any], name: str) -> CodecCard:
    """A manifest's card, of which only what has the right kind is believed."""
    texts = _texts(said, CodecCard) | {"cite": ""}
    rate = said.get("nominal_bitrate_bps")
    sizes, rates = _numbers(said.get("codebook_sizes")), _numbers(said.get("frame_rates_hz"))
    whole = len(sizes) == len(rates) and all(one >= 2 for one in sizes)
    known = said.get("domains")
    return replace(
        CodecCard(name=name, family="", description="", sample_rate=0, channels=0),
        **texts,
        nominal_bitrate_bps=_numbers([rate])[0] if _numbers([rate]) else math.nan,
        codebook_sizes=tuple(map(int, sizes)) if whole else (),
        frame_rates_hz=tuple(rates) if whole else (),
        domains=tuple(one for one in DOMAINS if isinstance(known, list) and one in known),
        sample_rate=_count(said.get("sample_rate")),
        output_sample_rate=_count(said.get("output_sample_rate")),
        channels=_count(said.get("channels")),
    )


def _dataset_of(said: Mapping[str, Any], name: str) -> DatasetCard:
    domain = said.get("domain")
    texts = _texts(said, DatasetCard) | {"cite": ""}
    texts |= {"domain": domain if domain in DOMAINS else "general"}
    return replace(DatasetCard(name, "", "", "", ""), **texts)


def _texts(said: Mapping[str, Any], kind: type[CodecCard | DatasetCard]) -> dict[str, Any]:
    names = {one.name for one in fields(kind) if one.type == "str"}
    return {key: one for key, one in said.items() if key in names and isinstance(one, str)}


def _numbers(found: object) -> list[float]:
    if not isinstance(found, list):
        return []
    return [one for one in found if isinstance(one, int | float) and math.isfinite(one)]


def _count(found: object) -> int:
    return found if isinstance(found, int) and found > 0 else 0


def _codec_facts(card: CodecCard, shipped_as: str) -> Iterator[Fact]:
    """``shipped_as``: the name by which snac-eval runs it; empty where its card does not ship."""
    streams = _streams(card)
    yield Fact("name", (card.name,), is_code=True)
    yield Fact("family", (card.family,))
    yield Fact("made for", (", ".join(card.domains or DOMAINS),))
    yield Fact("stated bitrate", (_bitrate(card.nominal_bitrate_bps),))
    yield Fact("sample rate", (_rate(card.sample_rate),))
    if card.decoded_rate != card.sample_rate:
        yield Fact("comes out at", (_rate(card.decoded_rate),))
    yield Fact("channels", (str(card.channels or "any"),))
    yield Fact("streams", tuple(islice(stream_lines(streams), _MOST_STREAMS)))
    if streams:
        total = math.fsum(one.tokens_per_second for one in streams)
        yield Fact("tokens", (f"{total:.10g} per second",))
    yield Fact("licence", (card.licence,))
    yield from _weights(card, shipped_as)
    yield Fact("citation", (card.citation.removeprefix("none:").strip(),))


def _weights(card: CodecCard, shipped_as: str) -> Iterator[Fact]:
    commands = plugins.codec_remedy(card) if shipped_as and card.weights else ()
    # Only these are the same on every machine.
    hub = tuple(line for line in commands if line.startswith("hf download "))
    yield Fact("weights", (card.weights,), f"{_HUB}{card.weights}" if hub else "")
    yield Fact("revision", (card.revision,), is_code=True)
    yield Fact("weights' sha256", (card.sha256,), is_code=True)
    if shipped_as:
        run = f"snac-eval run --model {shipped_as} --dataset demo"
        yield Fact("to get and run it", (*hub, f"snac-eval show {shipped_as}", run), is_code=True)


def _streams(card: CodecCard) -> tuple[Stream, ...]:
    pairs = zip(card.codebook_sizes, card.frame_rates_hz, strict=True)
    return tuple(Stream(size, rate, rate * math.log2(size)) for size, rate in pairs)


def _dataset_facts(card: DatasetCard, is_known: bool) -> Iterator[Fact]:
    yield Fact("name", (card.name,), is_code=True)
    yield Fact("domain unless a clip says otherwise", (card.domain,))
    yield Fact("licence", (card.licence,))
    yield Fact("citation", (card.citation.removeprefix("none:").strip(),))
    yield Fact("address", (card.url,), card.url if is_known else "")


def _delay(run: Run) -> Iterator[Fact]:
    samples = run.manifest.get("codec", {}).get("delay_samples")
    if isinstance(samples, int | float):
        yield Fact("delay left, as it states", (f"{samples:g} samples",))


def _filled(facts: Iterable[Fact]) -> Iterator[Fact]:
    return (one for one in facts if any(line not in ("", NOTHING) for line in one.lines))


def _bitrate(bps: float) -> str:
    return f"{format_value(bps / 1000)} kbps" if math.isfinite(bps) else "depends on the clip"


def _rate(hz: int) -> str:
    return f"{hz} Hz" if hz else "any"


def _entry(card: CodecCard | DatasetCard, kind: Any, card_dirs: Sequence[Path]) -> str:  # noqa: ANN401
    try:
        return card_entry(card, plugins.card_folders(kind, card_dirs))
    except SnacEvalError:
        return card_entry(replace(card, cite=""), ())
