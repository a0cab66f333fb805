"""All that is known of one codec, dataset, metric or tracker without opening it.

The fields are the keys of ``--format json``: public names, in this order.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from snac_eval.catalogue.bibtex import card_entry
from snac_eval.codecs.opening import model_card, open_model
from snac_eval.errors import SnacEvalError, UsageError, one_line
from snac_eval.metrics.base import DEFAULT_METRICS
from snac_eval.metrics.opening import open_metric
from snac_eval.registry import plugins, trackers
from snac_eval.registry.naming import split_options
from snac_eval.reports import agreed
from snac_eval.types import DOMAINS, CodecCard, Domain, MetricInfo


@dataclass(frozen=True, slots=True)
class Stream:
    """One stream of tokens of a codec."""

    codebook_size: int
    tokens_per_second: float
    bitrate_bps: float


@dataclass(frozen=True, slots=True)
class CodecFacts:
    """A codec, from its card. ``sample_rate`` in Hz and ``channels``: None for any.
    ``decoded_rate``: in Hz, of what comes out. ``bitrate_bps`` None: it depends on the clip."""

    name: str
    family: str
    label: str
    series: str
    description: str
    domains: tuple[Domain, ...]
    """What it was made for; all of them where the card names none."""
    sample_rate: int | None
    decoded_rate: int | None
    channels: int | None
    bitrate_bps: float | None
    tokens_per_second: float | None
    streams: tuple[Stream, ...]
    weights: str
    revision: str
    sha256: str
    licence: str
    citation: str
    bibtex: str
    options: Mapping[str, Any]
    state: str
    ready: bool
    remedy: tuple[str, ...]
    """Ways to get what it lacks."""
    file: str
    """Of the card; empty for a codec at a rate that has no card of its own."""
    delay_samples: float | None = None
    """By how much it says that its output is late, at the rate that comes out; None where it was
    not asked, as in a list."""
    kind: Literal["codec"] = "codec"


@dataclass(frozen=True, slots=True)
class DatasetFacts:
    """A dataset, from its card."""

    name: str
    loader: str
    description: str
    domains: tuple[Domain, ...]
    """What its clips are where no clip says otherwise; one."""
    licence: str
    citation: str
    bibtex: str
    url: str
    options: Mapping[str, Any]
    state: str
    ready: bool
    remedy: tuple[str, ...]
    file: str
    kind: Literal["dataset"] = "dataset"


@dataclass(frozen=True, slots=True)
class MetricFacts:
    """A metric, from its info. One that cannot be loaded has a state and nothing else.

    ``value_range``: None at an end that has no bound. ``sample_rate`` None: the reference's own.
    """

    name: str
    state: str
    ready: bool
    remedy: tuple[str, ...]
    source: str
    """Entry point, ``module:object``."""
    description: str = ""
    unit: str = ""
    higher_is_better: bool | None = None
    value_range: tuple[float | None, float | None] = (None, None)
    domains: tuple[Domain, ...] = ()
    """Where it is defined."""
    default_for: tuple[Domain, ...] = ()
    """Domains of whose default set it is one."""
    sample_rate: int | None = None
    scores: str = ""
    """``audio``, ``codes``, ``codec`` or ``corpus``."""
    depends_on: tuple[str, ...] = ()
    """What a score depends on beside audio, codes and timings."""
    ranked: bool = True
    floor: float | None = None
    licence: str = ""
    """Of the code and weights that score; empty where they are ours or the metric names none."""
    fingerprint: tuple[str, ...] = ()
    definition: str = ""
    """What it computes, in the words of its class."""
    papers: tuple[str, ...] = ()
    """Where it is defined, a citation each; empty where that is here."""
    traps: tuple[str, ...] = ()
    """What to know before its numbers are set beside others."""
    extra: str = ""
    """The extra that it needs: ``pip install 'snac-eval[EXTRA]'``."""
    environment: str = ""
    """What ``snac-eval env create`` makes for it."""
    listeners: tuple[str, ...] = ()
    """How far it agreed with people on which data, by the records that come with snac-eval."""
    kind: Literal["metric"] = "metric"


@dataclass(frozen=True, slots=True)
class TrackerFacts:
    """Where runs may be logged. One that cannot be loaded has a state and no description."""

    name: str
    state: str
    ready: bool
    remedy: tuple[str, ...]
    source: str
    """Entry point, ``module:object``."""
    description: str = ""
    kind: Literal["tracker"] = "tracker"


Facts = CodecFacts | DatasetFacts | MetricFacts | TrackerFacts


def codec_facts(name: str, card_dirs: Sequence[Path] = ()) -> CodecFacts:
    """Of a codec's name, options and all: ``snac_24khz@k=2``. Raises SnacEvalError for a name that
    there is not and for a card that is wrong."""
    card = model_card(name, card_dirs)
    base = name.partition(":")[0].partition("@")[0]
    has_file = base in plugins.codec_names(card_dirs)
    state = plugins.codec_state(card)
    ready = state == plugins.READY
    streams = _streams(card)
    return CodecFacts(
        name=card.name,
        family=card.family,
        label=card.label,
        series=card.series,
        description=card.description,
        domains=card.domains or DOMAINS,
        sample_rate=card.sample_rate or None,
        decoded_rate=card.decoded_rate or None,
        channels=card.channels or None,
        bitrate_bps=_finite(card.nominal_bitrate_bps),
        tokens_per_second=math.fsum(one.tokens_per_second for one in streams) if streams else None,
        streams=streams,
        weights=card.weights,
        revision=card.revision,
        sha256=card.sha256,
        licence=card.licence,
        citation=card.citation,
        bibtex=card_entry(card, plugins.card_folders("codecs", card_dirs)),
        options=card.options,
        state=state,
        ready=ready,
        remedy=() if ready else plugins.codec_remedy(card),
        file=str(plugins.codec_file(base, card_dirs)) if has_file else "",
    )


def stated_delay(name: str, card_dirs: Sequence[Path] = ()) -> float | None:
    """By how many samples a codec says that it is late; None where it would have to be started in
    another interpreter, or its owner's code run, to be asked, and where it cannot be opened."""
    card = model_card(name, card_dirs)
    if card.family == "module" or card.environment or card.python:
        return None
    try:
        return open_model(name, card_dirs).delay_samples()
    except SnacEvalError:
        return None


def dataset_facts(name: str, card_dirs: Sequence[Path] = ()) -> DatasetFacts:
    """Of a dataset's name, whose argument does not matter; raises as :func:`codec_facts`."""
    card = plugins.dataset_card(name, card_dirs, check_options=True)
    state = plugins.dataset_state(card)
    ready = state == plugins.READY
    return DatasetFacts(
        name=card.name,
        loader=card.loader,
        description=card.description,
        domains=(card.domain,),
        licence=card.licence,
        citation=card.citation,
        bibtex=card_entry(card, plugins.card_folders("datasets", card_dirs)),
        url=card.url,
        options=card.options,
        state=state,
        ready=ready,
        remedy=() if ready else plugins.dataset_remedy(card),
        file=str(plugins.dataset_file(name, card_dirs)),
    )


def metric_facts(name: str) -> MetricFacts:
    """Of a metric's name, options and all: ``token_agreement@n=5``. Raises SnacEvalError for a name
    or an option that there is not."""
    base, options = split_options(name)
    source = plugins.metric_source(base)
    try:
        state = plugins.metric_state(name)
    except UsageError as error:
        if options:
            raise
        return MetricFacts(name, one_line(error), False, (), source)
    try:
        opened = open_metric(name)
    except UsageError as error:
        if options:
            raise
        said = one_line(error) if state == plugins.READY else state
        return MetricFacts(name, said, False, plugins.metric_remedy(name), source)
    info = opened.info
    ready = state == plugins.READY
    low, high = info.value_range
    return MetricFacts(
        name=info.name,
        state=state,
        ready=ready,
        remedy=() if ready else plugins.metric_remedy(name),
        source=source,
        description=info.description,
        unit=info.unit,
        higher_is_better=info.higher_is_better,
        value_range=(_finite(low), _finite(high)),
        domains=tuple(domain for domain in DOMAINS if domain in info.domains),
        default_for=tuple(domain for domain in DOMAINS if name in DEFAULT_METRICS[domain]),
        sample_rate=info.sample_rate,
        scores=info.kind,
        depends_on=opened.depends_on,
        ranked=info.ranked,
        floor=info.floor,
        licence=opened.licence,
        fingerprint=info.fingerprint.parts,
        definition=opened.definition,
        papers=opened.papers,
        traps=opened.traps,
        extra=", ".join(plugins.metric_extras(name)),
        environment=made.name if (made := plugins.metric_environment(name)) else "",
        listeners=tuple(_listeners(info)),
    )


def tracker_facts(name: str) -> TrackerFacts:
    """Of a tracker's name, whose argument does not matter. Raises UnknownNameError."""
    base = name.partition(":")[0]
    source = trackers.tracker_source(base)
    state = trackers.tracker_state(base)
    remedy = trackers.tracker_remedy(base)
    try:
        about = trackers.tracker_description(base)
    except UsageError as error:
        return TrackerFacts(base, one_line(error) if not remedy else state, False, remedy, source)
    return TrackerFacts(base, state, state == plugins.READY, remedy, source, about)


def _streams(card: CodecCard) -> tuple[Stream, ...]:
    rates = zip(card.codebook_sizes, card.frame_rates_hz, strict=True)
    return tuple(Stream(size, rate, rate * math.log2(size)) for size, rate in rates)


def _listeners(info: MetricInfo) -> Iterator[str]:
    yield from agreed.long(info, agreed.shipped())
    for agreement in agreed.shipped():
        if difference := agreed.other_definition(info, agreement):
            yield f"no figure: {agreement.data} is of another definition ({difference})"


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
