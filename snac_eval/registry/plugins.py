"""Find codecs, datasets and metrics by name.

Everything registers by entry point, ours and a third party's alike:

==================== ===================================== =====================================
group                name                                  object
==================== ===================================== =====================================
snac_eval.codecs     codec family, as cards name it        ``(CodecRequest) -> Codec``
snac_eval.datasets   loader, as cards name it              ``(DatasetRequest) -> Dataset``
snac_eval.metrics    metric name                           ``() -> Metric``: its class, mostly
snac_eval.cards      any                                   package whose folder holds cards
snac_eval.trackers   tracker name                          ``(argument: str) -> Callback``
==================== ===================================== =====================================

Nothing is imported before it is asked for. An entry point that needs an optional extra says so:
``module:object [extra]``. What may lack something else (weights, a corpus, a folder) has a function
``state``: in the codec's or the loader's module, called with the card, or as the metric's method.
It gives what ``snac-eval list`` shows, in a few words, empty where nothing is missing. A function
``remedy`` beside it gives the ways to get that: commands and settings, a text each. The module
of a codec or a loader whose cards have options declares them: a frozen dataclass ``Options``, which
:func:`snac_eval.registry.validation.read_options` fills in. Without one, a card may have none. The
module of a codec that has other rates than those of its cards has a function ``at_bitrate``, which
makes a card of a card and a rate in bits a second, or raises UsageError that says which rates there
are (``opus@kbps=9``). One whose argument names a model has a function ``card_of``, which makes the
model's card of the family's and the argument (``transformers:OWNER/NAME``).

What comes from here is as its entry point made it. :mod:`snac_eval.codecs.opening` and
:mod:`snac_eval.metrics.opening` find out what it can do.
"""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeVar, cast

from snac_eval.errors import DownloadError, UnknownNameError, UsageError
from snac_eval.registry import cards
from snac_eval.registry.environments import (
    MissingEnvironment,
    lacking,
    require_there,
    stamp_of,
)
from snac_eval.registry.extras import MissingExtra
from snac_eval.registry.naming import read_values, split_options
from snac_eval.registry.suggestions import meant_by
from snac_eval.registry.validation import NoOptions, read_options
from snac_eval.types import (
    CodecCard,
    CodecRequest,
    Dataset,
    DatasetCard,
    DatasetRequest,
    Environment,
    Metric,
)

_T = TypeVar("_T")


def codec_card(name: str, card_dirs: Sequence[Path] = (), check_options: bool = False) -> CodecCard:
    """Card of ``name``, which may carry an argument: ``files:DIR`` gives the card ``files``.

    ``check_options``: raise CardError, which names the file, where its options do not fit.
    """
    file = codec_file(name, card_dirs)
    card = cards.read_codec_card(file)
    if check_options:
        _check_options_of(card, "snac_eval.codecs", card.family, file)
    return card


def dataset_card(
    name: str, card_dirs: Sequence[Path] = (), check_options: bool = False
) -> DatasetCard:
    """Card of ``name``, which may carry an argument: ``librispeech:dev-clean``.

    ``check_options`` as for :func:`codec_card`.
    """
    file = dataset_file(name, card_dirs)
    card = cards.read_dataset_card(file)
    if check_options:
        _check_options_of(card, "snac_eval.datasets", card.loader, file)
    return card


def codec_names(card_dirs: Sequence[Path] = ()) -> list[str]:
    """Names of every codec card in reach, sorted."""
    return sorted(cards.card_files("codecs", (*_plugin_dirs(), *card_dirs)))


def dataset_names(card_dirs: Sequence[Path] = ()) -> list[str]:
    """Names of every dataset card in reach, sorted."""
    return sorted(cards.card_files("datasets", (*_plugin_dirs(), *card_dirs)))


def metric_names() -> list[str]:
    """Names of every metric in reach, sorted."""
    return sorted(_group("snac_eval.metrics"))


def rated_cards(base: str, card_dirs: Sequence[Path] = ()) -> list[CodecCard]:
    """The cards of one codec at several rates, lowest first: ``opus_6kbps`` and others of ``opus``;
    none for a name that is no base of theirs."""
    files = cards.card_files("codecs", (*_plugin_dirs(), *card_dirs))
    there = [
        cards.read_codec_card(file) for name, file in files.items() if cards.base_of(name) == base
    ]
    return sorted(there, key=lambda card: (card.nominal_bitrate_bps, card.name))


def base_names(card_dirs: Sequence[Path] = ()) -> list[str]:
    """What :func:`rated_cards` has cards of, sorted."""
    return sorted(set(map(cards.base_of, codec_names(card_dirs))) - {""})


def card_at_bitrate(card: CodecCard, bits_per_second: int) -> CodecCard | None:
    """The card at another rate, as its family makes it; None where the family has only the rates of
    its cards. Raises UsageError for a rate that there is not, and where an extra is missing."""
    entry = _pick(card.family, _group("snac_eval.codecs"), "codec family", "")
    require_there(f"codec '{card.name}'", entry, card.environment, card.python)
    change = getattr(importlib.import_module(entry.module), "at_bitrate", None)
    return None if change is None else cast(CodecCard, change(card, bits_per_second))


def card_of(card: CodecCard, argument: str) -> CodecCard:
    """The card of what an argument names, where the family makes one (``transformers:OWNER/NAME``);
    else the card itself. Raises SnacEvalError where there is no such thing."""
    if not argument:
        return card
    entry = _pick(card.family, _group("snac_eval.codecs"), "codec family", "")
    require_there(f"codec '{card.name}'", entry, card.environment, card.python)
    make = getattr(importlib.import_module(entry.module), "card_of", None)
    return card if make is None else cast(CodecCard, make(card, argument))


def open_codec(request: CodecRequest) -> object:
    """What the card's family makes of the request: an adapter, not yet prepared.

    Raises UsageError where its extra is missing, CardError where the card's options do not fit.
    """
    return _load_for("snac_eval.codecs", request.card.family, "codec family", request.card)(request)


def open_dataset(request: DatasetRequest) -> Dataset:
    """Clips of the dataset, by the card's loader; raises as :func:`open_codec` does."""
    load = _load_for("snac_eval.datasets", request.card.loader, "dataset loader", request.card)
    return cast(Dataset, load(request))


def metric(name: str) -> Metric:
    """The metric of that name, which may carry options: ``token_agreement@n=5``.

    Kept, for a metric holds no state between clips, as long as its environment stays as it is.
    """
    known = metric_environment(name)
    return _metric(name, stamp_of(known.name) if known else 0)


@cache
def _metric(name: str, _: int) -> Metric:
    base, options = split_options(name)
    make = _load("snac_eval.metrics", base, "metric", listing="metrics")
    return cast(Metric, make(**read_values(make, name, options)))


def metric_environment(name: str) -> Environment | None:
    """What the metric has as its ``environment``; None where it has none, or cannot be loaded."""
    try:
        made = _metric_entry(name).load()
    except (ImportError, AttributeError):
        return None
    found = getattr(made, "environment", None)
    return found if isinstance(found, Environment) else None


def require_metric_extra(name: str) -> None:
    """Raises UsageError, which says what to install or to make, where the metric lacks something
    before it can work."""
    known = metric_environment(name)
    what = f"metric '{split_options(name)[0]}'"
    require_there(what, _metric_entry(name), known.name if known else "")


READY = "ready"


def codec_state(card: CodecCard) -> str:
    """``ready``, or what the codec lacks here: an extra, weights, a folder."""
    return _state("snac_eval.codecs", card.family, "codec family", card)


def dataset_state(card: DatasetCard) -> str:
    """``ready``, or what the dataset lacks here: an extra, a download, a local folder."""
    return _state("snac_eval.datasets", card.loader, "dataset loader", card)


def metric_state(name: str) -> str:
    """``ready``, or what the metric, with its options, lacks here: an extra, weights."""
    if (missing := _metric_lacks(name)) is not None:
        return missing.state
    state: Callable[[], str] | None = getattr(metric(name), "state", None)
    return (state() if state is not None else "") or READY


def codec_lacks_extra(card: CodecCard) -> bool:
    """Whether an extra of the codec's family is missing, or the card's environment, without which
    it cannot be opened."""
    return (
        _lacks(_pick(card.family, _group("snac_eval.codecs"), "codec family", ""), card) is not None
    )


def codec_remedy(card: CodecCard) -> tuple[str, ...]:
    """Ways to get what the codec lacks here, a command or a setting each; empty where its state
    says all there is to say."""
    return _remedy("snac_eval.codecs", card.family, "codec family", card)


def dataset_remedy(card: DatasetCard) -> tuple[str, ...]:
    """Ways to get what the dataset lacks here, as :func:`codec_remedy`."""
    return _remedy("snac_eval.datasets", card.loader, "dataset loader", card)


def metric_remedy(name: str) -> tuple[str, ...]:
    """Ways to get what the metric lacks here, as :func:`codec_remedy`."""
    if (missing := _metric_lacks(name)) is not None:
        return (missing.command,)
    remedy: Callable[[], tuple[str, ...]] | None = getattr(metric(name), "remedy", None)
    return remedy() if remedy is not None else ()


def codec_source(family: str) -> str:
    """Where the family's codecs are made: ``module:function``; empty where this installation has no
    such family."""
    entry = _group("snac_eval.codecs").get(family)
    return "" if entry is None else f"{entry.module}:{entry.attr}"


def metric_source(name: str) -> str:
    """Where the metric is made: ``module:object``. Raises UnknownNameError."""
    return _metric_entry(name).value


def metric_extras(name: str) -> tuple[str, ...]:
    """The extras that the metric names, in this interpreter needed by it."""
    return tuple(_metric_entry(name).extras)


def codec_extras(card: CodecCard) -> tuple[str, ...]:
    """The same of a codec's family; none of one that only another interpreter has."""
    entry = _group("snac_eval.codecs").get(card.family)
    return () if entry is None else tuple(entry.extras)


def codec_file(name: str, card_dirs: Sequence[Path] = ()) -> Path:
    """File of a codec's card. Raises UnknownNameError."""
    return _card_file("codecs", name, card_dirs)


def dataset_file(name: str, card_dirs: Sequence[Path] = ()) -> Path:
    """File of a dataset's card. Raises UnknownNameError."""
    return _card_file("datasets", name, card_dirs)


def card_folders(kind: cards.Kind, card_dirs: Sequence[Path] = ()) -> list[Path]:
    """Where cards may lie: shipped ones, plugins', the user's own; a later folder goes before."""
    return cards.card_folders(kind, (*_plugin_dirs(), *card_dirs))


def tracker_names() -> list[str]:
    """Names of every tracker in reach, sorted."""
    return sorted(_group("snac_eval.trackers"))


def tracker_entry(name: str) -> EntryPoint:
    """Where a tracker is made. Raises UnknownNameError."""
    return _pick(name, _group("snac_eval.trackers"), "tracker", "trackers")


def _card_file(kind: cards.Kind, name: str, card_dirs: Sequence[Path]) -> Path:
    """Raise CardError where no file is called so, but one of them says that it is."""
    files = cards.card_files(kind, (*_plugin_dirs(), *card_dirs))
    base = name.partition(":")[0]
    for file in () if base in files else files.values():
        cards.refuse_name(file, base)
    return _pick(base, files, kind.removesuffix("s"), kind)


def _remedy(group: str, name: str, what: str, card: CodecCard | DatasetCard) -> tuple[str, ...]:
    entry = _pick(name, _group(group), what, "")
    if (missing := _lacks(entry, card)) is not None:
        return (missing.command,)
    try:
        remedy = getattr(importlib.import_module(entry.module), "remedy", None)
        return tuple(remedy(card)) if remedy is not None else ()
    except (ImportError, DownloadError):  # which the state tells
        return ()


def _state(group: str, name: str, what: str, card: CodecCard | DatasetCard) -> str:
    entry = _pick(name, _group(group), what, "")
    if (missing := _lacks(entry, card)) is not None:
        return missing.state
    try:
        state = getattr(importlib.import_module(entry.module), "state", None)
    except ImportError as error:
        return f"cannot be loaded: {error}"
    try:
        return (state(card) if state is not None else "") or READY
    except DownloadError as error:
        return str(error)


def _lacks(
    entry: EntryPoint, card: CodecCard | DatasetCard
) -> MissingExtra | MissingEnvironment | None:
    if isinstance(card, DatasetCard):
        return lacking(entry)
    return lacking(entry, card.environment, card.python)


def _metric_lacks(name: str) -> MissingExtra | MissingEnvironment | None:
    known = metric_environment(name)
    return lacking(_metric_entry(name), known.name if known else "")


def _metric_entry(name: str) -> EntryPoint:
    return _pick(split_options(name)[0], _group("snac_eval.metrics"), "metric", "metrics")


def _load(group: str, name: str, what: str, listing: str = "") -> Callable[..., Any]:
    entry = _pick(name, _group(group), what, listing)
    try:
        return cast("Callable[..., Any]", entry.load())
    except (ImportError, AttributeError) as error:
        raise UsageError(
            f"{what} '{name}' cannot be loaded from {entry.value}: {error}; install what it needs"
        ) from error


def _load_for(
    group: str, name: str, what: str, card: CodecCard | DatasetCard
) -> Callable[..., Any]:
    """What opens a card, once its extra is there and its options fit."""
    entry = _pick(name, _group(group), what, "")
    if (missing := _lacks(entry, card)) is not None:
        raise UsageError(f"{what.partition(' ')[0]} '{card.name}' needs {missing.remedy}")
    load = _load(group, name, what)
    read_options(card, getattr(importlib.import_module(entry.module), "Options", NoOptions))
    return load


def _check_options_of(card: CodecCard | DatasetCard, group: str, name: str, file: Path) -> None:
    """Raise CardError, which names the file. What cannot be opened here is told by who opens it."""
    entry = _group(group).get(name)
    if entry is None or _lacks(entry, card) is not None:
        return
    try:
        kind = getattr(importlib.import_module(entry.module), "Options", NoOptions)
    except ImportError:
        return
    read_options(card, kind, file)


@cache
def _group(group: str) -> dict[str, EntryPoint]:
    return {entry.name: entry for entry in entry_points(group=group)}


@cache
def _plugin_dirs() -> tuple[Path, ...]:
    found = []
    for entry in entry_points(group="snac_eval.cards"):
        spec = find_spec(entry.value)
        found += [Path(folder) for folder in (spec and spec.submodule_search_locations) or ()]
    return tuple(found)


def _pick(name: str, known: dict[str, _T], what: str, listing: str) -> _T:
    if name in known:
        return known[name]
    raise UnknownNameError(unknown_name(name, known, what, listing))


def unknown_name(name: str, known: Iterable[str], what: str, listing: str) -> str:
    """One line that names the unknown and, where one is close, what was probably meant."""
    if meant := meant_by(name, what):
        return f"unknown {what} '{name}': {meant}"
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    suggestion = f"did you mean '{close[0]}'? " if close else ""
    see = f"see: snac-eval list {listing}" if listing else f"known: {', '.join(sorted(known))}"
    return f"unknown {what} '{name}': {suggestion}{see}"
